#include "support/executors.hpp"
#include "support/training_checks.hpp"

#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/head/cosine.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/merge/pull_to_mean.hpp>
#include <accrete/train/gather_spans.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/loss/orthogonality.hpp>
#include <accrete/train/loss/reverse_cross_entropy.hpp>
#include <accrete/train/sgd.hpp>

#include <doctest/doctest.h>

namespace accrete::test::trajectories_test {

namespace {

constexpr Index batch = 8;

/// Fifty steps from a published start, and where PyTorch arrives (tests/golden/training/trajectory_<name>.safetensors).
class Trajectory {
 public:
  explicit Trajectory(std::string const& name)
      : values_(golden("training/trajectory_" + name)),
        data_(golden("training/trajectories.data")),
        settings_(nlohmann::json::parse(values_.metadata().at("config"))),
        images_(data_.entry("images")) {}

  [[nodiscard]] nlohmann::json const& settings() const { return settings_; }
  [[nodiscard]] SafetensorsFile const& values() const { return values_; }
  [[nodiscard]] Index steps() const { return static_cast<Index>(values_.entry("losses").shape.at(0)); }

  [[nodiscard]] Tensor<float, 4> images(Index step) const {
    Tensor<float, 4> batch_images({batch, images_.shape[1], images_.shape[2], images_.shape[3]});
    auto const* const first = reinterpret_cast<unsigned char const*>(images_.bytes.data()) + step % 3 * batch_images.size();
    std::transform(first, first + batch_images.size(), batch_images.begin(), [](unsigned char level) { return (static_cast<float>(level) - 128.0F) / 64.0F; });
    return batch_images;
  }
  [[nodiscard]] std::vector<Index> labels(Index step) const {
    auto const all = data_.read<Index, 1>("labels");
    return {all.begin() + step % 3 * batch, all.begin() + (step % 3 + 1) * batch};
  }

 private:
  SafetensorsFile values_;
  SafetensorsFile data_;
  nlohmann::json settings_;
  StoredTensor images_;
};

/// Puts stored values into a store, where there are some.
void set(ParameterStore<float>& store, std::string const& segment, SafetensorsFile const& file, std::string const& name) {
  if (!file.contains(name)) { return; }
  auto const numbers = stored_numbers(file, name);
  auto const to = store.values().slice(store.offset(segment), static_cast<Index>(numbers.size()));
  std::transform(numbers.begin(), numbers.end(), to.begin(), [](double value) { return static_cast<float>(value); });
}

void compare(ParameterStore<float> const& store, std::string const& segment, SafetensorsFile const& file, std::string const& name) {
  if (!file.contains(name)) { return; }
  CAPTURE(segment);
  auto const want = stored_numbers(file, name);
  CHECK(relative_difference(store.values().slice(store.offset(segment), static_cast<Index>(want.size())), viewed(want)) <= tolerance<float>(Kind::training));
}

/// What learns, with its momentum; every segment decays.
struct Learned {
  ParameterStore<float> values;
  ParameterStore<float> gradients = values;
  Sgd::State<float> state = Sgd{}.start(values);
  double factor = 1;

  void step(VectorView<float const> gradient, double rate, double decay) {
    std::vector<ParameterUpdate> updates;
    for (ParameterSpan const& span : values.trainable()) { updates.push_back({span, factor * rate, decay}); }
    Sgd{}.step(HostExecutor<>{}, state, values, gradient, updates);
  }
  /// What learns, side by side.
  [[nodiscard]] Vector<float> flat() const {
    auto const spans = values.trainable();
    Vector<float> learning({span_elements(spans)});
    gather_spans(values.values(), spans, learning.view());
    return learning;
  }
  void pull(PullToMean const& merge, PullToMean::State const& towards) {
    auto learning = flat();
    merge.after_step(towards, learning.view());
    scatter_spans(learning.cview(), values.trainable(), values.values());
  }
};

/// Prompts at the end of the sequence that learn.
struct Prompts {
  Learned* learned;
  Index at;

