#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/kernels/outer_update.hpp>
#include <accrete/kernels/rank_k_update.hpp>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace accrete {

/// Labelled features of one task, each label a number below `classes`.
struct LabelledRows {
  MatrixView<float const> features;  ///< [n, L]
  std::span<Index const> columns;    ///< [n]
  Index classes = 0;                 ///< all columns of the head: losses are means over them
};

namespace detail {

/// The classes that occur, in ascending order, and for each row which of them it has. All other columns of Y are zero, and so are their predictions.
struct LocalClasses {
  explicit LocalClasses(std::span<Index const> columns) : present(columns.begin(), columns.end()) {
    std::sort(present.begin(), present.end());
    present.erase(std::unique(present.begin(), present.end()), present.end());
    for (Index const column : columns) { local.push_back(std::lower_bound(present.begin(), present.end(), column) - present.begin()); }
  }
  [[nodiscard]] Index count() const { return static_cast<Index>(present.size()); }
  /// Y [rows, count] of rows [first, first + rows).
  [[nodiscard]] Matrix<double> one_hot(Index first, Index rows) const {
    auto y = Matrix<double>::zeros({rows, count()});
    for (Index i = 0; i < rows; ++i) { y(i, local[static_cast<std::size_t>(first + i)]) = 1.0; }
    return y;
  }

  std::vector<Index> present;
  std::vector<Index> local;
};

[[nodiscard]] inline Matrix<double> transposed(MatrixView<float const> h) {
  Matrix<double> result({h.extent(1), h.extent(0)});
  for (Index i = 0; i < h.extent(0); ++i) {
    for (Index j = 0; j < h.extent(1); ++j) { result(j, i) = static_cast<double>(h(i, j)); }
  }
  return result;
}

/// All outputs of a few rows.
template <class Exec, class Map>
[[nodiscard]] Matrix<float> mapped(Exec const& exec, Map const& map, MatrixView<float const> rows) {
  Matrix<float> h({rows.extent(0), map.outputs()});
  map.apply(exec, RowsView<float const>(rows), 0, RowsView<float>(h.view()));
  return h;
}

/// Rows of all outputs that are in memory at a time.
inline constexpr Index mapped_rows = 512;

/// H^T H and Y^T H (transposed: [M, classes]) of rows that come in ranges.
template <class Exec, class Map>
[[nodiscard]] std::pair<SymmetricMatrix<double>, Matrix<double>> gram_and_sums(Exec const& exec, Map const& map, MatrixView<float const> features, LocalClasses const& classes) {
  SymmetricMatrix<double> gram(map.outputs());
  auto sums = Matrix<double>::zeros({map.outputs(), classes.count()});
  for (Index first = 0; first < features.extent(0); first += mapped_rows) {
    Index const count = std::min(mapped_rows, features.extent(0) - first);
    auto const h = mapped(exec, map, features.slice(first, count));
    kernels::rank_k_update(exec, 1.0, h.cview(), gram.view());
    for (Index i = 0; i < count; ++i) {
      for (Index j = 0; j < map.outputs(); ++j) { sums(j, classes.local[static_cast<std::size_t>(first + i)]) += static_cast<double>(h(i, j)); }
    }
  }
  return {std::move(gram), std::move(sums)};
}

/// H H^T of the first `fit` rows and, where there are more, their inner products with the rest [fit, rest]; one range of outputs at a time.
template <class Exec, class Map>
[[nodiscard]] std::pair<SymmetricMatrix<double>, Matrix<double>> inner_products(Exec const& exec, Map const& map, MatrixView<float const> features, Index fit) {
  Index const rest = features.extent(0) - fit;
  SymmetricMatrix<double> among(fit);
  auto across = Matrix<double>::zeros({fit, rest});
  for (Index first = 0; first < map.outputs(); first += Map::panel) {
    Matrix<float> h({features.extent(0), std::min<Index>(Map::panel, map.outputs() - first)});
    map.apply(exec, RowsView<float const>(features), first, RowsView<float>(h.view()));
    kernels::outer_update(exec, h.cview().slice(0, fit), among.view());
    kernels::row_products(exec, h.cview().slice(0, fit), h.cview().slice(fit, rest), across.view());
  }
  return {std::move(among), std::move(across)};
}

/// Sum over rows and columns of (prediction - y)^2.
[[nodiscard]] inline double squared_error(Matrix<double> const& prediction, Matrix<double> const& y) {
  double sum = 0.0;
  for (Index i = 0; i < y.size(); ++i) {
    double const difference = prediction.data()[i] - y.data()[i];
    sum += difference * difference;
  }
  return sum;
}

}  // namespace detail

}  // namespace accrete
