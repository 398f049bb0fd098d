#pragma once

#include <accrete/core/accumulates.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/column_squares.hpp>
#include <accrete/kernels/column_sums.hpp>
#include <accrete/kernels/weight_gradient.hpp>
#include <accrete/kernels/weight_gradient_squares.hpp>

#include <type_traits>

namespace accrete::nn {

/// How a layer puts the gradients of the rows it is given together: one sum over all of them, or the squares of the sums over the rows of each sample.
struct Summation {
  Index samples = 0;  ///< whose squares are added; 0: one plain sum

  [[nodiscard]] static Summation of(Accumulates what, Index samples) { return {what == Accumulates::squares ? samples : 0}; }
  [[nodiscard]] bool squares() const { return samples > 0; }

  /// dw += dy^T x, or the squares of the samples' own.
  /// @param[in] dy [B * N, out];  @param[in] x [B * N, in];  @param[in,out] dw [out, in]
  template <class Exec, class T>
  void add_weight_gradient(Exec const& exec, RowsView<T> dy, RowsView<T> x, MatrixView<SumScalar<T>> dw) const {
    if (squares()) { return kernels::weight_gradient_squares(exec, RowsView<T const>(dy), RowsView<T const>(x), samples, dw); }
    kernels::weight_gradient(exec, RowsView<T const>(dy), RowsView<T const>(x), dw);
  }

  /// sums += the sum of the rows, or the squares of the samples' own.
  /// @param[in] x [B * N, D];  @param[in,out] sums [D]
  template <class Exec, class T>
  void add_column_sums(Exec const& exec, RowsView<T> x, VectorView<SumScalar<T>> sums) const {
    if (squares()) { return kernels::column_sum_squares(exec, RowsView<T const>(x), samples, sums); }
    kernels::column_sums(exec, RowsView<T const>(x), sums);
  }

  /// sums += the sum over the rows of a b, or the squares of the samples' own.
  /// @param[in] a, b [B * N, D];  @param[in,out] sums [D]
  template <class Exec, class T>
  void add_column_dots(Exec const& exec, RowsView<T> a, RowsView<T> b, VectorView<SumScalar<T>> sums) const {
    if (squares()) { return kernels::column_dot_squares(exec, RowsView<T const>(a), RowsView<T const>(b), samples, sums); }
    kernels::column_dots(exec, RowsView<T const>(a), RowsView<T const>(b), sums);
  }
};

}  // namespace accrete::nn
