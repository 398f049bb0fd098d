#pragma once

#include "training_checks.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/train/gradient_stage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::test {

/// Steps over several tasks, and where PyTorch arrives (tests/golden/training/trajectory_<name>.safetensors).
class TrajectoryFile {
 public:
  explicit TrajectoryFile(std::string const& name, std::string const& prefix = "trajectory_")
      : file(golden("training/" + prefix + name)), data(golden("training/trajectories.data")), config(nlohmann::json::parse(file.metadata().at("config"))) {}

  SafetensorsFile file;
  SafetensorsFile data;
  nlohmann::json config;

  [[nodiscard]] Vit<> network() const {
    auto const& architecture = config["architecture"];
    VitOptions options;
    options.heads = architecture["heads"].get<Index>();
    options.epsilon = architecture["eps"].get<double>();
    options.image_height = architecture["image"][0].get<Index>();
    options.image_width = architecture["image"][1].get<Index>();
    return Vit<>::load(golden_path(config["weights"].get<std::string>()), options);
  }

  /// Calls use(task, steps) for every task.
  template <class Use>
  void for_tasks(Use const& use) const {
    for (auto const& task : config["tasks"]) {
      Index const past = task["past"];
      Index const seen = task["seen"];
      TaskInfo const info{.index = task["index"], .first_class = past, .classes = seen - past};
      use(info, task["steps"].get<Index>());
    }
  }

  /// Where the reference says nothing of a name there is nothing to compare. It may have room for later tasks behind what is there.
  void compare(ParameterStore<float> const& store, std::string const& segment, std::string const& name) const {
    if (!file.contains(name)) { return; }
    CAPTURE(name);
    auto want = stored_numbers(file, name);
    auto const have = store.values(segment);
    REQUIRE(static_cast<Index>(want.size()) >= have.size());
    want.resize(static_cast<std::size_t>(have.size()));
    CHECK(relative_difference(have, viewed(want)) <= tolerance<float>(Kind::training));
  }

  /// The same of a whole tensor, of which the reference may have the length alone; there must be one of the two.
  template <class T>
  void compare_or_length(VectorView<T const> have, std::string const& name, double allowed = tolerance<float>(Kind::training)) const {
    CAPTURE(name);
    bool const whole = file.contains(name);
    REQUIRE((whole || file.contains("length." + name)));
    if (whole) {
      auto const want = stored_numbers(file, name);
      CHECK(relative_difference(have, viewed(want)) <= allowed);
    } else {
      double const want = stored_numbers(file, "length." + name).front();
      CHECK(std::abs(length_of(have) - want) <= allowed * want);
    }
  }
  template <class T>
  [[nodiscard]] static double length_of(VectorView<T const> values) {
    return std::sqrt(std::accumulate(values.begin(), values.end(), 0.0, [](double sum, T value) { return sum + static_cast<double>(value) * static_cast<double>(value); }));
  }

  /// Puts stored rows in, from row `first` on, where there are some.
  void set(ParameterStore<float>& store, std::string const& segment, std::string const& name, Index first = 0) const {
    if (!file.contains(name)) { return; }
    auto const numbers = stored_numbers(file, name);
    auto const all = store.values(segment);
    Index const from = all.size() / store.segment(segment).shape[0] * first;
    for (Index i = from; i < all.size(); ++i) { all[i] = static_cast<float>(numbers[static_cast<std::size_t>(i - from)]); }
  }

  /// Puts the rows of a task into a head, and lets only them learn.
  void set_head(ParameterStore<float>& rows, TaskInfo const& task, Index width) const {
    auto const weight = stored_numbers(file, "param.head.weight");
    auto const offset = stored_numbers(file, "param.head.bias");
    auto const own = rows.values(HeadBlock::weight_name(task.index));
    for (Index i = 0; i < own.size(); ++i) { own[i] = static_cast<float>(weight[static_cast<std::size_t>(task.first_class * width + i)]); }
    for (Index i = 0; i < task.classes; ++i) { rows.values(HeadBlock::bias_name(task.index))[i] = static_cast<float>(offset[static_cast<std::size_t>(task.first_class + i)]); }
    let_competitors_learn(rows, {task.first_class, task.classes});
  }

  [[nodiscard]] Tensor<float, 4> images(std::vector<Index> const& rows) const {
    auto const stored = data.entry("images");
    Tensor<float, 4> images({static_cast<Index>(rows.size()), stored.shape[1], stored.shape[2], stored.shape[3]});
    Index const each = images.size() / images.extent(0);
    for (std::size_t b = 0; b < rows.size(); ++b) {
      auto const* const first = reinterpret_cast<unsigned char const*>(stored.bytes.data()) + rows[b] * each;
      std::transform(first, first + each, images.data() + static_cast<Index>(b) * each, [](unsigned char level) { return (static_cast<float>(level) - 128.0F) / 64.0F; });
    }
    return images;
  }
  [[nodiscard]] Tensor<float, 4> all_images() const {
    std::vector<Index> all(static_cast<std::size_t>(data.entry("images").shape[0]));
    std::iota(all.begin(), all.end(), Index{0});
    return images(all);
  }

  /// The pictures of a step, and their classes.
  [[nodiscard]] std::vector<Index> rows(Index step) const {
    auto const batches = file.read<Index, 2>("rows");
    return {batches.cview()[step].begin(), batches.cview()[step].end()};
  }
  [[nodiscard]] std::vector<Index> labels(std::vector<Index> const& rows) const {
    auto const all = data.read<Index, 1>("labels");
    std::vector<Index> columns;
    for (Index const row : rows) { columns.push_back(all(row)); }
    return columns;
  }
  /// The pictures of a step through network and head and back, its loss beside the reference's.
  /// @param[in] rows  of the head;  @param[out] d_rows  their gradient; that of the network is the trainer's, that of prompts the hook's
  template <class Exec, class Hook, class Head, class Loss>
  void run_step(Exec const& exec, Index step, ColumnRange competing, VitTrainer<Exec>& trainer, Hook& hook, Head const& head, ParameterStore<float> const& rows, ParameterStore<float>& d_rows,
                Loss const& loss) const {
    std::vector<Index> const taken = this->rows(step);
    auto const pictures = images(taken);
    Matrix<float> features({pictures.extent(0), rows.segments().front().shape[1]});
    Matrix<float> d_features(features.shape());
    Matrix<float> logits({pictures.extent(0), competing.first + competing.count});
    Matrix<float> d_logits(logits.shape());
    trainer.forward(pictures.cview(), hook, features.view(), {});
    std::fill(d_rows.values().begin(), d_rows.values().end(), 0.0F);
    head.logits(exec, rows, features.cview(), logits.view());
    check_loss(step, loss(logits.cview(), labels(taken), competing, d_logits.view()));
    head.backward(exec, rows, features.cview(), d_logits.cview(), d_features.view(), d_rows);
    trainer.zero_gradients();
    trainer.backward(d_features.cview(), hook);
  }

  [[nodiscard]] double rate(Index step) const { return file.read<double, 1>("rates")(step); }
  void check_loss(Index step, double loss) const {
    double const want = file.read<double, 1>("losses")(step);
    CHECK(std::abs(loss - want) <= tolerance<float>(Kind::losses) * std::abs(want));
  }
};

}  // namespace accrete::test
