#pragma once

#include <accrete/core/tensor.hpp>

#include <cmath>

namespace accrete {

/// How far a tuning moved features: |tuned - published| / |published| in the 2-norm over all of them; 0 when nothing changed.
/// @param[in] tuned, published [N, D];  columns [first, first + D) of wider rows
/// @throws ShapeError  when the rows do not fit each other
[[nodiscard]] inline double relative_feature_change(MatrixView<float const> tuned, Index first_tuned, MatrixView<float const> published, Index first_published, Index width) {
  expects(tuned.extent(0) == published.extent(0) && first_tuned + width <= tuned.extent(1) && first_published + width <= published.extent(1), "relative_feature_change",
          "both must have the same rows and the columns asked for", tuned.extent(0), published.extent(0), tuned.extent(1), published.extent(1), width);
  double moved = 0.0;
  double length = 0.0;
  for (Index i = 0; i < tuned.extent(0); ++i) {
    for (Index j = 0; j < width; ++j) {
      auto const before = static_cast<double>(published(i, first_published + j));
      double const difference = static_cast<double>(tuned(i, first_tuned + j)) - before;
      moved += difference * difference;
      length += before * before;
    }
  }
  return length > 0.0 ? std::sqrt(moved / length) : 0.0;
}

}  // namespace accrete
