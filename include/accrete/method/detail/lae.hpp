#pragma once

#include <accrete/head/linear.hpp>
#include <accrete/head/voting.hpp>
#include <accrete/merge/running_ema.hpp>
#include <accrete/method/detail/tuned.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/frozen.hpp>
#include <accrete/vote/max_probability.hpp>

#include <string_view>
#include <type_traits>
#include <vector>

namespace accrete::method::detail {

template <class Tuning, class Prompt>
using LaeLearning = Tuned<Tuning, Prompt, VotingHead<LinearHead, MaxProbability>, GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, CrossEntropy, Adam>,
                          RunningEma<std::conditional_t<std::is_same_v<Tuning, Frozen>, OfPrompt, OfBackbone>>>;

/// LAE by the module that learns: a tuning of the network, or a prompt in front of a frozen one. From the second task on only the head learns at first,
/// the module follows with fresh moments, and an average of it over all steps answers beside it.
/// @tparam Tuning  BackboneTuning;  @tparam Prompt  PromptStrategy;  one of the two is what learns
template <class Tuning, class Prompt = NoPrompt>
struct Lae : LaeLearning<Tuning, Prompt> {
  using Settings = typename LaeLearning<Tuning, Prompt>::Settings;
  static constexpr bool by_prompt = std::is_same_v<Tuning, Frozen>;
  static constexpr std::string_view paper = "Gao et al., A Unified Continual Learning Framework with General Parameter-Efficient Tuning, ICCV 2023, arXiv:2303.10070";

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return with(5, 3, 0.0028125); }
  /// By data set, as in the authors' release for weights pre-trained on ImageNet-21k; sequential: the same module without average, vote and pause, which LAE is to be better than.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    Settings sequential = with(5, 0, 0.0028125);
    sequential.head.heard = Heard::first;
    return {{"cifar100", standard()}, {"imagenet-r", with(50, 30, 0.00046875)}, {"domainnet", with(50, 30, 0.00046875)}, {"sequential", sequential}};
  }

 private:
  static Settings with(Index epochs, Index frozen_epochs, double rate) {
    Settings settings;
    if constexpr (requires { Tuning::lae(); }) { settings.tuning = Tuning::lae(); }
    settings.head.head.initial = InitialRows::narrow;
    auto& training = settings.protocol.training;
    training.epochs = epochs;
    training.frozen_epochs = frozen_epochs;
    training.batch = 24;
    training.drop_last = true;
    training.rate = rate;
    training.curve = RateCurve::constant;
    training.weight_decay = 0.0;
    training.augmentation.resized.least_area = 0.08;
    return settings;
  }
};

}  // namespace accrete::method::detail
