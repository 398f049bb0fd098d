#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/gaussian.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::method {

/// FeCAM: nearest class by Mahalanobis distance under shrunk, correlation-normalised covariances of unit features of a frozen network.
/// @source Goswami et al., "FeCAM: Exploiting the Heterogeneity of Class Distributions in Exemplar-Free Continual Learning", NeurIPS 2023, arXiv:2309.14062
struct Fecam {
  static constexpr std::string_view name = "fecam";
  static constexpr std::string_view summary = "nearest class by Mahalanobis distance, with a shrunk covariance of frozen features for each class";
  static constexpr std::string_view paper = "Goswami et al., FeCAM: Exploiting the Heterogeneity of Class Distributions in Exemplar-Free Continual Learning, NeurIPS 2023, arXiv:2309.14062";

  template <class Backbone = Vit<>>
  using Learner = accrete::Learner<Backbone, NoPrompt, GaussianHead, NoMerge, StatisticsOnly>;
  using Settings = GaussianHead;

  /// By data set, as in the authors' release for vision transformers.
  [[nodiscard]] static std::vector<Published<Settings>> published() {
    return {{"cifar100", {.alpha1 = 1.0, .alpha2 = 0.0}}, {"core50", {.alpha1 = 1.0, .alpha2 = 0.0}}, {"imagenet-r", {.alpha1 = 10.0, .alpha2 = 10.0}}};
  }

  template <class Backbone>
  [[nodiscard]] static Learner<Backbone> compose(Backbone backbone, Settings settings = {}, std::uint64_t /*seed*/ = 0) {
    return Learner<Backbone>(std::move(backbone), {}, settings);
  }
};

}  // namespace accrete::method
