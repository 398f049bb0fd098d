#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace accrete {

/// The ridges that are tried: 10^-8, 10^-7, ..., 10^8.
/// @source McDonnell et al., "RanPAC", arXiv:2307.02251, appendix on the choice of the ridge parameter
struct RidgeGrid {
  static constexpr std::array<double, 17> values{1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};

  /// A loss for every ridge, infinite.
  [[nodiscard]] static std::vector<double> no_losses() { return std::vector<double>(values.size(), std::numeric_limits<double>::infinity()); }

  /// Position of the smallest loss; ties go to the smaller ridge, NaN counts as infinite. -1 when no loss is finite.
  [[nodiscard]] static int best(std::span<double const> losses) {
    int best = -1;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (losses[i] < least) {
        least = losses[i];
        best = static_cast<int>(i);
      }
    }
    return best;
  }
};

}  // namespace accrete
