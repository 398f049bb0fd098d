#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace accrete {

/// How new rows are made orthogonal to those before them.
///   exact      to everything the rows before them span, drifted or not, and to each other
///   classical  as published: v - sum_j (<v, u_j> / <u_j, u_j>) u_j over the rows before as they are. Old rows that were trained are no longer orthogonal
///              to each other, and the new ones then neither to them nor to each other
/// Both draw the same rows where the old ones are orthogonal or where there are none.
enum class GramSchmidt { exact, classical };

namespace detail {

/// Rows in double that later rows are made orthogonal to.
class TakenDirections {
 public:
  TakenDirections(GramSchmidt how, Index width) : how_(how), width_(width) {}

  /// Whether each dimension has a row already: no further row can be orthogonal to all of them.
  [[nodiscard]] bool full() const { return static_cast<Index>(rows_.size()) >= width_; }

  /// Counts a row that was there before, unless it adds no direction: a row of zeros, or (exact) one that those before it span.
  /// @throws ValueError  for a row that is not finite
  void add_old(std::span<float const> row, Index number) {
    std::vector<double> v(row.begin(), row.end());
    double const squared = dot(v, v);
    if (!std::isfinite(squared)) { fail<ValueError>("draw_orthogonal_rows", "row ", number, " must be finite (its squared length: ", squared, ")"); }
    if (how_ == GramSchmidt::classical) {
      if (squared >= least_squared_length) { rows_.push_back(std::move(v)); }
    } else if (!full() && squared > 0.0 && leaves_enough(v)) {
      rows_.push_back(std::move(v));
    }
  }

  /// Makes v a unit vector orthogonal to the rows taken, and takes it.
  /// @returns false when too little of v is left; v is then of no use
  [[nodiscard]] bool take(std::vector<double>& v) {
    if (how_ == GramSchmidt::exact) {
      if (!leaves_enough(v)) { return false; }
    } else {
      auto const drawn = v;
      subtract_projections(drawn, v);
      if (dot(v, v) < least_squared_length) { return false; }
      normalise(v);
    }
    rows_.push_back(v);
    return true;
  }

  static void normalise(std::vector<double>& v) {
    double const length = std::sqrt(dot(v, v));
    for (double& x : v) { x /= length; }
  }

 private:
  static constexpr double least_squared_length = 1e-8;  ///< of the release
  static constexpr double least_share = 1e-6;           ///< of a row's length that must be new: above the rounding of rows stored in float

  static double dot(std::vector<double> const& a, std::vector<double> const& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

  /// Subtracts the projections of `measured`; with v itself as `measured` each one is of what is left by then, which loses fewer digits.
  void subtract_projections(std::vector<double> const& measured, std::vector<double>& v) const {
    for (auto const& u : rows_) {
      double const share = dot(measured, u) / dot(u, u);
      std::transform(v.begin(), v.end(), u.begin(), v.begin(), [share](double x, double y) { return x - share * y; });
    }
  }

  /// Twice, since what a short remainder keeps of the first pass's rounding may be large beside it.
  [[nodiscard]] bool leaves_enough(std::vector<double>& v) const {
    double const before = dot(v, v);
    subtract_projections(v, v);
    subtract_projections(v, v);
    if (!(dot(v, v) > least_share * least_share * before)) { return false; }
    normalise(v);
    return true;
  }

  GramSchmidt how_;
  Index width_;
  std::vector<std::vector<double>> rows_;
};

}  // namespace detail

/// Fills rows [first, first + count) with random directions of length 1, orthogonal to the rows before them and to each other; the others stay as they are.
/// A pool may grow beyond its width: once every dimension is taken, and where fifty draws leave nothing, a row is a random direction and orthogonal to none.
/// Old rows of zeros take no dimension. In the release they, and more rows than dimensions, make the loop that draws again endless.
/// @param[in,out] rows [M, n] in host memory;  @param[in] random  its normals are read from element 0 on: a stream of its own for each call
/// @throws ShapeError  when the range leaves the rows, or n = 0;  ValueError  for an old row that is not finite; nothing is changed then
/// Cost: some 4 (first + count)^2 n flop for exact, a fourth for classical, in double; buffers of as many rows
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218, the authors' release (classical); specification: prompt-methods.md §5.5, §5.7
inline void draw_orthogonal_rows(MatrixView<float> rows, Index first, Index count, Rng const& random, GramSchmidt how = GramSchmidt::exact) {
  Index const width = rows.extent(1);
  expects(first >= 0 && count >= 0 && first <= rows.extent(0) - count, "draw_orthogonal_rows", "the new rows must lie inside the matrix", first, count, rows.extent(0));
  if (count == 0) { return; }
  expects(width > 0, "draw_orthogonal_rows", "a row must have a direction", rows.extent(0), width);
  detail::TakenDirections taken(how, width);
  for (Index i = 0; i < first; ++i) { taken.add_old({rows.data() + i * width, static_cast<std::size_t>(width)}, i); }

  std::uint64_t drawn = 0;
  Vector<float> normals({width});
  std::vector<double> v;
  auto const draw = [&] {
    random.fill_normal(drawn, normals.view());
    drawn += static_cast<std::uint64_t>(width);
    v.assign(normals.begin(), normals.end());
  };
  constexpr int most_draws = 50;
  for (Index i = first; i < first + count; ++i) {
    bool found = false;
    for (int draws = 0; !found && !taken.full() && draws < most_draws; ++draws) {
      draw();
      found = taken.take(v);
    }
    if (!found) {
      draw();
      detail::TakenDirections::normalise(v);
    }
    std::transform(v.begin(), v.end(), rows.data() + i * width, [](double x) { return static_cast<float>(x); });
  }
}

}  // namespace accrete
