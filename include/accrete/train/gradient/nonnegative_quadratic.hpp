#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace accrete {

/// The exact minimum of a small quadratic form over non-negative vectors:
///   min_u  u^T P u / 2 + c^T u,   u >= 0
/// by the active-set method: the free entries solve their equations, an entry whose slope is negative becomes free, one that would turn negative
/// is fixed at zero. The form falls with every step, so it ends; the same input gives the same bits.
/// @source Lawson, Hanson, "Solving Least Squares Problems", 1974, chapter 23, on the Gram matrix
class NonnegativeQuadratic {
 public:
  /// @param[in] form [k, k] symmetric, positive semidefinite;  @param[in] slope [k] c, in the range of the form where that is singular
  /// @throws ShapeError  when the extents differ
  NonnegativeQuadratic(MatrixView<double const> form, VectorView<double const> slope)
      : form_(form), slope_(slope), solution_(Vector<double>::zeros(slope.shape())), barred_(static_cast<std::size_t>(slope.size()), false) {
    expects(form.extent(0) == slope.size() && form.extent(1) == slope.size(), "NonnegativeQuadratic", "the form [k, k] and the slope [k] must fit", form.extent(0), form.extent(1), slope.size());
  }

  /// @returns [k]
  /// Cost: k^3 / 3 flop for each change of the free set
  [[nodiscard]] Vector<double> minimum() {
    double best = 0.0;
    for (Index entry = steepest(); entry >= 0; entry = steepest()) {
      free_.push_back(entry);
      // An entry whose row depends on those of the free ones, or that is fixed again at once, has a slope of nothing but rounding. It may be tried again once something moved.
      if (!settle()) { free_.pop_back(); }
      if (!is_free(entry)) { barred_[static_cast<std::size_t>(entry)] = true; }
      if (double const reached = value(); reached < best) {
        best = reached;
        if (is_free(entry)) { std::fill(barred_.begin(), barred_.end(), false); }
      }
    }
    return solution_;
  }

 private:
  [[nodiscard]] bool is_free(Index entry) const { return std::find(free_.begin(), free_.end(), entry) != free_.end(); }

  /// The fixed entry with the most negative slope, beyond what rounding makes; -1 when there is none.
  [[nodiscard]] Index steepest() const {
    Index best = -1;
    double least = 0.0;
    for (Index i = 0; i < slope_.size(); ++i) {
      if (is_free(i) || barred_[static_cast<std::size_t>(i)]) { continue; }
      double slope = slope_[i];
      double size = std::abs(slope);
      for (Index const j : free_) {
        slope += form_(i, j) * solution_(j);
        size += std::abs(form_(i, j) * solution_(j));
      }
      if (slope < -1e-14 * size && slope < least) {
        least = slope;
        best = i;
      }
    }
    return best;
  }

  [[nodiscard]] double value() const {
    double sum = 0.0;
    for (Index const i : free_) {
      double slope = slope_[i];
      for (Index const j : free_) { slope += form_(i, j) * solution_(j) / 2.0; }
      sum += slope * solution_(i);
    }
    return sum;
  }

  /// Moves to the minimum over the free entries, fixing those that would turn negative on the way.
  /// @returns false when the newest free entry depends on the others, as the first solve finds; the solution is then as before
  [[nodiscard]] bool settle() {
    while (!free_.empty()) {
      std::vector<double> target(free_.size());
      if (!solve(target)) { return false; }
      double reach = 1.0;
      for (std::size_t i = 0; i < free_.size(); ++i) {
        double const from = solution_(free_[i]);
        if (target[i] < 0.0) { reach = std::min(reach, from / (from - target[i])); }
      }
      std::vector<Index> still;
      for (std::size_t i = 0; i < free_.size(); ++i) {
        double& value = solution_(free_[i]);
        bool const ends = target[i] < 0.0 && value / (value - target[i]) <= reach;
        value = ends ? 0.0 : value + reach * (target[i] - value);
        if (!ends) { still.push_back(free_[i]); }
      }
      if (still.size() == free_.size()) { return true; }
      free_ = std::move(still);
    }
    return true;
  }

  /// Solves P_ff t = -c_f by Cholesky.
  /// @returns false when the block is not definite
  [[nodiscard]] bool solve(std::vector<double>& target) const {
    auto const n = static_cast<Index>(free_.size());
    Matrix<double> factor({n, n});
    for (Index i = 0; i < n; ++i) {
      Index const row = free_[static_cast<std::size_t>(i)];
      for (Index j = 0; j <= i; ++j) {
        double sum = form_(row, free_[static_cast<std::size_t>(j)]);
        for (Index k = 0; k < j; ++k) { sum -= factor(i, k) * factor(j, k); }
        if (j < i) {
          factor(i, j) = sum / factor(j, j);
        } else {
          if (!(sum > 1e-14 * form_(row, row))) { return false; }
          factor(i, i) = std::sqrt(sum);
        }
      }
    }
    for (Index i = 0; i < n; ++i) {
      double sum = -slope_[free_[static_cast<std::size_t>(i)]];
      for (Index k = 0; k < i; ++k) { sum -= factor(i, k) * target[static_cast<std::size_t>(k)]; }
      target[static_cast<std::size_t>(i)] = sum / factor(i, i);
    }
    for (Index i = n; i-- > 0;) {
      double sum = target[static_cast<std::size_t>(i)];
      for (Index k = i + 1; k < n; ++k) { sum -= factor(k, i) * target[static_cast<std::size_t>(k)]; }
      target[static_cast<std::size_t>(i)] = sum / factor(i, i);
    }
    return true;
  }

  MatrixView<double const> form_;
  VectorView<double const> slope_;
  Vector<double> solution_;
  std::vector<Index> free_;
  std::vector<bool> barred_;
};

}  // namespace accrete
