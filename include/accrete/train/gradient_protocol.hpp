#pragma once

#include <accrete/core/policy_name.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/train/gradient/none.hpp>
#include <accrete/train/gradient_stage.hpp>
#include <accrete/train/loss/cross_entropy.hpp>
#include <accrete/train/memory.hpp>
#include <accrete/train/protocol.hpp>
#include <accrete/train/sgd.hpp>
#include <accrete/train/term/concept.hpp>
#include <accrete/train/training_settings.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete {

/// The head of the learner is the one that is trained.
struct OwnHead {
  static constexpr std::string_view name = "own-head";
};

/// A head that exists while a task is trained, over the classes of that task, and is dropped then; the learner's own head only sees the features.
/// @tparam Head  a head learned by gradient
template <class Head>
struct TemporaryHead {
  using Type = Head;
  [[nodiscard]] static std::string composition() { return "temporary-" + policy_name<Head>(); }
};

/// No picture of an earlier task is kept.
struct NothingKept {
  static constexpr std::string_view name = "none";
};

/// What is asked of a learner whose tasks learn by gradient.
/// @tparam When            which tasks do
/// @tparam Classes         which classes compete in the loss
/// @tparam Trained         OwnHead or TemporaryHead<...>
/// @tparam LossType        what is made small; WithTerms<...> puts distillation and anchors beside it
/// @tparam OptimizerType   Optimizer: how parameters follow the gradient
/// @tparam Constraint      GradientPolicy: what becomes of a gradient before the step
/// @tparam Again           which pictures of earlier tasks are looked at again
template <Trains When, Competing Classes, class Trained = OwnHead, class LossType = CrossEntropy, class OptimizerType = Sgd, class Constraint = PlainGradient, Replays Again = Replays::none>
struct GradientProtocol {
  static_assert(!JudgesLogitsBesideTeacher<LossType> || (std::is_same_v<Trained, OwnHead> && Again != Replays::all),
                "logits are distilled from the learner's head as a task began: it must be the one that is trained, and must not begin anew");

  static constexpr Trains trains = When;
  static constexpr Competing competing = Classes;
  static constexpr Replays replays = Again;
  using TrainedHead = Trained;
  using Loss = LossType;
  using Optimizer = OptimizerType;
  using GradientPolicy = Constraint;
  /// Which pictures a gradient policy that looks back finds.
  using Memory = std::conditional_t<Constraint::needs == GradientConstraints::none, NothingKept, BalancedMemory>;

  TrainingSettings training;
  Loss loss;
  Optimizer optimizer;
  GradientPolicy constraint;
  Memory memory;

  /// The learning of one task, yet to be run. All arguments must outlive it.
  template <class Exec, class Prompt>
  [[nodiscard]] GradientStage<Exec, Prompt, GradientProtocol> stage(Exec const& exec, Prompt const& prompt, Examples const& examples, Reading const& reading, TrainingRun const& run) const {
    return {exec, *this, prompt, examples, reading, run};
  }

  [[nodiscard]] static std::string composition() {
    std::string text = message("gradient<", name_of(When), ", ", name_of(Classes), ", ", policy_name<Trained>(), ", ", policy_name<Optimizer>());
    if constexpr (!std::is_same_v<Loss, CrossEntropy>) { text += ", " + policy_name<Loss>(); }
    if constexpr (!std::is_same_v<Constraint, PlainGradient>) { text += ", " + policy_name<Constraint>(); }
    if constexpr (Again == Replays::all) { text += ", replays-all"; }
    return text + ">";
  }

  [[nodiscard]] static std::vector<Setting<GradientProtocol>> settings() {
    auto all = part_settings(&GradientProtocol::training, TrainingSettings::settings());
    for (auto& setting : part_settings(&GradientProtocol::loss, settings_of(Loss{}))) { all.push_back(std::move(setting)); }
    for (auto& setting : part_settings(&GradientProtocol::optimizer, settings_of(Optimizer{}))) { all.push_back(std::move(setting)); }
    for (auto& setting : part_settings(&GradientProtocol::constraint, settings_of(Constraint{}))) { all.push_back(std::move(setting)); }
    for (auto& setting : part_settings(&GradientProtocol::memory, settings_of(Memory{}))) { all.push_back(std::move(setting)); }
    return all;
  }
};

}  // namespace accrete
