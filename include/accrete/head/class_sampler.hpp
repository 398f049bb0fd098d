#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/head/class_moments.hpp>
#include <accrete/kernels/cholesky.hpp>
#include <accrete/kernels/double_product.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace accrete {

/// Draws features of classes from normal distributions N(s mean, covariance + ridge I) with the moments of the classes.
///   few samples, M2 = R^T R:   x = s mean + R^T z1 / sqrt(n - 1) + sqrt(ridge) z2
///   otherwise, LL^T = covariance + ridge I:   x = s mean + L z;      diagonal:   x = s mean + sqrt(variances + ridge) z
/// Each class is factored once, in float64: with n <= L samples the least eigenvalue is the ridge itself, which float32 would lose.
class ClassSampler {
 public:
  /// @throws ValueError  for a ridge that is not positive.   Cost: L^3 / 3 flop for each class with L samples or more
  template <class Exec>
  ClassSampler(Exec const& exec, ClassMoments const& moments, double ridge) {
    if (!(ridge > 0.0)) { fail<ValueError>("ClassSampler", "the ridge must be positive (came: ", ridge, ")"); }
    for (Index c = 0; c < moments.classes(); ++c) { sources_.push_back(source(exec, moments, c, ridge)); }
  }

  [[nodiscard]] Index classes() const { return static_cast<Index>(sources_.size()); }
  /// The factor L [L, L] of a class that is held as one; of no rows for others.
  [[nodiscard]] Matrix<double> const& lower(Index column) const { return at(column).lower; }

  /// Rows of a class. Row i depends on the key and i alone, so any part of them can be drawn anywhere.
  /// @param[in] scale s of the mean;  @param[in] key its object is replaced by the class;  @param[in] first number of the first row;  @param[out] rows [n, L]
  /// @throws ShapeError  for a column without a class or rows of another width.   Cost: 2 n L^2 flop, or 2 n r L with r samples fewer than L
  template <class Exec>
  void draw(Exec const& exec, Index column, double scale, RngKey key, Index first, MatrixView<float> rows) const {
    Source const& from = at(column);
    Index const width = from.mean.size();
    expects(rows.extent(1) == width, "ClassSampler::draw", "the rows must have the width of the moments", rows.extent(1), width);
    key.object = static_cast<std::uint64_t>(column);
    Index const factors = from.factor.extent(0);
    auto const z = normals(Rng(key), first, rows.extent(0), factors + width);
    Matrix<double> x({rows.extent(0), width});
    for (Index i = 0; i < rows.extent(0); ++i) {
      for (Index j = 0; j < width; ++j) { x(i, j) = scale * from.mean(j) + (from.deviations.empty() ? 0.0 : from.deviations(j) * z(i, factors + j)); }
    }
    if (factors > 0) {
      auto const inner = detail::block_columns<double>(z.cview(), 0, factors);
      kernels::column_products(exec, detail::turned(inner.cview()).cview(), from.factor.cview(), x.view());
    }
    if (!from.lower.empty()) { kernels::row_products(exec, z.cview(), from.lower.cview(), x.view()); }
    std::transform(x.begin(), x.end(), rows.begin(), [](double value) { return static_cast<float>(value); });
  }

 private:
  struct Source {
    Vector<double> mean;
    Matrix<double> factor;      // [r, L] R / sqrt(n - 1)
    Matrix<double> lower;       // [L, L]
    Vector<double> deviations;  // [L] of the independent part
  };

  template <class Exec>
  static Source source(Exec const& exec, ClassMoments const& moments, Index column, double ridge) {
    Source made;
    auto const mean = moments.mean(column);
    made.mean = Vector<double>(mean.shape());
    std::copy(mean.begin(), mean.end(), made.mean.begin());
    Index const width = moments.width();
    if (moments.kind() == SecondMoment::diagonal) {
      made.deviations = moments.variances(column);
      for (double& v : made.deviations) { v = std::sqrt(v + ridge); }
    } else if (moments.is_low_rank(column)) {
      made.deviations = Vector<double>({width});
      std::fill(made.deviations.begin(), made.deviations.end(), std::sqrt(ridge));
      auto const rows = moments.factor(column);
      made.factor = Matrix<double>(rows.shape());
      double const share = moments.count(column) > 1 ? 1.0 / std::sqrt(static_cast<double>(moments.count(column) - 1)) : 0.0;
      std::transform(rows.begin(), rows.end(), made.factor.begin(), [share](double x) { return share * x; });
    } else {
      auto covariance = moments.covariance(exec, column);
      for (Index i = 0; i < width; ++i) { covariance(i, i) += ridge; }
      auto const factor = kernels::cholesky(exec, std::move(covariance));
      if (!factor) { fail<ValueError>("ClassSampler", "the covariance of class ", column, " plus ", ridge, " is not positive definite"); }
      made.lower = Matrix<double>::zeros({width, width});
      for (Index i = 0; i < width; ++i) {
        for (Index j = 0; j <= i; ++j) { made.lower(i, j) = factor->lower(i, j); }
      }
    }
    return made;
  }

  /// [rows, width] standard normals, each row a whole stretch of the stream.
  static Matrix<double> normals(Rng const& random, Index first, Index rows, Index width) {
    Vector<float> drawn({width});
    Matrix<double> z({rows, width});
    for (Index i = 0; i < rows; ++i) {
      random.fill_normal(static_cast<std::uint64_t>((first + i) * width), drawn.view());
      std::copy(drawn.begin(), drawn.end(), z[i].begin());
    }
    return z;
  }

  [[nodiscard]] Source const& at(Index column) const {
    expects(column >= 0 && column < classes(), "ClassSampler", "the column must be that of a class", column, classes());
    return sources_[static_cast<std::size_t>(column)];
  }

  std::vector<Source> sources_;
};

}  // namespace accrete
