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

/// The whole network and a linear head learn all pictures so far together, from the published weights on, at every task: the upper bound. It keeps every picture,
/// so it is not a method of continual learning.
/// @source Caruana, "Multitask Learning", Machine Learning 28, 1997
struct Joint {
  static constexpr std::string_view name = "joint";
  static constexpr std::string_view summary = "the whole network learns all pictures so far together, anew at every task (upper bound)";
  static constexpr std::string_view paper = "Caruana, Multitask Learning, Machine Learning 28, 1997; as the upper bound of Zhou et al., LAMDA-PILOT, arXiv:2309.07117";

  using Protocol = GradientProtocol<Trains::every_task, Competing::seen, OwnHead, CrossEntropy, Sgd, PlainGradient, Replays::all>;
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
