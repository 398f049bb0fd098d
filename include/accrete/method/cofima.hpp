#pragma once

#include <accrete/method/detail/cofima.hpp>
#include <accrete/tuning/full.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// CoFiMA: the whole network learns every task slowly and is then averaged with its former self, parameter by parameter, as their Fisher information weighs them; the head is aligned on drawn
/// features. With `merge-weights` equal it is CoMA.
/// @source Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners", ECCV 2024, arXiv:2312.08977
struct Cofima : detail::Cofima<Full> {
  static constexpr std::string_view name = "cofima";
  static constexpr std::string_view summary = "the whole network learns every task slowly and is averaged with its former self by Fisher information; then the head is aligned on drawn features";

  /// Those of CIFAR-100 in the release, with pictures as SLCA has them here.
  [[nodiscard]] static Settings standard() { return with(20, 18, 128, 5, 0.1); }
  /// By data set, as in the authors' release for weights pre-trained on ImageNet-21k (moco-v3: self-supervised ones); pilot-cifar100: as in PILOT.
  /// The weight of the new network is 0.5 throughout: some files of the release say 0.4, and its command line overrides them. PILOT's 0.4 counts.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    auto const augmented = [](Settings settings, double brightness) {
      auto& augmentation = settings.protocol.training.augmentation;
      augmentation.resized = {.least_area = 0.08, .filter = Filter::bicubic};
      augmentation.brightness = brightness;
      return settings;
    };
    double const jitter = 63.0 / 255.0;
    Settings pilot = with(20, 18, 64, 3, 0.1);
    pilot.merge.alpha = 0.4;
    return {{"cifar100", augmented(with(20, 18, 128, 5, 0.1), jitter)},
            {"imagenet-r", augmented(with(50, 40, 128, 5, 0.1), 0.0)},
            {"cub200", with(50, 40, 128, 5, 0.1)},
            {"cars", with(50, 40, 128, 5, 0.05)},
            {"vtab", with(20, 18, 128, 5, 0.1)},
            {"moco-v3", with(90, 80, 128, 5, 0.1)},
            {"moco-v3-cars", with(90, 80, 128, 5, 0.05)},
            {"pilot-cifar100", pilot}};
  }
};

}  // namespace accrete::method
