#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <cstdint>
#include <string_view>

namespace accrete::method::detail {

/// What GEM and A-GEM share: adapters and a linear head learn every task by plain descent, and a policy bends each gradient so that the memory of no earlier task gets worse.
/// Adapters keep the gradients short that are compared for every task at every step.
/// @tparam Constraint  GradientPolicy
template <class Constraint>
struct GradientMemory {
  using Protocol = GradientProtocol<Trains::every_task, Competing::seen, OwnHead, CrossEntropy, Sgd, Constraint>;
  using Settings = MethodSettings<Bottleneck, NoPrompt, LinearHead, Protocol>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Vit<Bottleneck>, NoPrompt, LinearHead, NoMerge, Protocol>;

  /// Momentum would carry on what a projection took away.
  [[nodiscard]] static Settings standard() {
    Settings settings;
    settings.protocol.optimizer.momentum = 0.0;
    settings.protocol.training.epochs = 1;
    settings.protocol.training.batch = 10;
    settings.protocol.training.rate = 0.1;
    settings.protocol.training.weight_decay = 0.0;
    settings.protocol.training.curve = RateCurve::constant;
    return settings;
  }

  /// @param[in] seed  draws adapters, head and memory, and the order and augmentation of the pictures
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>(Vit<Bottleneck>(trunk, drawn.tuning, Settings::tuning_key(seed)), drawn.prompt, drawn.head, {}, drawn.protocol);
  }
};

}  // namespace accrete::method::detail
