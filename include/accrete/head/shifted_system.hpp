#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/kernels/symmetric_band.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace accrete {

/// A symmetric positive semidefinite matrix A and right-hand sides R, reduced once, so that (A + s I)^-1 R costs next to nothing for each shift s.
/// All that meets the solutions is rotated into the same basis, and nothing is rotated back.
template <class Exec>
class ShiftedSystem {
 public:
  /// @param[in] a [n, n], taken over;  @param[in] right [n, C]
  /// @throws ShapeError  when the extents do not fit.   Cost: 4/3 n^3 flop
  ShiftedSystem(Exec const& exec, SymmetricMatrix<double> a, Matrix<double> right) : exec_(exec), form_(kernels::reduce_to_band(exec, std::move(a))), right_(std::move(right)) { rotate(right_); }

  [[nodiscard]] Index order() const { return form_.order; }
  [[nodiscard]] Matrix<double> const& right() const { return right_; }

  /// Brings a matrix [n, m] into the basis of the solutions, or out of it.
  void rotate(Matrix<double>& x) const { kernels::rotate(exec_, form_, kernels::Rotation::into_band, x.view()); }
  void rotate_back(Matrix<double>& x) const { kernels::rotate(exec_, form_, kernels::Rotation::out_of_band, x.view()); }

  /// The factor of A + shift I; nothing where that is not definite in float64.
  [[nodiscard]] std::optional<kernels::BandFactor> factor(double shift) const { return kernels::factor_band(exec_, form_, shift); }

  /// (A + shift I)^-1 R, rotated.
  [[nodiscard]] Matrix<double> solve(kernels::BandFactor const& factor) const {
    Matrix<double> x = right_;
    kernels::solve_band(exec_, factor, x.view());
    return x;
  }

  /// x <- (A + shift I)^-1 x for a rotated x [n, m].
  void solve(kernels::BandFactor const& factor, Matrix<double>& x) const { kernels::solve_band(exec_, factor, x.view()); }
  /// x <- L^-1 x for a rotated x [n, m], so that x^T x becomes x^T (A + shift I)^-1 x.
  void solve_lower(kernels::BandFactor const& factor, Matrix<double>& x) const { kernels::solve_band_lower(exec_, factor, x.view()); }

  /// E^T (A + shift I)^-1 R [m, C] for a rotated E [n, m].
  [[nodiscard]] Matrix<double> predict(Matrix<double> const& rotated, Matrix<double> const& solution) const {
    auto result = Matrix<double>::zeros({rotated.extent(1), solution.extent(1)});
    kernels::column_products(exec_, rotated.cview(), solution.cview(), result.view());
    return result;
  }

  /// e_j^T (A + shift I)^-1 e_j for every column e_j of a rotated E [n, m].
  [[nodiscard]] Vector<double> energies(kernels::BandFactor const& factor, Matrix<double> rotated) const {
    kernels::solve_band_lower(exec_, factor, rotated.view());
    auto result = Vector<double>::zeros({rotated.extent(1)});
    for (Index i = 0; i < rotated.extent(0); ++i) {
      for (Index j = 0; j < rotated.extent(1); ++j) { result(j) += rotated(i, j) * rotated(i, j); }
    }
    return result;
  }

  [[nodiscard]] double inverse_trace(kernels::BandFactor const& factor) const { return kernels::band_inverse_trace(exec_, factor); }

  /// Shifts below this one drown in the rounding of A: n * eps * (a bound of the largest eigenvalue, by Gershgorin).
  [[nodiscard]] double least_resolved_shift() const {
    constexpr Index width = kernels::SymmetricBand::width;
    Vector<double> sums = Vector<double>::zeros({form_.order});
    for (Index i = 0; i < form_.order; ++i) {
      for (Index j = std::max<Index>(0, i - width); j <= i; ++j) {
        double const entry = std::abs(form_.band(i, j - i + width));
        sums(i) += entry;
        if (j < i) { sums(j) += entry; }
      }
    }
    return static_cast<double>(form_.order) * std::numeric_limits<double>::epsilon() * *std::max_element(sums.begin(), sums.end());
  }

 private:
  Exec const& exec_;
  kernels::SymmetricBand form_;
  Matrix<double> right_;
};

}  // namespace accrete
