#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/full.hpp>

#include <cstdint>
#include <string_view>

namespace accrete::method {

/// The whole network and a linear head learn every task, and nothing is done against forgetting: the lower bound.
/// @source McCloskey, Cohen, "Catastrophic Interference in Connectionist Networks", Psychology of Learning and Motivation 24, 1989
struct Finetune {
  static constexpr std::string_view name = "finetune";
  static constexpr std::string_view summary = "the whole network learns every task, and nothing is done against forgetting (lower bound)";
  static constexpr std::string_view paper = "Zhou et al., LAMDA-PILOT: A Pre-Trained Model-Based Continual Learning Toolbox (baseline), arXiv:2309.07117";

  using Protocol = GradientProtocol<Trains::every_task, Competing::seen>;
  using Settings = MethodSettings<Full, NoPrompt, LinearHead, Protocol>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Vit<Full>, NoPrompt, LinearHead, NoMerge, Protocol>;

  [[nodiscard]] static Settings standard() {
    Settings settings;
    settings.protocol.training.epochs = 5;
    settings.protocol.training.batch = 64;
    settings.protocol.training.rate = 0.01;
    settings.protocol.training.backbone_factor = 0.1;
    return settings;
  }

  /// @param[in] seed  draws the head, and the order and augmentation of the pictures
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>(Vit<Full>(trunk, drawn.tuning, Settings::tuning_key(seed)), drawn.prompt, drawn.head, {}, drawn.protocol);
  }
};

}  // namespace accrete::method
