#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/host/cholesky.hpp>
#include <accrete/host/columns.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/symmetric_product.hpp>
#include <accrete/kernels/ridge_solve.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

namespace accrete::host {

namespace detail {

/// Columns of right-hand sides in a row of the work matrices: a whole number of vectors in both precisions.
inline Index padded_columns(Index columns) {
  constexpr Index lanes = simd::lanes<float>;
  return (columns + lanes - 1) / lanes * lanes;
}

template <class T>
std::optional<CholeskyFactor<T>> factor_ridge(int threads, SymmetricView<double const> gram, double ridge) {
  CholeskyFactor<T> factor{SymmetricMatrix<T>(gram.order()), {}};
  T* const to = factor.lower.storage().data();
  parallel_ranges(threads, gram.layout().size(), 1, [&](Index first, Index last) { std::transform(gram.data() + first, gram.data() + last, to + first, [](double g) { return static_cast<T>(g); }); });
  for (Index i = 0; i < gram.order(); ++i) { factor.lower(i, i) = static_cast<T>(gram(i, i) + ridge); }
  set_padding(factor.lower.view());
  if (!cholesky(threads, factor)) { return std::nullopt; }
  return factor;
}

/// Frobenius norm of G + ridge I.
inline double frobenius_norm(int threads, SymmetricView<double const> gram, double ridge) {
  Blocks<double const> const blocks(gram);
  constexpr Index width = Blocks<double>::width;
  std::vector<double> sums(static_cast<std::size_t>(blocks.count()), 0.0);
  share_out(threads, blocks.count(), [&](Index p) {
    double sum = 0.0;
    for (Index q = 0; q < p; ++q) { sum += 2.0 * inner_product(blocks.block(p, q), blocks.block(p, q), width * width); }
    for (Index c = 0; c < width; ++c) {
      double const* const column = blocks.block(p, p) + c * width;
      bool const real = p * width + c < gram.order();
      double const diagonal = column[c] + (real ? ridge : 0.0);
      sum += diagonal * diagonal + 2.0 * inner_product(column + c + 1, column + c + 1, width - c - 1);
    }
    sums[static_cast<std::size_t>(p)] = sum;
  });
  return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
}

/// The system and its solution so far, right-hand sides as the columns of row-major matrices.
class RidgeSystem {
 public:
  RidgeSystem(int threads, SymmetricView<double const> gram, double ridge, MatrixView<double const> sums)
      : threads_(threads),
        gram_(gram),
        ridge_(ridge),
        columns_(sums.extent(0)),
        norm_(frobenius_norm(threads, gram, ridge)),
        target_(Matrix<double>::zeros({gram.layout().tiles() * TriangleTiles::edge, padded_columns(columns_)})),
        solution_(Matrix<double>::zeros(target_.shape())),
        residual_(target_) {
    for (Index c = 0; c < columns_; ++c) {
      for (Index i = 0; i < gram.order(); ++i) { residual_(i, c) = target_(i, c) = sums(c, i); }
    }
  }

  /// Goes on from weights [C, M].
  void start_from(MatrixView<double const> weights) {
    for (Index c = 0; c < columns_; ++c) {
      for (Index i = 0; i < gram_.order(); ++i) { solution_(i, c) = weights(c, i); }
    }
    update_residual();
  }

  void reset() {
    std::fill(solution_.begin(), solution_.end(), 0.0);
    residual_ = target_;
  }

  /// x += solve(r), every column scaled so that its residual fits the factor's range.
  template <class T>
  void correct(CholeskyFactor<T> const& factor) {
    Matrix<T> step(residual_.shape());
    Index const columns = residual_.extent(1);
    std::vector<double> scale(static_cast<std::size_t>(columns), 0.0);
    for (Index i = 0; i < gram_.order(); ++i) {
      double const* const row = residual_.data() + i * columns;
      for (std::size_t c = 0; c < scale.size(); ++c) { scale[c] = std::max(scale[c], std::abs(row[c])); }
    }
    // A power of two, so that scaling is exact.
    for (double& value : scale) { value = value > 0.0 && std::isfinite(value) ? std::exp2(std::ceil(std::log2(value))) : 1.0; }
    for (Index i = 0; i < residual_.extent(0); ++i) {
      double const* const row = residual_.data() + i * columns;
      T* const to = step.data() + i * columns;
      for (std::size_t c = 0; c < scale.size(); ++c) { to[c] = static_cast<T>(row[c] / scale[c]); }
    }
    cholesky_solve(threads_, factor, step.view());
    for (Index i = 0; i < gram_.order(); ++i) {
      T const* const row = step.data() + i * columns;
      double* const to = solution_.data() + i * columns;
      for (std::size_t c = 0; c < scale.size(); ++c) { to[c] += scale[c] * static_cast<double>(row[c]); }
    }
    update_residual();
  }

