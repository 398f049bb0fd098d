#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/mapped_rows.hpp>
#include <accrete/head/ridge_grid.hpp>
#include <accrete/head/shifted_system.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/kernels/outer_update.hpp>
#include <accrete/kernels/ridge_solve.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace accrete {

/// Ridge regression of fewer rows than outputs by the inner products of the rows, K = H H^T, split into the rows that are fitted and the rest:
///   K = [F  E; E^T  R],  F = Z B Z^T reduced once for all ridges
template <class Exec, class Map>
class HoldoutDual {
 public:
  /// @param[in] rows  the first `fit` are fitted; what it views must outlive this
  /// @pre 0 < fit < rows
  /// Cost: fit * (2 rows - fit) * M + 4/3 fit^3 flop
  HoldoutDual(Exec const& exec, Map const& map, LabelledRows const& rows, Index fit)
      : HoldoutDual(exec, map, rows, fit, detail::LocalClasses(rows.columns), detail::inner_products(exec, map, rows.features, fit)) {}

  /// Mean squared error on the rest, over all columns, of the model of the fitted rows: rows E^T (F + s I)^-1 Y_fit against Y_rest, for every ridge s of the grid.
  [[nodiscard]] std::vector<double> losses() const {
    auto losses = RidgeGrid::no_losses();
    auto const y = classes_.one_hot(fit_, rest());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (auto const factor = system_.factor(RidgeGrid::values[i])) {
        losses[i] = detail::squared_error(system_.predict(across_, system_.solve(*factor)), y) / (static_cast<double>(rest()) * static_cast<double>(rows_.classes));
      }
    }
    return losses;
  }

  /// The weights of all rows together, W = Y^T (K + s I)^-1 H [classes, M]: the same as (H^T H + s I)^-1 H^T Y, for a fraction of the arithmetic.
  /// With the reduction of F at hand, only the rest has to be eliminated: S = R + s I - E^T (F + s I)^-1 E.
  /// @returns nothing where K + s I is not definite in float64
  /// Cost: rest^2 * (M + fit) + 2 rows * M * (L + classes) flop
  [[nodiscard]] std::optional<Matrix<double>> weights(double ridge) const {
    auto const factor = system_.factor(ridge);
    if (!factor) { return std::nullopt; }
    auto const late = late_coefficients(*factor, ridge);
    if (!late) { return std::nullopt; }

    // Y_fit - E a_rest, rotated; then solved and rotated back.
    Matrix<double> early({fit_, classes_.count()});
    std::fill(early.begin(), early.end(), 0.0);
    kernels::row_products(exec_, across_.cview(), late->cview(), early.view());
    std::transform(system_.right().begin(), system_.right().end(), early.begin(), early.begin(), [](double y, double taken) { return y - taken; });
    system_.solve(*factor, early);
    system_.rotate_back(early);

    Matrix<double> coefficients({fit_ + rest(), classes_.count()});
    std::copy(early.begin(), early.end(), coefficients.begin());
    for (Index i = 0; i < rest(); ++i) {
      for (Index c = 0; c < classes_.count(); ++c) { coefficients(fit_ + i, c) = (*late)(c, i); }
    }
    return weights_of(coefficients);
  }

 private:
  using Products = std::pair<SymmetricMatrix<double>, Matrix<double>>;

  HoldoutDual(Exec const& exec, Map const& map, LabelledRows const& rows, Index fit, detail::LocalClasses classes, Products products)
      : exec_(exec), map_(map), rows_(rows), fit_(fit), classes_(std::move(classes)), system_(exec, std::move(products.first), classes_.one_hot(0, fit)), across_(std::move(products.second)) {
    system_.rotate(across_);
  }

  [[nodiscard]] Index rest() const { return rows_.features.extent(0) - fit_; }

  /// a_rest = S^-1 (Y_rest - E^T (F + s I)^-1 Y_fit), transposed: [classes, rest].
  [[nodiscard]] std::optional<Matrix<double>> late_coefficients(kernels::BandFactor const& factor, double ridge) const {
    SymmetricMatrix<double> schur(rest());
    for (Index first = 0; first < map_.outputs(); first += Map::panel) {
      Matrix<float> h({rest(), std::min<Index>(Map::panel, map_.outputs() - first)});
      map_.apply(exec_, RowsView<float const>(rows_.features.slice(fit_, rest())), first, RowsView<float>(h.view()));
      kernels::outer_update(exec_, h.cview(), schur.view());
    }
    Matrix<double> half = across_;
    system_.solve_lower(factor, half);
    kernels::rank_k_update(exec_, -1.0, half.cview(), schur.view());

    auto const predicted = system_.predict(across_, system_.solve(factor));
    auto const y = classes_.one_hot(fit_, rest());
    Matrix<double> right({classes_.count(), rest()});
    for (Index i = 0; i < rest(); ++i) {
      for (Index c = 0; c < classes_.count(); ++c) { right(c, i) = y(i, c) - predicted(i, c); }
    }
    Matrix<double> late(right.shape());
    auto const solution = kernels::ridge_solve(exec_, schur.view(), ridge, right.view(), late.view());
    return solution.solved ? std::optional(std::move(late)) : std::nullopt;
  }

  /// coefficients^T H, one range of outputs at a time; classes that do not occur have zero weights.
  [[nodiscard]] Matrix<double> weights_of(Matrix<double> const& coefficients) const {
    auto weights = Matrix<double>::zeros({rows_.classes, map_.outputs()});
    for (Index first = 0; first < map_.outputs(); first += Map::panel) {
      Matrix<float> h({rows_.features.extent(0), std::min<Index>(Map::panel, map_.outputs() - first)});
      map_.apply(exec_, RowsView<float const>(rows_.features), first, RowsView<float>(h.view()));
      auto part = Matrix<double>::zeros({classes_.count(), h.extent(1)});
      kernels::column_products(exec_, coefficients.cview(), h.cview(), part.view());
      for (Index c = 0; c < classes_.count(); ++c) { std::copy(part[c].begin(), part[c].end(), weights[classes_.present[static_cast<std::size_t>(c)]].begin() + first); }
    }
    return weights;
  }

  Exec const& exec_;
  Map const& map_;
  LabelledRows rows_;
  Index fit_;
  detail::LocalClasses classes_;
  ShiftedSystem<Exec> system_;  // F, with Y_fit
  Matrix<double> across_;       // E [fit, rest], rotated
};

}  // namespace accrete
