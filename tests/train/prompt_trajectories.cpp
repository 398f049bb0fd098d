#include "support/executors.hpp"
#include "support/trajectory.hpp"

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

namespace accrete::test::prompt_trajectories_test {

namespace {

/// Fifty steps of a prompt method over two tasks.
template <class Prompt>
class PromptTrajectory {
 public:
  PromptTrajectory(std::string const& name, Prompt prompt) : reference_(name), vit_(reference_.network()), prompt_(std::move(prompt)) {
    prompt_.fit_place(state_, prompt_place(vit_));
    auto const& adam = reference_.config["optimiser"];
    adam_ = {.beta1 = adam["beta1"], .beta2 = adam["beta2"], .epsilon = adam["eps"], .amsgrad = adam["amsgrad"]};
    auto const& clip = reference_.config["method"]["clip"];
    clip_ = clip.is_null() ? 0.0 : clip.get<double>();
  }

  void check() {
    reference_.for_tasks([&](TaskInfo const& task, Index steps) { learn(task, steps); });
    for (auto const& segment : state_.parameters().segments()) { reference_.compare(state_.parameters(), segment.name, "final." + named(segment.name)); }
    check_answers();
  }

 private:
  /// The slots of a task are called after their use there.
  [[nodiscard]] std::string named(std::string const& segment) const { return segment == "prompt.pool" && reference_.file.contains("param.prompt.expert") ? "prompt.expert" : segment; }

  void learn(TaskInfo const& task, Index steps) {
    CAPTURE(task.index);
    prompt_.begin_task(state_, task);
    auto& store = state_.parameters();
    for (auto const& segment : store.segments()) {
      if (task.index == 0) {
        reference_.set(store, segment.name, "param." + named(segment.name));
      } else if (segment.first_trainable > 0 && named(segment.name) == segment.name) {  // drawn anew; a copied slot is to be computed
        reference_.set(store, segment.name, "task1.param." + segment.name, segment.first_trainable);
      }
      if (task.index == 1) { reference_.compare(store, segment.name, "task1.start." + named(segment.name)); }
    }
    head_.admit(head_state_, task, vit_.width());
    auto& rows = head_state_.parameters();
    ColumnRange const competing{task.first_class, task.classes};
    reference_.set_head(rows, task, vit_.width());

    auto hook = prompt_.learning_hook(exec_, state_);
    QuerySource queries(exec_, vit_, prompt_.first_block(state_), 0);
    VitTrainer<HostExecutor<>> trainer(exec_, vit_, prompt_.read_rows(state_));
    LearningPart<Adam> prompt_part(adam_, "prompt", state_.parameters());
    LearningPart<Adam> head_part(adam_, "head", rows);
    ParameterStore<float> d_prompt = state_.parameters();
    ParameterStore<float> d_head = rows;
    LearningParts<Adam> const parts{&prompt_part, &head_part};
    Index const classes = task.first_class + task.classes;
    ParameterGroup const group{.role = ""};
    for (Index i = 0; i < steps; ++i) {
      Index const step = task.index * steps + i;
      CAPTURE(step);
      std::vector<Index> const taken = reference_.rows(step);
      std::vector<Index> const columns = reference_.labels(taken);
      auto const pictures = reference_.images(taken);
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
      reference_.check_loss(step, loss);
      trainer.backward(d_features.cview(), hook);
      hook.collect(d_prompt);
      if (i == 0) {
        for (auto const& segment : d_prompt.segments()) {
          if (segment.trainable_rows > 0) { reference_.compare(d_prompt, segment.name, message("gradient", task.index, '.', named(segment.name))); }
        }
      }
      prompt_part.attach(std::as_const(d_prompt).values());
      head_part.attach(std::as_const(d_head).values());
      if (clip_ > 0.0) { clip_together(parts, clip_); }
      for (auto* const part : parts) { part->step(exec_, std::span(&group, 1), ConstantRate{reference_.rate(step)}, 0); }
      hook.refresh(prompt_part.values());
    }
    state_.parameters() = prompt_part.take();
    head_state_.parameters() = head_part.take();
    hook.finish(state_);
    prompt_.end_task(state_, task);
  }

  void check_answers() {
    auto const pictures = reference_.all_images();
    Prompted const prompted(vit_, prompt_, state_);
    auto const features = prompted.features(exec_, pictures.cview());
    CHECK(relative_difference(features, reference_.file.template read<double, 2>("features")) <= tolerance<float>(Kind::training));
    Matrix<float> scores({features.extent(0), head_.classes(head_state_)});
    head_.scores(exec_, head_state_, features.cview(), scores.view());
    CHECK(relative_difference(scores, reference_.file.template read<double, 2>("logits")) <= tolerance<float>(Kind::training));
    if constexpr (ChoosesSlots<Prompt>) {
      auto const queries = vit_.features(exec_, pictures.cview());
      auto const chosen = prompt_.chosen_slots(exec_, state_, queries.cview());
      auto const want = reference_.file.template read<Index, 2>("selected");
      CHECK(std::equal(chosen.begin(), chosen.end(), want.begin(), want.end()));
    }
  }

  HostExecutor<> exec_{.threads = 2};
  TrajectoryFile reference_;
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

}  // namespace accrete::test::prompt_trajectories_test