  /// Largest |r| / (|A| |x| + |b|) over the columns; NaN counts as infinite.
  [[nodiscard]] double residual() const {
    auto const r = squared_lengths(residual_);
    auto const x = squared_lengths(solution_);
    auto const b = squared_lengths(target_);
    double worst = 0.0;
    for (std::size_t c = 0; c < static_cast<std::size_t>(columns_); ++c) {
      double const scale = norm_ * std::sqrt(x[c]) + std::sqrt(b[c]);
      double const ratio = scale > 0.0 ? std::sqrt(r[c]) / scale : std::sqrt(r[c]);
      worst = std::isnan(ratio) ? std::numeric_limits<double>::infinity() : std::max(worst, ratio);
    }
    return worst;
  }

  void store(MatrixView<double> weights) const {
    for (Index c = 0; c < columns_; ++c) {
      for (Index i = 0; i < gram_.order(); ++i) { weights(c, i) = solution_(i, c); }
    }
  }

 private:
  void update_residual() {
    parallel_ranges(threads_, residual_.size(), 1, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i) { residual_.data()[i] = target_.data()[i] - ridge_ * solution_.data()[i]; }
    });
    symmetric_product<double>(threads_, -1.0, Blocks<double const>(gram_), 0, solution_.cview(), residual_.view());
  }

  static std::vector<double> squared_lengths(Matrix<double> const& matrix) {
    std::vector<double> sums(static_cast<std::size_t>(matrix.extent(1)), 0.0);
    for (Index i = 0; i < matrix.extent(0); ++i) {
      double const* const row = matrix.data() + i * matrix.extent(1);
      for (std::size_t c = 0; c < sums.size(); ++c) { sums[c] += row[c] * row[c]; }
    }
    return sums;
  }

  int threads_;
  SymmetricView<double const> gram_;
  double ridge_;
  Index columns_;
  double norm_;
  Matrix<double> target_;
  Matrix<double> solution_;
  Matrix<double> residual_;
};

/// A residual this small is the rounding of the float64 numbers themselves.
inline constexpr double settled_residual = 0.5 * std::numeric_limits<double>::epsilon();

/// Corrects while that gains at least a factor of four.
template <class T>
kernels::RidgeSolution refine(RidgeSystem& system, CholeskyFactor<T> const& factor) {
  constexpr int most_rounds = 30;
  kernels::RidgeSolution solution;
  system.correct(factor);
  solution.residual = system.residual();
  while (solution.residual > settled_residual && solution.refinements < most_rounds) {
    double const before = solution.residual;
    system.correct(factor);
    ++solution.refinements;
    solution.residual = system.residual();
    if (!(solution.residual < 0.25 * before)) { break; }
  }
  solution.solved = solution.residual <= kernels::RidgeSolution::largest_residual;
  return solution;
}

}  // namespace detail

template <class Products>
kernels::RidgeSolution ridge_solve_on(HostExecutor<Products> const& exec, SymmetricView<double const> gram, double ridge, MatrixView<double const> sums, MatrixView<double> weights) {
  int const threads = exec.thread_count();
  kernels::RidgeSolution solution;
  detail::RidgeSystem system(threads, gram, ridge, sums);
  if (auto const factor = detail::factor_ridge<float>(threads, gram, ridge)) { solution = detail::refine(system, *factor); }
  if (!solution.solved) {
    solution = {.float64_factor = true};
    if (auto const factor = detail::factor_ridge<double>(threads, gram, ridge)) {
      system.reset();
      solution = detail::refine(system, *factor);
      solution.float64_factor = true;
    }
  }
  if (solution.solved) { system.store(weights); }
  return solution;
}

template <class Products>
double ridge_residual_on(HostExecutor<Products> const& exec, SymmetricView<double const> gram, double ridge, MatrixView<double const> sums, MatrixView<double const> weights) {
  detail::RidgeSystem system(exec.thread_count(), gram, ridge, sums);
  system.start_from(weights);
  return system.residual();
}

}  // namespace accrete::host
