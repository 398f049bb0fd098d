#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/head/voting.hpp>
#include <accrete/learner.hpp>
#include <accrete/merge/running_ema.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/frozen.hpp>
#include <accrete/vote/max_probability.hpp>

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::method::detail {

/// LAE by the module that learns: a tuning of the network, or a prompt in front of a frozen one. From the second task on only the head learns at first,
/// the module follows with fresh moments, and an average of it over all steps answers beside it.
/// @tparam Tuning  BackboneTuning;  @tparam Prompt  PromptStrategy;  one of the two is what learns
template <class Tuning, class Prompt = NoPrompt>
struct Lae {
  static constexpr bool by_prompt = std::is_same_v<Tuning, Frozen>;
  static constexpr std::string_view paper = "Gao et al., A Unified Continual Learning Framework with General Parameter-Efficient Tuning, ICCV 2023, arXiv:2303.10070";

  using Protocol = GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, CrossEntropy, Adam>;
  using Head = VotingHead<LinearHead, MaxProbability>;
  using Merge = RunningEma<std::conditional_t<by_prompt, OfPrompt, OfBackbone>>;
  using Settings = MethodSettings<Tuning, Prompt, Head, Protocol, NothingToSet, Merge>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Vit<Tuning>, Prompt, Head, Merge, Protocol>;

  /// Those of CIFAR-100 in the authors' release.
  [[nodiscard]] static Settings standard() { return with(5, 3, 0.0028125); }
  /// By data set, as in the authors' release for weights pre-trained on ImageNet-21k; sequential: the same module without average, vote and pause, which LAE is to be better than.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    Settings sequential = with(5, 0, 0.0028125);
    sequential.head.heard = Heard::first;
    return {{"cifar100", standard()}, {"imagenet-r", with(50, 30, 0.00046875)}, {"domainnet", with(50, 30, 0.00046875)}, {"sequential", sequential}};
  }

  /// @param[in] seed  draws the module, the head, and the order and augmentation of the pictures
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>(Vit<Tuning>(trunk, drawn.tuning, Settings::tuning_key(seed)), drawn.prompt, drawn.head, drawn.merge, drawn.protocol);
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
