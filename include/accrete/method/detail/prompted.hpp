#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/frozen.hpp>

#include <cstdint>

namespace accrete::method::detail {

/// What the prompt methods share: a frozen network, a prompt and a linear head that learn every task, the classes of the task competing among themselves.
/// @tparam Prompt  PromptStrategy;  @tparam OptimizerType  Optimizer
template <class Prompt, class OptimizerType = Adam>
struct Prompted {
  using Protocol = GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, CrossEntropy, OptimizerType>;
  using Settings = MethodSettings<Frozen, Prompt, LinearHead, Protocol>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Trunk, Prompt, LinearHead, NoMerge, Protocol>;

  /// @param[in] seed  draws prompts and head, and the order and augmentation of the pictures
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>(trunk, drawn.prompt, drawn.head, {}, drawn.protocol);
  }

 protected:
  /// A constant rate without decay, on parts of pictures of at least `least_area`.
  [[nodiscard]] static Protocol constant_rate(Index epochs, Index batch, double rate, double clip, double least_area = 0.05) {
    Protocol protocol;
    protocol.training.epochs = epochs;
    protocol.training.batch = batch;
    protocol.training.rate = rate;
    protocol.training.curve = RateCurve::constant;
    protocol.training.weight_decay = 0.0;
    protocol.training.clip = clip;
    protocol.training.augmentation.resized.least_area = least_area;
    return protocol;
  }
};

}  // namespace accrete::method::detail
