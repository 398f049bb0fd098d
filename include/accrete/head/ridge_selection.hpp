#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/holdout_dual.hpp>
#include <accrete/head/mapped_rows.hpp>
#include <accrete/head/ridge_grid.hpp>
#include <accrete/head/shifted_system.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace accrete {

/// By which losses a ridge is chosen.
///   holdout           fit on 80 % of the current task, squared error on the rest (the published rule)
///   gcv               generalised cross-validation from the sums of everything learned so far; needs no features
///   loo               leave-one-out error on the current task alone
///   prospective_loo   leave-one-out error of the current task's samples under the model of everything
enum class RidgeSelection { holdout, gcv, loo, prospective_loo };

/// The sums a ridge head keeps.
struct RidgeSums {
  SymmetricView<double const> gram;  ///< H^T H [M, M]
  MatrixView<double const> sums;     ///< Y^T H [C, M]: per class the sum, not the mean
  Index samples = 0;                 ///< N
};

/// Mean squared error on the rows behind the first `fit` of them, of the model learned from those first rows alone, for every ridge of the grid:
///   |H_rest W - Y_rest|^2 / (rest * classes),  W = (H_fit^T H_fit + s I)^-1 H_fit^T Y_fit
/// Fewer rows than outputs: in dual form, H_rest W = K_rest (K + s I)^-1 Y_fit with K = H_fit H_fit^T; H_fit^T H_fit is singular there.
/// More rows than outputs: as it stands; ridges that drown in rounding count as infinite.
/// @pre 0 < fit < rows
/// Cost: rows * fit * M + 4/3 min(fit, M)^3 flop
template <class Exec, class Map>
[[nodiscard]] std::vector<double> holdout_losses(Exec const& exec, Map const& map, LabelledRows const& rows, Index fit) {
  detail::LocalClasses const classes(rows.columns);
  Index const rest = rows.features.extent(0) - fit;
  expects(fit > 0 && rest > 0, "holdout_losses", "both parts must have rows", fit, rest);
  if (fit <= map.outputs()) { return HoldoutDual<Exec, Map>(exec, map, rows, fit).losses(); }
  auto [gram, sums] = detail::gram_and_sums(exec, map, rows.features.slice(0, fit), classes);
  ShiftedSystem<Exec> const system(exec, std::move(gram), std::move(sums));
  auto e = detail::transposed(detail::mapped(exec, map, rows.features.slice(fit, rest)).cview());
  system.rotate(e);
  auto losses = RidgeGrid::no_losses();
  auto const y = classes.one_hot(fit, rest);
  double const least = system.least_resolved_shift();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (RidgeGrid::values[i] < least) { continue; }
    if (auto const factor = system.factor(RidgeGrid::values[i])) {
      losses[i] = detail::squared_error(system.predict(e, system.solve(*factor)), y) / (static_cast<double>(rest) * static_cast<double>(rows.classes));
    }
  }
  return losses;
}

/// Generalised cross-validation over all samples the sums were made of:
///   (RSS / N) / (1 - dof / N)^2,  RSS = N - a - s b,  dof = M - s tr (G + s I)^-1,  with X = (G + s I)^-1 Q, a = sum X * Q, b = |X|^2
/// N is |Y|^2, since labels are one-hot. Ridges that drown in rounding count as infinite.
/// @source Golub, Heath, Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter", Technometrics 21 (1979)
/// Cost: 4/3 M^3 flop, M^2 doubles
template <class Exec>
[[nodiscard]] std::vector<double> gcv_losses(Exec const& exec, RidgeSums const& known) {
  Index const order = known.gram.order();
  SymmetricMatrix<double> a(order);
  std::copy_n(known.gram.data(), known.gram.layout().size(), a.storage().data());
  Matrix<double> right({order, known.sums.extent(0)});
  for (Index c = 0; c < known.sums.extent(0); ++c) {
    for (Index i = 0; i < order; ++i) { right(i, c) = known.sums(c, i); }
  }
  ShiftedSystem<Exec> const system(exec, std::move(a), std::move(right));
  auto losses = RidgeGrid::no_losses();
  auto const samples = static_cast<double>(known.samples);
  double const least = system.least_resolved_shift();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    double const ridge = RidgeGrid::values[i];
    if (ridge < least) { continue; }
    auto const factor = system.factor(ridge);
    if (!factor) { continue; }
    auto const x = system.solve(*factor);
    double fitted = 0.0;
    double length = 0.0;
    for (Index k = 0; k < x.size(); ++k) {
      fitted += x.data()[k] * system.right().data()[k];
      length += x.data()[k] * x.data()[k];
    }
    double const rss = std::max(0.0, samples - fitted - ridge * length);
    double const slack = (samples - static_cast<double>(order) + ridge * system.inverse_trace(*factor)) / samples;
    losses[i] = slack > 0.0 ? rss / samples / (slack * slack) : std::numeric_limits<double>::infinity();
  }
  return losses;
}