  [[nodiscard]] TokenInjection tokens(Index block) const {
    auto const rows = std::as_const(learned->values).view<3>("prompts");
    if (block >= rows.extent(0)) { return {}; }
    return {rows.slice(block, 1), at, block == 0 ? TokenInjection::How::insert : TokenInjection::How::overwrite};
  }
  void tokens_gradient(Index block, TensorView<float const, 3> d) const { kernels::sum_tokens(HostExecutor<>{.threads = 1}, d, 0, learned->gradients.view<3>("prompts")[block]); }
};

template <class Head, class Tuning>
void check_trajectory(std::string const& name, Tuning const& tuning) {
  CAPTURE(name);
  Trajectory const trajectory(name);
  TrainingCase const network{name,
                             trajectory.settings()["tuning"],
                             trajectory.settings()["architecture"],
                             golden_path(trajectory.settings()["weights"].get<std::string>()),
                             golden(trajectory.settings()["input"].get<std::string>().substr(0, trajectory.settings()["input"].get<std::string>().size() - 12)),
                             trajectory.values()};
  HostExecutor<> const exec{.threads = 2};
  auto vit = Vit<Tuning>::load(network.weights, network.options(), tuning);
  Learned trunk{stored_parameters<float>(vit.parameters(), network)};
  trunk.factor = trajectory.settings()["trunk"];

  ParameterStore<float> rows;
  bool const prompted = trajectory.values().contains("param.prompts");
  if (prompted) {
    auto const start = trajectory.values().read<float, 3>("param.prompts");
    rows.add({.name = "prompts", .shape = {start.extent(0), start.extent(1), start.extent(2)}, .role = "prompt", .trainable_rows = start.extent(0)});
    std::copy(start.begin(), start.end(), rows.view<3>("prompts").begin());
  }
  Learned prompts{std::move(rows)};
  Prompts hook{&prompts, vit.shape().tokens()};
  NoHook no_hook;

  Head const head;
  typename Head::State head_state;
  auto const classes = static_cast<Index>(trajectory.values().entry("param.head.weight").shape.at(0));
  head.admit(head_state, {.index = 0, .first_class = 0, .classes = classes}, vit.width());
  Learned classifier{head_state.parameters()};
  set(classifier.values, HeadBlock::weight_name(0), trajectory.values(), "param.head.weight");
  bool const cosine = std::is_same_v<Head, CosineHead>;
  std::string const second = cosine ? "head.scale" : HeadBlock::bias_name(0);
  std::string const second_name = cosine ? "head.sigma" : "head.bias";
  set(classifier.values, second, trajectory.values(), "param." + second_name);

  VitTrainer<HostExecutor<>> trainer(exec, vit);
  trainer.refresh(trunk.values);
  auto const losses = trajectory.values().read<double, 1>("losses");
  auto const rates = trajectory.values().read<double, 1>("rates");
  double const decay = trajectory.settings()["weight_decay"];
  Orthogonality const orthogonality{.weight = trajectory.settings().value("apart", 0.0), .temperature = trajectory.settings().value("temperature", 1.0)};
  auto const means = orthogonality.weight > 0 ? trajectory.values().read<double, 2>("means") : Matrix<double>();
  SymmetricCrossEntropy const symmetric{.forward = 1.0, .reverse = trajectory.settings().value("reverse", 0.0)};
  PullToMean const merge{.momentum = trajectory.settings().value("pull", 0.0)};
  auto const began = trunk.flat();
  PullToMean::State const earlier{1, {began.begin(), began.end()}};  // one task ended where this one begins
  for (Index step = 0; step < trajectory.steps(); ++step) {
    CAPTURE(step);
    auto const images = trajectory.images(step);
    Matrix<float> features({batch, vit.width()});
    Matrix<float> d_features(features.shape());
    Matrix<float> logits({batch, classes});
    Matrix<float> d_logits(logits.shape());
    trainer.zero_gradients();
    std::fill(prompts.gradients.values().begin(), prompts.gradients.values().end(), 0.0F);
    std::fill(classifier.gradients.values().begin(), classifier.gradients.values().end(), 0.0F);
    if (prompted) {
      trainer.forward(images.cview(), hook, features.view(), {});
    } else {
      trainer.forward(images.cview(), no_hook, features.view(), {});
    }
    head.logits(exec, classifier.values, features.cview(), logits.view());
    double loss = symmetric.reverse > 0 ? symmetric(logits.cview(), trajectory.labels(step), {0, classes}, d_logits.view())
                                        : CrossEntropy{}(logits.cview(), trajectory.labels(step), {0, classes}, d_logits.view());
    head.backward(exec, classifier.values, features.cview(), d_logits.cview(), d_features.view(), classifier.gradients);
    if (orthogonality.weight > 0) { loss += orthogonality(exec, means.cview(), features.cview(), d_features.view()); }
    CHECK(std::abs(loss - losses(step)) <= tolerance<float>(Kind::losses) * losses(step));
    if (prompted) {
      trainer.backward(d_features.cview(), hook);
    } else {
      trainer.backward(d_features.cview(), no_hook);
    }
    trunk.step(trainer.gradients(), rates(step), decay);
    if (merge.momentum > 0) { trunk.pull(merge, earlier); }
    if (prompted) { prompts.step(std::as_const(prompts.gradients).values(), rates(step), decay); }
    classifier.step(std::as_const(classifier.gradients).values(), rates(step), decay);
    trainer.refresh(trunk.values);
  }
  for (auto const& segment : trunk.values.segments()) { compare(trunk.values, segment.name, trajectory.values(), "final." + reference_name(segment.name)); }
  if (prompted) { compare(prompts.values, "prompts", trajectory.values(), "final.prompts"); }
  compare(classifier.values, HeadBlock::weight_name(0), trajectory.values(), "final.head.weight");
  compare(classifier.values, second, trajectory.values(), "final." + second_name);

  vit.assign(trunk.values);  // what was learned, at rest
  auto const images = network.images();
  auto const features = prompted ? vit.features(exec, images.cview(), hook) : vit.features(exec, images.cview());
  CHECK(relative_difference(features, trajectory.values().read<double, 2>("features")) <= tolerance<float>(Kind::training));
}

}  // namespace

TEST_CASE("fifty steps of every tuning end where PyTorch's do, loss by loss") {
  check_trajectory<CosineHead>("full", Full{});
  check_trajectory<CosineHead>("adapter", Bottleneck{.width = 8, .dropout = 0});
  check_trajectory<CosineHead>("ssf", Ssf{});
  auto const lora = Trajectory("lora").settings()["tuning"];
  check_trajectory<CosineHead>("lora", Lora{.rank = lora["rank"], .scale = lora["lora_scale"], .keys = true});
  check_trajectory<CosineHead>("vpt_shallow", Frozen{});
  check_trajectory<CosineHead>("vpt_deep", Frozen{});
}

TEST_CASE("fifty steps of finetuning and of SLCA's slow trunk end where PyTorch's do") {
  check_trajectory<LinearHead>("finetune", Full{});
  check_trajectory<LinearHead>("slca", Full{});
}

TEST_CASE("fifty steps of MOS, merged and pushed apart, and of SLCA++ end where PyTorch's do") {
  check_trajectory<LinearHead>("mos", Bottleneck{.width = 8, .dropout = 0});
  Lora parts = Lora::slca_plus_plus();
  parts.start = LoraStart::uniform;  // the first values are those of the file
  check_trajectory<LinearHead>("slca_plus_plus", parts);
}

}  // namespace accrete::test::trajectories_test
