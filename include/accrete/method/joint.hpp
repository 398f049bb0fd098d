#pragma once

#include <accrete/head/linear.hpp>
#include <accrete/method/detail/tuned.hpp>
#include <accrete/method/finetune.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/full.hpp>

#include <string_view>

namespace accrete::method {

/// The whole network and a linear head learn all pictures so far together, from the published weights on, at every task: the upper bound. It keeps every picture,
/// so it is not a method of continual learning.
/// @source Caruana, "Multitask Learning", Machine Learning 28, 1997
struct Joint : detail::Tuned<Full, NoPrompt, LinearHead, GradientProtocol<Trains::every_task, Competing::seen, OwnHead, CrossEntropy, Sgd, PlainGradient, Replays::all>> {
  static constexpr std::string_view name = "joint";
  static constexpr std::string_view summary = "the whole network learns all pictures so far together, anew at every task (upper bound)";
  static constexpr std::string_view paper = "Caruana, Multitask Learning, Machine Learning 28, 1997; as the upper bound of Zhou et al., LAMDA-PILOT, arXiv:2309.07117";

  /// As fine-tuning.
  [[nodiscard]] static Settings standard() {
    Settings settings;
    settings.protocol.training = Finetune::standard().protocol.training;
    return settings;
  }
};

}  // namespace accrete::method
