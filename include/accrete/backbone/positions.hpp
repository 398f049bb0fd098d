#pragma once

#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

namespace accrete {

/// Which cubic kernel fits a position table to another grid.
///   antialias  a = -0.5, widened when shrinking, taps outside dropped: timm from 0.9 on
///   plain      a = -0.75, four taps, the border repeated: timm 0.6, DINO, most Hugging Face code
enum class PositionResize { antialias, plain };

[[nodiscard]] constexpr std::string_view name_of(PositionResize resize) { return resize == PositionResize::antialias ? "antialias" : "plain"; }

namespace detail {

/// Keys' cubic convolution kernel.
/// @source Keys, IEEE Trans. ASSP 29(6), 1981, Eq. 4, with a free parameter a
[[nodiscard]] inline double cubic(double t, double a) {
  double const d = std::abs(t);
  if (d < 1) { return ((a + 2) * d - (a + 3)) * d * d + 1; }
  if (d < 2) { return (((d - 5) * d + 8) * d - 4) * a; }
  return 0;
}

/// The old rows one new row is made of.
struct Taps {
  std::vector<Index> rows;
  std::vector<double> weights;
};

[[nodiscard]] inline Taps antialias_taps(Index position, Index old_size, Index new_size) {
  double const scale = static_cast<double>(old_size) / static_cast<double>(new_size);
  double const stretch = std::max(scale, 1.0);
  double const centre = (static_cast<double>(position) + 0.5) * scale;
  Index const first = std::max<Index>(static_cast<Index>(centre - 2 * stretch + 0.5), 0);
  Index const last = std::min(static_cast<Index>(centre + 2 * stretch + 0.5), old_size);
  Taps taps;
  double sum = 0;
  for (Index row = first; row < last; ++row) {
    taps.rows.push_back(row);
    taps.weights.push_back(cubic((static_cast<double>(row) - centre + 0.5) / stretch, -0.5));
    sum += taps.weights.back();
  }
  for (double& weight : taps.weights) { weight /= sum; }
  return taps;
}

[[nodiscard]] inline Taps plain_taps(Index position, Index old_size, Index new_size) {
  double const centre = (static_cast<double>(position) + 0.5) * static_cast<double>(old_size) / static_cast<double>(new_size) - 0.5;
  auto const base = static_cast<Index>(std::floor(centre));
  Taps taps;
  for (Index row = base - 1; row <= base + 2; ++row) {
    taps.rows.push_back(std::clamp<Index>(row, 0, old_size - 1));
    taps.weights.push_back(cubic(centre - static_cast<double>(row), -0.75));
  }
  return taps;
}

/// Resizes the middle axis of [outer, old_size, inner].
[[nodiscard]] inline Tensor<float, 3> resize_axis(TensorView<float const, 3> old, Index new_size, PositionResize how) {
  Index const inner = old.extent(2);
  auto resized = Tensor<float, 3>::zeros({old.extent(0), new_size, inner});
  std::vector<double> sum(static_cast<std::size_t>(inner));
  for (Index i = 0; i < new_size; ++i) {
    Taps const taps = how == PositionResize::antialias ? antialias_taps(i, old.extent(1), new_size) : plain_taps(i, old.extent(1), new_size);
    for (Index outer = 0; outer < old.extent(0); ++outer) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::size_t tap = 0; tap < taps.rows.size(); ++tap) {
        float const* const row = &old(outer, taps.rows[tap], 0);
        for (Index c = 0; c < inner; ++c) { sum[static_cast<std::size_t>(c)] += taps.weights[tap] * static_cast<double>(row[c]); }
      }
      std::transform(sum.begin(), sum.end(), &resized(outer, i, 0), [](double value) { return static_cast<float>(value); });
    }
  }
  return resized;
}

}  // namespace detail

/// A table of learned positions for another grid: bicubic per channel, half-pixel centres, columns first and then rows.
/// @param[in] table [old_h, old_w, D]
/// @returns   [new_h, new_w, D]; the table itself when the grid stays
/// @throws ShapeError  when an extent is not positive
/// @source the two kernels as measured on timm 1.0.31 (`resample_abs_pos_embed`) and on torch's bicubic interpolation without antialias
[[nodiscard]] inline Tensor<float, 3> resize_positions(TensorView<float const, 3> table, Index new_h, Index new_w, PositionResize how) {
  expects(!table.empty() && new_h > 0 && new_w > 0, "resize_positions", "both grids must have patches", table.extent(0), table.extent(1), new_h, new_w);
  Index const old_h = table.extent(0);
  Index const old_w = table.extent(1);
  Index const width = table.extent(2);
  if (old_h == new_h && old_w == new_w) {
    Tensor<float, 3> same(table.shape());
    std::copy(table.begin(), table.end(), same.begin());
    return same;
  }
  auto const columns_done = detail::resize_axis(table, new_w, how);
  auto const rows_done = detail::resize_axis(columns_done.cview().reshaped<3>({1, old_h, new_w * width}), new_h, how);
  Tensor<float, 3> resized({new_h, new_w, width});
  std::copy(rows_done.begin(), rows_done.end(), resized.begin());
  return resized;
}

}  // namespace accrete
