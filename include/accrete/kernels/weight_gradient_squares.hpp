#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>

#include <type_traits>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsWeightGradientSquares = requires(Exec const& exec, RowsView<T const> rows, Index samples, MatrixView<SumScalar<T>> squares) {
  weight_gradient_squares_on(exec, rows, rows, samples, squares);
};

struct WeightGradientSquaresFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, RowsView<T> dy, NonDeduced<RowsView<std::remove_const_t<T> const>> x, Index samples, NonDeduced<MatrixView<SumScalar<T>>> squares) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsWeightGradientSquares<Exec, Scalar>, "kernels::weight_gradient_squares has no body for this executor and this scalar");
    expects(dy.rows == x.rows, "weight_gradient_squares", "dy and x must have one number of rows", dy.rows, x.rows);
    expects(samples > 0 && dy.rows % samples == 0, "weight_gradient_squares", "every sample must have as many rows", dy.rows, samples);
    expects(squares.extent(0) == dy.width && squares.extent(1) == x.width, "weight_gradient_squares", "squares must be [width of dy, width of x]", squares.extent(0), squares.extent(1), dy.width,
            x.width);
    if (dy.rows > 0 && !squares.empty()) { weight_gradient_squares_on(exec, RowsView<Scalar const>(dy), x, samples, squares); }
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, MatrixView<T> dy, NonDeduced<RowsView<std::remove_const_t<T> const>> x, Index samples, NonDeduced<MatrixView<SumScalar<T>>> squares) const {
    (*this)(exec, RowsView<T>(dy), x, samples, squares);
  }
};
}  // namespace detail

/// squares += sum over the samples b of (dy_b^T x_b)^2, elementwise: the squared gradients of the weight of y = x W^T + b, one for each sample.
/// The gradient of a sample exists a tile at a time and is squared there; none is stored whole.
/// @param[in] dy [B * N, out];  @param[in] x [B * N, in]: float, double or bfloat16, the N rows of a sample side by side
/// @param[in] samples  B;  @param[in,out] squares [out, in] float, double for double
/// @throws ShapeError  when the extents do not fit
/// Cost: 2 * B * N * out * in flop, and B * out * in squares.  The same bits for any number of threads.
inline constexpr detail::WeightGradientSquaresFn weight_gradient_squares{};

}  // namespace accrete::kernels
