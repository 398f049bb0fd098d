#include "support/executors.hpp"
#include "support/training_checks.hpp"

#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/prompt/attention.hpp>
#include <accrete/prompt/generated.hpp>
#include <accrete/prompt/key_query.hpp>
#include <accrete/prompt/weight/entmax15.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/gradient_stage.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/prompted.hpp>
#include <accrete/train/query_source.hpp>

#include <doctest/doctest.h>

using namespace accrete;
using namespace accrete::test;

namespace {

/// Fifty steps of a prompt method over two tasks, and where PyTorch arrives (tests/golden/training/trajectory_<name>.safetensors).
template <class Prompt>
class PromptTrajectory {
 public:
  PromptTrajectory(std::string const& name, Prompt prompt)
      : file_(golden("training/trajectory_" + name)),
        data_(golden("training/trajectories.data")),
        config_(nlohmann::json::parse(file_.metadata().at("config"))),
        vit_(Vit<>::load(golden_path(config_["weights"].get<std::string>()), options(config_["architecture"]))),
        prompt_(std::move(prompt)) {
    prompt_.fit_place(state_, prompt_place(vit_));
    adam_ = {.beta1 = config_["optimiser"]["beta1"], .beta2 = config_["optimiser"]["beta2"], .epsilon = config_["optimiser"]["eps"], .amsgrad = config_["optimiser"]["amsgrad"]};
    auto const& clip = config_["method"]["clip"];
    clip_ = clip.is_null() ? 0.0 : clip.get<double>();
  }

  void check() {
    for (auto const& task : config_["tasks"]) {
      Index const past = task["past"];
      Index const seen = task["seen"];
      learn({.index = task["index"], .first_class = past, .classes = seen - past}, task["steps"]);
    }
    for (auto const& segment : state_.parameters().segments()) { compare(state_.parameters(), segment.name, "final." + reference(segment.name)); }
    check_answers();
  }

 private:
  static VitOptions options(nlohmann::json const& architecture) {
    VitOptions options;
    options.heads = architecture["heads"].get<Index>();
    options.epsilon = architecture["eps"].get<double>();
    options.image_height = architecture["image"][0].get<Index>();
    options.image_width = architecture["image"][1].get<Index>();
    return options;
  }

  /// The slots of a task are called after their use there.
  [[nodiscard]] std::string reference(std::string const& segment) const { return segment == "prompt.pool" && file_.contains("param.prompt.expert") ? "prompt.expert" : segment; }

  static VectorView<float> whole(ParameterStore<float>& store, std::string_view name) {
    Index size = 1;
    for (Index const extent : store.segment(name).shape) { size *= extent; }
    return store.values().slice(store.offset(name), size);
  }

  /// The reference may have room for later tasks behind what is there.
  void compare(ParameterStore<float>& store, std::string const& segment, std::string const& name) const {
    if (!file_.contains(name)) { return; }
    CAPTURE(name);
    auto want = stored_numbers(file_, name);
    auto const have = whole(store, segment);
    REQUIRE(static_cast<Index>(want.size()) >= have.size());
    want.resize(static_cast<std::size_t>(have.size()));
    CHECK(relative_difference(have, viewed(want)) <= tolerance<float>(Kind::training));
  }

  /// Puts stored rows in, from row `first` on.
  void set(ParameterStore<float>& store, std::string const& segment, std::string const& name, Index first = 0) const {
    if (!file_.contains(name)) { return; }
    auto const numbers = stored_numbers(file_, name);
    auto const all = whole(store, segment);
    Index const from = all.size() / store.segment(segment).shape[0] * first;
    for (Index i = from; i < all.size(); ++i) { all[i] = static_cast<float>(numbers[static_cast<std::size_t>(i - from)]); }
  }

