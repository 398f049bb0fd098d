#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/ridge.hpp>
#include <accrete/learner.hpp>

#include <cstdint>
#include <string_view>
#include <utility>

namespace accrete::method {

/// RanPAC without first-session tuning: a random projection of frozen features and an exact ridge classifier.
/// @source McDonnell et al., "RanPAC: Random Projections and Pre-trained Models for Continual Learning", NeurIPS 2023, arXiv:2307.02251
struct Ranpac {
  static constexpr std::string_view name = "ranpac";
  static constexpr std::string_view summary = "random projection of frozen features and a ridge classifier from accumulated second moments";
  static constexpr std::string_view paper = "McDonnell et al., RanPAC: Random Projections and Pre-trained Models for Continual Learning, NeurIPS 2023, arXiv:2307.02251";

  template <class Backbone = Vit<>>
  using Learner = accrete::Learner<Backbone, NoPrompt, RidgeHead<RandomProjection>, NoMerge, StatisticsOnly>;
  using Settings = RidgeHead<RandomProjection>;

  /// @param[in] seed  draws the projection and the hold-out split
  template <class Backbone>
  [[nodiscard]] static Learner<Backbone> compose(Backbone backbone, Settings settings = {}, std::uint64_t seed = 1993) {
    settings.seed = seed;
    return Learner<Backbone>(std::move(backbone), {}, settings);
  }
};

}  // namespace accrete::method
