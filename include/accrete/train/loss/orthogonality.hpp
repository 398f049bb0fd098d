#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/kernels/double_product.hpp>
#include <accrete/train/loss/columns.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace accrete {

/// Pushes the features of a batch apart, from each other and from the means of earlier classes: with M = [means; features], N rows, as they are,
///   S = M M^T / temperature,   loss = weight * mean_i(lse(S_i) - S_ii)
/// It couples the rows of a batch: with the batch on several ranks it is that of each rank's part unless features are gathered first.
/// @source Sun et al., "MOS", AAAI 2025, the authors' release; specification: representation-methods.md §9
struct Orthogonality {
  double weight = 0.1;
  double temperature = 0.8;

  [[nodiscard]] static std::vector<Setting<Orthogonality>> settings() {
    return {number_setting("orthogonality", "weight of the term that pushes features apart", &Orthogonality::weight, 0.0, 1e6),
            number_setting("orthogonality-temperature", "what products of features are divided by", &Orthogonality::temperature, 1e-12, 1e6)};
  }

  /// @param[in] means [K, L] of earlier classes, K >= 0;  @param[in] features [B, L];  @param[in,out] d_features [B, L] the gradient is added
  /// @returns the loss; 0 for no rows
  /// @throws ShapeError  when the widths differ;  ValueError  for a temperature that is not positive
  /// Cost: 4 * (K + B)^2 * L flop
  template <class Exec, class T>
  double operator()(Exec const& exec, MatrixView<double const> means, NonDeduced<MatrixView<T const>> features, MatrixView<T> d_features) const {
    expects(means.extent(0) == 0 || means.extent(1) == features.extent(1), "Orthogonality", "means and features must share the width", means.extent(1), features.extent(1));
    expects(d_features.shape() == features.shape(), "Orthogonality", "features and their gradient must have one shape", d_features.extent(0), d_features.extent(1), features.extent(0),
            features.extent(1));
    if (!(temperature > 0.0)) { fail<ValueError>("Orthogonality", "the temperature must be positive (came: ", temperature, ")"); }
    Index const known = means.extent(0);
    Index const rows = known + features.extent(0);
    if (rows == 0) { return 0.0; }
    Matrix<double> m({rows, features.extent(1)});
    std::copy(means.begin(), means.end(), m.begin());
    std::transform(features.begin(), features.end(), m.begin() + means.size(), [](T x) { return static_cast<double>(x); });
    auto s = Matrix<double>::zeros({rows, rows});
    kernels::row_products(exec, m.cview(), m.cview(), s.view());
    for (double& x : s) { x /= temperature; }

    double loss = 0.0;
    std::vector<double> p;
    Matrix<double> d_s(s.shape());
    double const share = weight / static_cast<double>(rows);
    for (Index i = 0; i < rows; ++i) {
      loss += detail::softmax_row<double>(std::as_const(s)[i], p) - s(i, i);
      for (Index k = 0; k < rows; ++k) { d_s(i, k) = share * (p[static_cast<std::size_t>(k)] - (i == k ? 1.0 : 0.0)); }
    }
    // S is M M^T: a row of M stands in its row and in its column.
    Matrix<double> both({rows, features.extent(0)});
    for (Index i = 0; i < rows; ++i) {
      for (Index k = 0; k < both.extent(1); ++k) { both(i, k) = (d_s(i, known + k) + d_s(known + k, i)) / temperature; }
    }
    auto d_m = Matrix<double>::zeros(features.shape());
    kernels::column_products(exec, both.cview(), m.cview(), d_m.view());
    detail::add_rounded(d_m.data(), d_m.size(), d_features.data());
    return share * loss;
  }
};

}  // namespace accrete
