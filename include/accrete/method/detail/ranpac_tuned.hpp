#pragma once

#include <accrete/head/ridge.hpp>
#include <accrete/method/detail/first_task.hpp>
#include <accrete/method/detail/tuned.hpp>

#include <string_view>

namespace accrete::method::detail {

template <class Tuning, class Prompt>
using RanpacLearning = Tuned<Tuning, Prompt, RidgeHead<RandomProjection>, FirstTask>;

/// What RanPAC's variants with a tuned first task share: the adapted network alone, a random projection of its features, and an exact ridge classifier.
template <class Tuning, class Prompt>
struct RanpacTuned : RanpacLearning<Tuning, Prompt> {
  using Settings = typename RanpacLearning<Tuning, Prompt>::Settings;
  static constexpr std::string_view paper = "McDonnell et al., RanPAC: Random Projections and Pre-trained Models for Continual Learning, NeurIPS 2023, arXiv:2307.02251";

  /// Those of the authors' release, the same for every data set.
  [[nodiscard]] static Settings standard() { return {.protocol = first_task(20, 0.01, 48)}; }
};

}  // namespace accrete::method::detail
