#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/cholesky.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/kernels/outer_update.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

namespace accrete {

/// Whether a covariance S is used as it is or scaled to correlations first: R = D^-1/2 S D^-1/2 with D its diagonal.
enum class Scaling { covariance, correlation };

/// A squared distance z^T A^-1 z that never forms an inverse. With S = L L^T and D the diagonal of S (the identity for Scaling::covariance):
///   dense      |L^-1 D^1/2 z|^2
///   low rank   S = a I + V^T V with few rows V [r, L]:  y = D^1/2 z,  (|y|^2 - |G^-1 V y|^2) / a  with  a I + V V^T = G G^T   (Woodbury)
///   diagonal   sum of z_j^2 / v_j
///   spread     S applied to itself as if its rows were L observations; see there
/// All in float64; the distance of a row depends on that row alone, bit for bit.
class MahalanobisForm {
 public:
  MahalanobisForm() = default;

  /// @throws ValueError  when S is not positive definite in float64.   Cost: L^3 / 3 flop; L^2 flop for each row measured
  template <class Exec>
  [[nodiscard]] static MahalanobisForm dense(Exec const& exec, SymmetricMatrix<double> s, Scaling scaling) {
    MahalanobisForm form;
    form.root_ = Vector<double>({s.order()});
    for (Index i = 0; i < s.order(); ++i) { form.root_(i) = scaling == Scaling::correlation ? std::sqrt(s(i, i)) : 1.0; }
    form.factor_ = factored(exec, std::move(s));
    return form;
  }

  /// @param[in] v [r, L];  @param[in] shift a > 0
  /// @throws ValueError  for a shift that is not positive.   Cost: r^2 L flop; 2 r L + r^2 flop for each row measured
  template <class Exec>
  [[nodiscard]] static MahalanobisForm low_rank(Exec const& exec, Matrix<double> v, double shift, Scaling scaling) {
    if (!(shift > 0.0)) { fail<ValueError>("MahalanobisForm", "a covariance of low rank needs a positive shift (came: ", shift, ")"); }
    MahalanobisForm form;
    form.shift_ = shift;
    form.root_ = Vector<double>({v.extent(1)});
    for (Index j = 0; j < v.extent(1); ++j) {
      double variance = shift;
      for (Index i = 0; i < v.extent(0); ++i) { variance += v(i, j) * v(i, j); }
      form.root_(j) = scaling == Scaling::correlation ? std::sqrt(variance) : 1.0;
    }
    if (v.extent(0) > 0) {
      SymmetricMatrix<double> k(v.extent(0));
      kernels::outer_update(exec, v.cview(), k.view());
      for (Index i = 0; i < k.order(); ++i) { k(i, i) += shift; }
      form.factor_ = factored(exec, std::move(k));
    }
    form.rows_ = std::move(v);
    return form;
  }

  /// @param[in] variances [L] positive
  /// @throws ValueError  when one is not
  [[nodiscard]] static MahalanobisForm diagonal(Vector<double> const& variances) {
    MahalanobisForm form;
    form.root_ = Vector<double>(variances.shape());
    for (Index j = 0; j < variances.size(); ++j) {
      if (!(variances(j) > 0.0)) { fail<ValueError>("MahalanobisForm", "variance ", j, " must be positive (came: ", variances(j), ")"); }
      form.root_(j) = 1.0 / std::sqrt(variances(j));
    }
    return form;
  }

