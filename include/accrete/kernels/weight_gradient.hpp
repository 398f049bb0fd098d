#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/elementwise.hpp>

#include <type_traits>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsWeightGradient = requires(Exec const& exec, RowsView<T const> rows, MatrixView<SumScalar<T>> dw) {
  weight_gradient_on(exec, rows, rows, dw);
};

/// Can put the gradient in the place of what was there, without a look at it.
template <class Exec, class T>
concept ReplacesWeightGradient = requires(Exec const& exec, RowsView<T const> rows, MatrixView<SumScalar<T>> dw, bool accumulate) {
  weight_gradient_on(exec, rows, rows, dw, accumulate);
};

struct WeightGradientFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, RowsView<T> dy, NonDeduced<RowsView<std::remove_const_t<T> const>> x, NonDeduced<MatrixView<SumScalar<T>>> dw, bool accumulate = true) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsWeightGradient<Exec, Scalar>, "kernels::weight_gradient has no body for this executor and this scalar");
    expects(dy.rows == x.rows, "weight_gradient", "dy and x must have one number of rows", dy.rows, x.rows);
    expects(dw.extent(0) == dy.width && dw.extent(1) == x.width, "weight_gradient", "dw must be [width of dy, width of x]", dw.extent(0), dw.extent(1), dy.width, x.width);
    if (dw.empty()) { return; }
    bool const replaces = !accumulate && dy.rows > 0 && ReplacesWeightGradient<Exec, Scalar>;
    if (!accumulate && !replaces) { fill(exec, dw.template reshaped<1>({dw.size()}), SumScalar<T>{0}); }
    if (dy.rows == 0) { return; }
    if constexpr (ReplacesWeightGradient<Exec, Scalar>) {
      weight_gradient_on(exec, RowsView<Scalar const>(dy), x, dw, !replaces);
    } else {
      weight_gradient_on(exec, RowsView<Scalar const>(dy), x, dw);
    }
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, MatrixView<T> dy, NonDeduced<RowsView<std::remove_const_t<T> const>> x, NonDeduced<MatrixView<SumScalar<T>>> dw, bool accumulate = true) const {
    (*this)(exec, RowsView<T>(dy), x, dw, accumulate);
  }
};
}  // namespace detail

/// dw += dy^T x: the gradient of the weight of y = x W^T + b. Without `accumulate`, dw = dy^T x, and nothing reads what stood there.
/// @param[in] dy [rows, out];  @param[in] x [rows, in]: float, double or bfloat16;  @param[in,out] dw [out, in] float, double for double
/// @throws ShapeError  when the extents do not fit
/// Cost: 2 * rows * out * in flop.  The same bits for any number of threads.
inline constexpr detail::WeightGradientFn weight_gradient{};

}  // namespace accrete::kernels
