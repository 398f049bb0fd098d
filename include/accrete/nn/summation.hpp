#pragma once

#include <accrete/core/accumulates.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/column_squares.hpp>
#include <accrete/kernels/column_sums.hpp>
#include <accrete/kernels/elementwise.hpp>
#include <accrete/kernels/weight_gradient.hpp>
#include <accrete/kernels/weight_gradient_squares.hpp>

#include <type_traits>

namespace accrete::nn {

/// How a layer puts the gradients of the rows it is given together: one sum over all of them, or the squares of the sums over the rows of each sample.
struct Summation {
  Index samples = 0;   ///< whose squares are added; 0: one plain sum
  bool fresh = false;  ///< nothing has been added since the gradients were cleared, and those of whole weights hold anything: they are written, not added to

  [[nodiscard]] static Summation of(Accumulates what, Index samples) { return {what == Accumulates::squares ? samples : 0}; }
  /// For what is added to the same places afterwards.
  [[nodiscard]] Summation continued() const { return {samples, false}; }
  [[nodiscard]] bool squares() const { return samples > 0; }

  /// dw += dy^T x, or the squares of the samples' own.
  /// @param[in] dy [B * N, out];  @param[in] x [B * N, in];  @param[in,out] dw [out, in]
  template <class Exec, class T>
  void add_weight_gradient(Exec const& exec, RowsView<T> dy, RowsView<T> x, MatrixView<SumScalar<T>> dw) const {
    if (squares()) { return kernels::weight_gradient_squares(exec, RowsView<T const>(dy), RowsView<T const>(x), samples, dw); }
    kernels::weight_gradient(exec, RowsView<T const>(dy), RowsView<T const>(x), dw);
  }

  /// The same of a whole weight, which is written where the gradients are fresh.
  template <class Exec, class T>
  void take_weight_gradient(Exec const& exec, RowsView<T> dy, RowsView<T> x, MatrixView<SumScalar<T>> dw) const {
    if (squares() || !fresh) { return add_weight_gradient(exec, dy, x, dw); }
    kernels::weight_gradient(exec, RowsView<T const>(dy), RowsView<T const>(x), dw, false);
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

  /// Calls use(a, b) with all rows where they are summed up, and sample by sample where squares are: for gradients that are made of others.
  template <class T, class Use>
  void for_samples(RowsView<T> a, RowsView<T> b, Use const& use) const {
    if (!squares()) { return use(a, b); }
    auto const of = [this](RowsView<T> rows, Index sample) { return RowsView<T>(rows.data + sample * (rows.rows / samples) * rows.stride, rows.rows / samples, rows.width, rows.stride); };
    for (Index sample = 0; sample < samples; ++sample) { use(of(a, sample), of(b, sample)); }
  }

  /// sums += gain x, column by column, or its squares.
  /// @param[in,out] x [rows, D]  used up;  @param[in] gain [D];  @param[in,out] sums [rows, D]
  template <class Exec, class S>
  void add_scaled(Exec const& exec, RowsView<S> x, NonDeduced<VectorView<S const>> gain, RowsView<S> sums) const {
    if (!squares()) { return kernels::scale_columns(exec, RowsView<S const>(x), gain, VectorView<S const>(), sums, true); }
    kernels::scale_columns(exec, RowsView<S const>(x), gain, VectorView<S const>(), x, false);
    for (Index row = 0; row < x.rows; ++row) {
      RowsView<S const> const own(x.data + row * x.stride, 1, x.width, x.stride);
      kernels::column_dots(exec, own, own, VectorView<S>(sums.data + row * sums.stride, {sums.width}));
    }
  }

  /// sum += <x, y>, or its square.
  /// @param[in] x, y [n];  @param[in,out] sum [1]
  template <class Exec, class S, class Scratch>
  void add_dot(Exec const& exec, VectorView<S> x, NonDeduced<VectorView<S const>> y, VectorView<S> sum, Scratch const& scratch) const {
    auto const column = [](VectorView<S const> values) { return RowsView<S const>(values.data(), values.size(), 1, 1); };
    if (!squares()) { return kernels::column_dots(exec, column(x), column(y), sum); }
    auto const dot = scratch.template lease<S>(Shape<1>{1});
    kernels::fill(exec, dot.view(), S{0});
    kernels::column_dots(exec, column(x), column(y), dot.view());
    kernels::column_dots(exec, column(dot.view()), column(dot.view()), sum);
  }
};

}  // namespace accrete::nn
