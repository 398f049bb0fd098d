#include "support/executors.hpp"
#include "support/trajectory.hpp"

#include <accrete/backbone/vit_trainer.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/head/voting.hpp>
#include <accrete/merge/running_ema.hpp>
#include <accrete/prompt/fixed_prefix.hpp>
#include <accrete/prompt/none.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/learning_part.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/network_source.hpp>
#include <accrete/train/prompted.hpp>
#include <accrete/tuning/attention_adapter.hpp>
#include <accrete/tuning/lora.hpp>

#include <doctest/doctest.h>

namespace accrete::test::mixture_trajectories_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// Fifty steps of LAE over two tasks: the module rests in the first steps of the second one, its average begins there.
template <class Tuning, class Prompt>
class LaeTrajectory {
 public:
  LaeTrajectory(std::string const& name, Tuning tuning, Prompt prompt) : reference_(name), network_(reference_.network(), std::move(tuning), {}), prompt_(std::move(prompt)) {
    if constexpr (by_prompt) { prompt_.fit_place(state_, prompt_place(network_)); }
    auto module = learning();
    for (auto const& segment : module.segments()) { reference_.set(module, segment.name, "param." + segment.name); }
    assign(std::move(module));
    merge_.decay = reference_.config["method"]["alpha"];
  }

  void check() {
    reference_.for_tasks([&](TaskInfo const& task, Index steps) { learn(task, steps); });
    auto const learned = learning();
    for (auto const& segment : learned.segments()) {
      reference_.compare(learned, segment.name, "final." + segment.name);
      reference_.compare(merged_.averaged(), segment.name, "offline.final." + segment.name);
    }
    check_answers();
  }

 private:
  static constexpr bool by_prompt = LearnedPrompt<Prompt>;
  using Merge = RunningEma<std::conditional_t<by_prompt, OfPrompt, OfBackbone>>;

  [[nodiscard]] ParameterStore<float> learning() const {
    if constexpr (by_prompt) {
      return state_.parameters();
    } else {
      return network_.parameters();
    }
  }
  void assign(ParameterStore<float> values) {
    if constexpr (by_prompt) {
      state_.parameters() = std::move(values);
    } else {
      network_.assign(std::move(values));
    }
  }

  void learn(TaskInfo const& task, Index steps) {
    CAPTURE(task.index);
    auto const begun = learning();
    for (auto const& segment : begun.segments()) { reference_.compare(begun, segment.name, message("task", task.index, ".start.", segment.name)); }
    merge_.begin_task(merged_, begun, task);
    head_.admit(rows_, task, network_.width());
    reference_.set_head(rows_.parameters(), task, network_.width());
    ColumnRange const competing{task.first_class, task.classes};

    Adam const adam;
    LearningPart<Adam> module(adam, "module", learning());
    LearningPart<Adam> rows(adam, "head", rows_.parameters());
    ParameterStore<float> d_module = learning();
    ParameterStore<float> d_rows = rows_.parameters();
    VitTrainer<HostExecutor<>> trainer(exec, network_);
    auto hook = accrete::detail::learning_hook_of(exec, prompt_, state_);
    ParameterGroup const group{.role = ""};
    Index const frozen = task.index == 0 ? 0 : reference_.config["frozen"].get<Index>();
    for (Index i = 0; i < steps; ++i) {
      Index const step = task.index * steps + i;
      CAPTURE(step);
      reference_.run_step(exec, step, competing, trainer, hook, head_, rows.values(), d_rows, CrossEntropy{});
      collect(trainer, hook, d_module);
      if (i == frozen) {
        for (auto const& segment : d_module.segments()) { reference_.compare(d_module, segment.name, message("gradient", task.index, '.', segment.name)); }
      }
      module.attach(std::as_const(d_module).values());
      rows.attach(std::as_const(d_rows).values());
      rows.step(exec, std::span(&group, 1), ConstantRate{reference_.rate(step)}, 0);
      if (i >= frozen) { module.step(exec, std::span(&group, 1), ConstantRate{reference_.rate(step)}, 0); }
      merge_.after_step(exec, merged_, module.values());
      if constexpr (by_prompt) {
        hook.refresh(module.values());
      } else {
        trainer.refresh(module.values());
      }
    }
    assign(module.take());
    rows_.parameters() = rows.take();
  }

  template <class Hook>
  static void collect(VitTrainer<HostExecutor<>>& trainer, Hook& hook, ParameterStore<float>& gradients) {
    if constexpr (by_prompt) {
      hook.collect(gradients);
    } else {
      auto const from = trainer.gradients();
      std::copy(from.begin(), from.end(), gradients.values().begin());
    }
  }

  void check_answers() {
    auto const pictures = reference_.all_images();
    Index const width = network_.width();
    Matrix<float> both({pictures.extent(0), 2 * width});
    auto const place = [&](Index network, char const* wanted) {
      auto const features = Prompted(network_, prompt_, state_).features(exec, pictures.cview());
      CHECK(relative_difference(features, reference_.file.template read<double, 2>(wanted)) <= tolerance<float>(Kind::training));
      for (Index i = 0; i < features.extent(0); ++i) { std::copy_n(features.data() + i * width, width, both.data() + (2 * i + network) * width); }
    };
    place(0, "features");
    auto const learned = learning();
    assign(merged_.averaged());
    place(1, "offline.features");
    assign(learned);
    auto const scored = [&](Heard heard, char const* wanted) {
      VotingHead<> const voting{.heard = heard};
      Matrix<float> scores({both.extent(0), voting.classes(rows_)});
      voting.scores(exec, rows_, both.cview(), scores.view());
      auto const want = reference_.file.template read<double, 2>(wanted);
      return std::pair{scores, want};
    };
    auto const [votes, wanted_votes] = scored(Heard::all, "vote.scores");
    CHECK(relative_difference(votes, wanted_votes) <= tolerance<float>(Kind::training));
    auto const chosen = reference_.file.template read<Index, 1>("vote.class");
    for (Index i = 0; i < votes.extent(0); ++i) { CHECK(std::max_element(votes.view()[i].begin(), votes.view()[i].end()) - votes.view()[i].begin() == chosen(i)); }
  }

  TrajectoryFile reference_;
  Vit<Tuning> network_;
  Prompt prompt_;
  typename Prompt::State state_;
  Merge merge_;
  typename Merge::State merged_;
  LinearHead head_;
  LinearHead::State rows_;
};

template <class Tuning, class Prompt>
void check_lae(std::string const& name, Tuning tuning, Prompt prompt) {
  CAPTURE(name);
  LaeTrajectory<Tuning, Prompt>(name, std::move(tuning), std::move(prompt)).check();
}

}  // namespace

TEST_CASE("fifty steps of LAE over two tasks end where PyTorch's do: what learns, its average, and their vote") {
  check_lae("lae_adapter", AttentionAdapter{.width = 3, .blocks = 2}, NoPrompt{});
  Lora lora = Lora::lae();
  lora.rank = 3;
  lora.blocks = 2;
  check_lae("lae_lora", lora, NoPrompt{});
  check_lae("lae_prefix", Frozen{}, FixedPrefix{.length = 3, .blocks = 2});
}

}  // namespace accrete::test::mixture_trajectories_test
