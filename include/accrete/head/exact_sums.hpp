#pragma once

#include <accrete/core/tensor.hpp>

#include <cmath>
#include <span>
#include <utility>

namespace accrete {

/// Sums of float vectors that do not depend on the order of the additions: each is an unevaluated pair of doubles.
/// Every term is first rounded to a multiple of 2^-74, which leaves floats of magnitude 2^-50 and more as they are. As long as a sum stays
/// below 2^31 it has at most 105 bits, so pairs hold it exactly, and as `low` is what rounding the sum to `high` leaves, the pair is unique:
/// shards added in any order and one run end with the same bits. Beyond that the sums are as good as twice double precision.
/// @source error-free transformation of a sum: Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B
class ExactSums {
 public:
  ExactSums() = default;
  explicit ExactSums(Shape<2> shape) : high_(Matrix<double>::zeros(shape)), low_(Matrix<double>::zeros(shape)) {}
  /// The two halves as they were stored.
  /// @throws ShapeError  when their shapes differ
  ExactSums(Matrix<double> high, Matrix<double> low) : high_(std::move(high)), low_(std::move(low)) {
    expects(high_.shape() == low_.shape(), "ExactSums", "both halves must have one shape", high_.extent(0), low_.extent(0), high_.extent(1), low_.extent(1));
  }

  [[nodiscard]] Index rows() const { return high_.extent(0); }
  [[nodiscard]] Index width() const { return high_.extent(1); }
  [[nodiscard]] Matrix<double> const& high() const { return high_; }
  [[nodiscard]] Matrix<double> const& low() const { return low_; }
  [[nodiscard]] double operator()(Index row, Index j) const { return high_(row, j) + low_(row, j); }

  /// Row `row` plus a vector of floats [width].
  void add(Index row, float const* terms) {
    for (Index j = 0; j < width(); ++j) { add(row, j, on_grid(static_cast<double>(terms[j])), 0.0); }
  }
  /// Row `row` plus a row of other sums of the same width.
  void add(Index row, ExactSums const& other, Index other_row) {
    for (Index j = 0; j < width(); ++j) { add(row, j, other.high_(other_row, j), other.low_(other_row, j)); }
  }

  /// The same rows and more, which are zero; or rows moved: row i becomes what row from[i] was, -1 for zero.
  void arrange(std::span<Index const> from, Index new_width) {
    ExactSums arranged({static_cast<Index>(from.size()), new_width});
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i] >= 0 && width() == new_width) { arranged.add(static_cast<Index>(i), *this, from[i]); }
    }
    *this = std::move(arranged);
  }

 private:
  /// Adding and taking away 1.5 * 2^52 grid steps rounds to the grid; larger numbers are on it already.
  static double on_grid(double x) {
    constexpr double magic = 0x1.8p-22;  // 1.5 * 2^52 * 2^-74
    return std::abs(x) < 0x1p-23 ? (x + magic) - magic : x;
  }

  void add(Index row, Index j, double high, double low) {
    double& sum_high = high_(row, j);
    double& sum_low = low_(row, j);
    double const total = sum_high + high;
    double const shadow = total - sum_high;
    double const error = (sum_high - (total - shadow)) + (high - shadow);
    double const rest = error + (sum_low + low);
    double const rounded = total + rest;
    sum_low = rest - (rounded - total);
    sum_high = rounded;
  }

  Matrix<double> high_;
  Matrix<double> low_;
};

}  // namespace accrete