  [[nodiscard]] Tensor<float, 4> images(std::vector<Index> const& rows) const {
    auto const stored = data_.entry("images");
    Tensor<float, 4> images({static_cast<Index>(rows.size()), stored.shape[1], stored.shape[2], stored.shape[3]});
    Index const each = images.size() / images.extent(0);
    for (std::size_t b = 0; b < rows.size(); ++b) {
      auto const* const first = reinterpret_cast<unsigned char const*>(stored.bytes.data()) + rows[b] * each;
      std::transform(first, first + each, images.data() + static_cast<Index>(b) * each, [](unsigned char level) { return (static_cast<float>(level) - 128.0F) / 64.0F; });
    }
    return images;
  }

  void learn(TaskInfo const& task, Index steps) {
    CAPTURE(task.index);
    prompt_.begin_task(state_, task);
    auto& store = state_.parameters();
    for (auto const& segment : store.segments()) {
      if (task.index == 0) {
        set(store, segment.name, "param." + reference(segment.name));
      } else if (segment.first_trainable > 0 && reference(segment.name) == segment.name) {  // drawn anew; a copied slot is to be computed
        set(store, segment.name, "task1.param." + segment.name, segment.first_trainable);
      }
      if (task.index == 1) { compare(store, segment.name, "task1.start." + reference(segment.name)); }
    }
    head_.admit(head_state_, task, vit_.width());
    auto& rows = head_state_.parameters();
    auto const weight = stored_numbers(file_, "param.head.weight");
    auto const offset = stored_numbers(file_, "param.head.bias");
    auto const own_rows = whole(rows, HeadBlock::weight_name(task.index));
    for (Index i = 0; i < own_rows.size(); ++i) { own_rows[i] = static_cast<float>(weight[static_cast<std::size_t>(task.first_class * vit_.width() + i)]); }
    for (Index i = 0; i < task.classes; ++i) { whole(rows, HeadBlock::bias_name(task.index))[i] = static_cast<float>(offset[static_cast<std::size_t>(task.first_class + i)]); }
    ColumnRange const competing{task.first_class, task.classes};
    let_competitors_learn(rows, competing);

    auto hook = prompt_.learning_hook(exec_, state_);
    QuerySource queries(exec_, vit_, prompt_.first_block(state_), 0);
    VitTrainer<HostExecutor<>> trainer(exec_, vit_, prompt_.read_rows(state_));
    LearningPart<Adam> prompt_part(adam_, "prompt", state_.parameters());
    LearningPart<Adam> head_part(adam_, "head", rows);
    ParameterStore<float> d_prompt = state_.parameters();
    ParameterStore<float> d_head = rows;
    LearningParts<Adam> const parts{&prompt_part, &head_part};
    auto const losses = file_.template read<double, 1>("losses");
    auto const rates = file_.template read<double, 1>("rates");
    auto const labels = data_.read<Index, 1>("labels");
    auto const batches = file_.template read<Index, 2>("rows");
    Index const classes = task.first_class + task.classes;
    ParameterGroup const group{.role = ""};
    for (Index i = 0; i < steps; ++i) {
      Index const step = task.index * steps + i;
      CAPTURE(step);
      std::vector<Index> const taken(batches.cview()[step].begin(), batches.cview()[step].end());
      std::vector<Index> columns;
      for (Index const row : taken) { columns.push_back(labels(row)); }
      auto const pictures = images(taken);
      Index const batch = pictures.extent(0);
      hook.prepare(queries(pictures.cview(), {}), columns);
      Matrix<float> features({batch, vit_.width()});
      Matrix<float> d_features(features.shape());
      Matrix<float> logits({batch, classes});
      Matrix<float> d_logits(logits.shape());
      trainer.forward_behind(queries.tokens(), queries.first_block(), hook, features.view(), {});
      std::fill(d_head.values().begin(), d_head.values().end(), 0.0F);
      head_.logits(exec_, head_part.values(), features.cview(), logits.view());
      double loss = CrossEntropy{}(logits.cview(), columns, competing, d_logits.view());
      head_.backward(exec_, head_part.values(), features.cview(), d_logits.cview(), d_features.view(), d_head);
      loss += hook.own_loss(1.0);
      CHECK(std::abs(loss - losses(step)) <= tolerance<float>(Kind::losses) * std::abs(losses(step)));
      trainer.backward(d_features.cview(), hook);
      hook.collect(d_prompt);
      if (i == 0) {
        for (auto const& segment : d_prompt.segments()) {
          if (segment.trainable_rows > 0) { compare(d_prompt, segment.name, message("gradient", task.index, '.', reference(segment.name))); }
        }
      }
      prompt_part.attach(std::as_const(d_prompt).values());
      head_part.attach(std::as_const(d_head).values());
      if (clip_ > 0.0) { clip_together(parts, clip_); }
      for (auto* const part : parts) { part->step(std::span(&group, 1), ConstantRate{rates(step)}, 0); }
      hook.refresh(prompt_part.values());
    }
    state_.parameters() = prompt_part.take();
    head_state_.parameters() = head_part.take();
    hook.finish(state_);
    prompt_.end_task(state_, task);
  }

