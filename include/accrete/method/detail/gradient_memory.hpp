#pragma once

#include <accrete/head/linear.hpp>
#include <accrete/method/detail/tuned.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/bottleneck.hpp>

#include <string_view>

namespace accrete::method::detail {

template <class Constraint>
using MemoryLearning = Tuned<Bottleneck, NoPrompt, LinearHead, GradientProtocol<Trains::every_task, Competing::seen, OwnHead, CrossEntropy, Sgd, Constraint>>;

/// What GEM and A-GEM share: adapters and a linear head learn every task by plain descent, and a policy bends each gradient so that the memory of no earlier task gets worse.
/// Adapters keep the gradients short that are compared for every task at every step.
/// @tparam Constraint  GradientPolicy
template <class Constraint>
struct GradientMemory : MemoryLearning<Constraint> {
  using Settings = typename MemoryLearning<Constraint>::Settings;

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
};

}  // namespace accrete::method::detail