namespace detail {

/// Columns of the identity, or rows of H, that are in memory at a time.
inline constexpr Index loo_block = 512;

/// In dual form: alpha = (K + s I)^-1 Y, and row i leaves the residual alpha_i / ((K + s I)^-1)_ii.
template <class Exec, class Map>
[[nodiscard]] std::vector<double> loo_by_dual(Exec const& exec, Map const& map, LabelledRows const& rows) {
  LocalClasses const classes(rows.columns);
  Index const n = rows.features.extent(0);
  ShiftedSystem<Exec> const system(exec, inner_products(exec, map, rows.features, n).first, classes.one_hot(0, n));
  auto losses = RidgeGrid::no_losses();
  std::vector<std::optional<kernels::BandFactor>> factors;
  std::vector<Matrix<double>> alphas;
  for (double const ridge : RidgeGrid::values) {
    factors.push_back(system.factor(ridge));
    alphas.push_back(factors.back() ? system.solve(*factors.back()) : Matrix<double>());
    if (factors.back()) {
      system.rotate_back(alphas.back());
      losses[factors.size() - 1] = 0.0;
    }
  }
  for (Index first = 0; first < n; first += loo_block) {
    Index const count = std::min(loo_block, n - first);
    auto unit = Matrix<double>::zeros({n, count});
    for (Index j = 0; j < count; ++j) { unit(first + j, j) = 1.0; }
    system.rotate(unit);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (!factors[i]) { continue; }
      auto const diagonal = system.energies(*factors[i], unit);
      for (Index j = 0; j < count; ++j) {
        for (Index c = 0; c < classes.count(); ++c) {
          double const residual = alphas[i](first + j, c) / diagonal(j);
          losses[i] += residual * residual / static_cast<double>(n);
        }
      }
    }
  }
  return losses;
}

/// As it stands: row i leaves the residual (y_i - h_i^T W) / (1 - h_i^T (G + s I)^-1 h_i), for any G and Q that contain the row. right: Q^T [M, C].
template <class Exec, class Map>
[[nodiscard]] std::vector<double> loo_by_primal(Exec const& exec, Map const& map, LabelledRows const& rows, std::span<Index const> targets, SymmetricMatrix<double> gram, Matrix<double> right) {
  Index const n = rows.features.extent(0);
  ShiftedSystem<Exec> const system(exec, std::move(gram), std::move(right));
  auto losses = RidgeGrid::no_losses();
  double const least = system.least_resolved_shift();
  std::vector<std::optional<kernels::BandFactor>> factors;
  std::vector<Matrix<double>> solutions;
  for (double const ridge : RidgeGrid::values) {
    factors.push_back(ridge < least ? std::nullopt : system.factor(ridge));
    solutions.push_back(factors.back() ? system.solve(*factors.back()) : Matrix<double>());
    if (factors.back()) { losses[factors.size() - 1] = 0.0; }
  }
  for (Index first = 0; first < n; first += loo_block) {
    Index const count = std::min(loo_block, n - first);
    auto h = transposed(mapped(exec, map, rows.features.slice(first, count)).cview());
    system.rotate(h);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (!factors[i]) { continue; }
      auto const prediction = system.predict(h, solutions[i]);
      auto const leverage = system.energies(*factors[i], h);
      for (Index j = 0; j < count; ++j) {
        for (Index c = 0; c < prediction.extent(1); ++c) {
          double const y = targets[static_cast<std::size_t>(first + j)] == c ? 1.0 : 0.0;
          double const residual = (y - prediction(j, c)) / (1.0 - leverage(j));
          losses[i] += residual * residual / static_cast<double>(n);
        }
      }
    }
  }
  return losses;
}

}  // namespace detail

/// Mean over the rows of |y_i - prediction of the model of all other rows|^2, from these rows alone, for every ridge of the grid.
/// Cost: rows^2 * M + 10/3 rows^3 flop for fewer rows than outputs
template <class Exec, class Map>
[[nodiscard]] std::vector<double> loo_losses(Exec const& exec, Map const& map, LabelledRows const& rows) {
  if (rows.features.extent(0) <= map.outputs()) { return detail::loo_by_dual(exec, map, rows); }
  detail::LocalClasses const classes(rows.columns);
  auto [gram, sums] = detail::gram_and_sums(exec, map, rows.features, classes);
  return detail::loo_by_primal(exec, map, rows, classes.local, std::move(gram), std::move(sums));
}

/// The same under the model of everything learned, which must contain the rows.
/// Cost: 4/3 M^3 + 2 rows * M^2 flop, M^2 doubles
template <class Exec, class Map>
[[nodiscard]] std::vector<double> prospective_loo_losses(Exec const& exec, Map const& map, LabelledRows const& rows, RidgeSums const& known) {
  SymmetricMatrix<double> gram(known.gram.order());
  std::copy_n(known.gram.data(), known.gram.layout().size(), gram.storage().data());
  Matrix<double> right({known.gram.order(), known.sums.extent(0)});
  for (Index c = 0; c < known.sums.extent(0); ++c) {
    for (Index i = 0; i < known.gram.order(); ++i) { right(i, c) = known.sums(c, i); }
  }
  return detail::loo_by_primal(exec, map, rows, rows.columns, std::move(gram), std::move(right));
}

}  // namespace accrete
