#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/train/gradient_protocol.hpp>
#include <accrete/tuning/frozen.hpp>

#include <cstdint>
#include <string_view>

namespace accrete::method {

/// A linear head learns every task on frozen features, all rows seen so far competing: what the pre-trained features are worth to a plain classifier.
/// Features are computed once per picture, so pictures are not augmented.
/// @source Kornblith, Shlens, Le, "Do Better ImageNet Models Transfer Better?", CVPR 2019, arXiv:1805.08974
struct LinearProbe {
  static constexpr std::string_view name = "linear-probe";
  static constexpr std::string_view summary = "a linear head learned by gradient on frozen features, task after task";
  static constexpr std::string_view paper = "Kornblith et al., Do Better ImageNet Models Transfer Better? (linear evaluation), CVPR 2019, arXiv:1805.08974";

  using Protocol = GradientProtocol<Trains::every_task, Competing::seen>;
  using Settings = MethodSettings<Frozen, NoPrompt, LinearHead, Protocol>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Trunk, NoPrompt, LinearHead, NoMerge, Protocol>;

  [[nodiscard]] static Settings standard() {
    Settings settings;
    settings.protocol.training.augmentation = Augmentation::none();
    return settings;
  }

  /// @param[in] seed  draws the head and the order of the pictures
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>(trunk, drawn.prompt, drawn.head, {}, drawn.protocol);
  }
};

}  // namespace accrete::method
