#pragma once

#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>

namespace accrete {

/// Vectors shorter than this are divided by it instead of by their length, so that a zero vector stays zero.
inline constexpr double least_length = 1e-12;

namespace detail {
template <class T>
[[nodiscard]] double squared_length(T const* x, Index width) {
  double sum = 0.0;
  for (Index j = 0; j < width; ++j) { sum += static_cast<double>(x[j]) * static_cast<double>(x[j]); }
  return sum;
}
}  // namespace detail

/// Rows divided by their lengths, in float64: u = x / max(|x|, 1e-12).
struct UnitRows {
  Matrix<double> rows;
  Vector<double> lengths;  ///< |x|

  /// @param[in] x [n, L] float or double
  template <class T>
  explicit UnitRows(MatrixView<T> x) : rows({x.extent(0), x.extent(1)}), lengths({x.extent(0)}) {
    Index const width = x.extent(1);
    for (Index i = 0; i < x.extent(0); ++i) {
      auto const* const from = x.data() + i * width;
      lengths(i) = std::sqrt(detail::squared_length(from, width));
      double const divisor = std::max(lengths(i), least_length);
      std::transform(from, from + width, rows.data() + i * width, [divisor](auto value) { return static_cast<double>(value) / divisor; });
    }
  }

  /// The gradient with respect to x from the one with respect to u, in place:
  ///   dx = (du - u <du, u>) / |x|, or du / 1e-12 where |x| <= 1e-12
  /// @param[in,out] d [n, L]
  void backward(MatrixView<double> d) const {
    Index const width = rows.extent(1);
    for (Index i = 0; i < rows.extent(0); ++i) {
      double* const row = d.data() + i * width;
      double const* const unit = rows.data() + i * width;
      double along = 0.0;
      for (Index j = 0; j < width && lengths(i) > least_length; ++j) { along += row[j] * unit[j]; }
      double const divisor = std::max(lengths(i), least_length);
      for (Index j = 0; j < width; ++j) { row[j] = (row[j] - along * unit[j]) / divisor; }
    }
  }
};

}  // namespace accrete
