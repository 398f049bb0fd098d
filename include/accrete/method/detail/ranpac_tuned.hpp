#pragma once

#include <accrete/backbone/vit.hpp>
#include <accrete/head/ridge.hpp>
#include <accrete/learner.hpp>
#include <accrete/method/detail/first_task.hpp>
#include <accrete/method_settings.hpp>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::method::detail {

/// What RanPAC's variants with a tuned first task share: the adapted network alone, a random projection of its features, and an exact ridge classifier.
template <class Tuning, class Prompt>
struct RanpacTuned {
  static constexpr std::string_view paper = "McDonnell et al., RanPAC: Random Projections and Pre-trained Models for Continual Learning, NeurIPS 2023, arXiv:2307.02251";

  using Settings = MethodSettings<Tuning, Prompt, RidgeHead<RandomProjection>, FirstTask>;
  template <class Trunk = Vit<>>
  using Learner = accrete::Learner<Vit<Tuning>, Prompt, RidgeHead<RandomProjection>, NoMerge, FirstTask>;

  /// @param[in] seed  draws the module, the temporary head, the order and augmentation of the pictures, the projection and the hold-out split
  template <class Trunk>
  [[nodiscard]] static Learner<Trunk> compose(Trunk const& trunk, Settings const& settings, std::uint64_t seed = 1993) {
    Settings const drawn = settings.seeded(seed);
    return Learner<Trunk>(Vit<Tuning>(trunk, drawn.tuning, Settings::tuning_key(seed)), drawn.prompt, drawn.head, {}, drawn.protocol);
  }

  /// Those of the authors' release, the same for every data set.
  [[nodiscard]] static Settings standard() { return {.protocol = first_task(20, 0.01, 48)}; }
};

}  // namespace accrete::method::detail