  void check_answers() {
    std::vector<Index> all(static_cast<std::size_t>(data_.entry("images").shape[0]));
    std::iota(all.begin(), all.end(), Index{0});
    auto const pictures = images(all);
    Prompted const prompted(vit_, prompt_, state_);
    auto const features = prompted.features(exec_, pictures.cview());
    CHECK(relative_difference(features, file_.template read<double, 2>("features")) <= tolerance<float>(Kind::training));
    Matrix<float> scores({features.extent(0), head_.classes(head_state_)});
    head_.scores(exec_, head_state_, features.cview(), scores.view());
    CHECK(relative_difference(scores, file_.template read<double, 2>("logits")) <= tolerance<float>(Kind::training));
    if constexpr (ChoosesSlots<Prompt>) {
      auto const queries = vit_.features(exec_, pictures.cview());
      auto const chosen = prompt_.chosen_slots(exec_, state_, queries.cview());
      auto const want = file_.template read<Index, 2>("selected");
      CHECK(std::equal(chosen.begin(), chosen.end(), want.begin(), want.end()));
    }
  }

  HostExecutor<> exec_{.threads = 2};
  SafetensorsFile file_;
  SafetensorsFile data_;
  nlohmann::json config_;
  Vit<> vit_;
  Prompt prompt_;
  typename Prompt::State state_;
  LinearHead head_;
  LinearHead::State head_state_;
  Adam adam_;
  double clip_ = 0.0;
};

template <class Prompt>
void check_trajectory(std::string const& name, Prompt prompt) {
  CAPTURE(name);
  PromptTrajectory<Prompt>(name, std::move(prompt)).check();
}

}  // namespace

TEST_CASE("fifty steps of L2P over two tasks end where PyTorch's do, gradient by gradient and loss by loss") {
  KeyQueryPrompt<InputTokens<ReadsPrompt>> prompt;
  prompt.pool = 5;
  prompt.placement.length = 2;
  prompt.selector.count = 2;
  check_trajectory("l2p", prompt);
}

TEST_CASE("fifty steps of DualPrompt over two tasks end where PyTorch's do") {
  GeneralExpertPrompt<> prompt;
  prompt.pool = 3;
  prompt.placement = {.length = 3, .first = 1, .blocks = 2};
  prompt.general.placement = {.length = 2, .first = 0, .blocks = 2};
  check_trajectory("dualprompt", prompt);
}

TEST_CASE("fifty steps of CODA-Prompt over two tasks end where PyTorch's do, by cosines and by 1.5-entmax") {
  Prefix const placement{.length = 2, .first = 0, .blocks = 2};
  check_trajectory("coda_prompt", AttentionPrompt<>{.per_task = 3, .placement = placement});
  check_trajectory("coda_entmax", AttentionPrompt<Entmax15Weights>{.per_task = 3, .placement = placement, .weights = {.temperature = 0.4, .gain = 1.5}});
}

TEST_CASE("fifty steps of DAP over two tasks end where PyTorch's do") { check_trajectory("dap", GeneratedPrompt<>{.pool = 3, .length = 2, .embedding_width = 3, .pull = 12.8}); }
