#pragma once

#include <accrete/head/linear.hpp>
#include <accrete/method/detail/tuned.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/full.hpp>

#include <string_view>

namespace accrete::method {

/// The whole network and a linear head learn every task, and nothing is done against forgetting: the lower bound.
/// @source McCloskey, Cohen, "Catastrophic Interference in Connectionist Networks", Psychology of Learning and Motivation 24, 1989
struct Finetune : detail::Tuned<Full, NoPrompt, LinearHead, GradientProtocol<Trains::every_task, Competing::seen>> {
  static constexpr std::string_view name = "finetune";
  static constexpr std::string_view summary = "the whole network learns every task, and nothing is done against forgetting (lower bound)";
  static constexpr std::string_view paper = "Zhou et al., LAMDA-PILOT: A Pre-Trained Model-Based Continual Learning Toolbox (baseline), arXiv:2309.07117";

  [[nodiscard]] static Settings standard() {
    Settings settings;
    settings.protocol.training.epochs = 5;
    settings.protocol.training.batch = 64;
    settings.protocol.training.rate = 0.01;
    settings.protocol.training.backbone_factor = 0.1;
    return settings;
  }
};

}  // namespace accrete::method