  /// The pseudo-inverse of the correlations between the rows of S, taken as variables that were observed L times:
  ///   P = D^-1/2 S J S D^-1/2,  J = I - 1 1^T / L,  D the diagonal of S J S
  /// P has exactly one null direction, n = D^1/2 S^-1 1 (as S 's null space is empty), so with |n| = 1
  ///   z^T P^+ z = z^T (P + n n^T)^-1 z - <n, z>^2
  /// @throws ValueError  when S is not positive definite in float64.   Cost: L^3 flop; L^2 flop for each row measured
  template <class Exec>
  [[nodiscard]] static MahalanobisForm spread(Exec const& exec, SymmetricMatrix<double> const& s) {
    Index const n = s.order();
    auto const order = static_cast<double>(n);
    Matrix<double> centred({n, n});  // S J
    for (Index i = 0; i < n; ++i) {
      double mean = 0.0;
      for (Index j = 0; j < n; ++j) { mean += s(i, j) / order; }
      for (Index j = 0; j < n; ++j) { centred(i, j) = s(i, j) - mean; }
    }
    SymmetricMatrix<double> p(n);
    kernels::outer_update(exec, centred.cview(), p.view());
    Vector<double> root({n});
    for (Index i = 0; i < n; ++i) { root(i) = std::sqrt(p(i, i)); }

    // S^-1 1, by two solves with the same factor: L^-1 1 and then its products with L^-1 e_i.
    auto const factor = factored(exec, s);
    auto inverse = Matrix<double>::zeros({n, n + 1});
    for (Index i = 0; i < n; ++i) { inverse(i, i) = inverse(i, n) = 1.0; }
    kernels::solve_lower(exec, factor, inverse.view());
    MahalanobisForm form;
    form.null_ = Vector<double>::zeros({n});
    for (Index k = 0; k < n; ++k) {
      for (Index i = 0; i < n; ++i) { form.null_(i) += inverse(k, i) * inverse(k, n); }
    }
    double length = 0.0;
    for (Index i = 0; i < n; ++i) {
      form.null_(i) *= root(i);
      length += form.null_(i) * form.null_(i);
    }
    for (double& x : form.null_) { x /= std::sqrt(length); }
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j <= i; ++j) { p(i, j) = p(i, j) / (root(i) * root(j)) + form.null_(i) * form.null_(j); }
    }
    form.root_ = Vector<double>({n});
    std::fill(form.root_.begin(), form.root_.end(), 1.0);
    form.factor_ = factored(exec, std::move(p));
    return form;
  }

  [[nodiscard]] Index width() const { return root_.size(); }
  /// Whether the form is that of few rows.
  [[nodiscard]] bool is_low_rank() const { return shift_ > 0.0; }

  /// @param[in] z [n, L], host memory;  @param[out] distances [n]
  /// @throws ShapeError  when the extents do not fit
  template <class Exec>
  void distances(Exec const& exec, MatrixView<double const> z, VectorView<double> distances) const {
    expects(z.extent(1) == width() && distances.size() == z.extent(0), "MahalanobisForm::distances", "there must be one distance for each row of the width of the form", z.extent(0), z.extent(1),
            distances.size(), width());
    if (is_low_rank()) {
      few_rows(exec, z, distances);
      return;
    }
    auto const w = whitened(exec, z);
    std::fill(distances.begin(), distances.end(), 0.0);
    for (Index j = 0; j < w.extent(0); ++j) {
      for (Index i = 0; i < w.extent(1); ++i) { distances[i] += w(j, i) * w(j, i); }
    }
    for (Index i = 0; i < z.extent(0) && !null_.empty(); ++i) {
      double along = 0.0;
      for (Index j = 0; j < width(); ++j) { along += null_(j) * z(i, j); }
      distances[i] -= along * along;
    }
  }

  /// Rows in the basis in which the distance is the Euclidean one, for the dense and the diagonal form.
  /// @param[in] z [n, L];  @returns [L, n]: one column for each row
  template <class Exec>
  [[nodiscard]] Matrix<double> whitened(Exec const& exec, MatrixView<double const> z) const {
    Matrix<double> x({z.extent(1), z.extent(0)});
    for (Index i = 0; i < z.extent(0); ++i) {
      for (Index j = 0; j < z.extent(1); ++j) { x(j, i) = root_(j) * z(i, j); }
    }
    if (factor_.order() > 0) { kernels::solve_lower(exec, factor_, x.view()); }
    return x;
  }

 private:
  template <class Exec>
  static kernels::CholeskyFactor<double> factored(Exec const& exec, SymmetricMatrix<double> a) {  // NOLINT(performance-unnecessary-value-param): the factor takes its place
    auto factor = kernels::cholesky(exec, std::move(a));
    if (!factor) { fail<ValueError>("MahalanobisForm", "the covariance is not positive definite; shrink it with alpha1 > 0"); }
    return std::move(*factor);
  }

  template <class Exec>
  void few_rows(Exec const& exec, MatrixView<double const> z, VectorView<double> distances) const {
    Matrix<double> y(z.shape());
    for (Index i = 0; i < z.extent(0); ++i) {
      double sum = 0.0;
      for (Index j = 0; j < z.extent(1); ++j) {
        y(i, j) = root_(j) * z(i, j);
        sum += y(i, j) * y(i, j);
      }
      distances[i] = sum;
    }
    if (rows_.extent(0) > 0) {
      auto u = Matrix<double>::zeros({rows_.extent(0), z.extent(0)});
      kernels::row_products(exec, rows_.cview(), y.cview(), u.view());
      kernels::solve_lower(exec, factor_, u.view());
      for (Index k = 0; k < u.extent(0); ++k) {
        for (Index i = 0; i < u.extent(1); ++i) { distances[i] -= u(k, i) * u(k, i); }
      }
    }
    for (double& d : distances) { d /= shift_; }
  }

  Vector<double> root_;                     // [L] what z is multiplied by first
  kernels::CholeskyFactor<double> factor_;  // of order 0 for the diagonal form
  Matrix<double> rows_;                     // V of the low-rank form
  double shift_ = 0.0;                      // a of the low-rank form
  Vector<double> null_;                     // n of `spread`
};

}  // namespace accrete
