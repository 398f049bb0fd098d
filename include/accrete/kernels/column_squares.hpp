#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>

#include <type_traits>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsColumnSumSquares = requires(Exec const& exec, RowsView<T const> x, Index samples, VectorView<SumScalar<T>> squares) {
  column_sum_squares_on(exec, x, samples, squares);
};
template <class Exec, class A, class B>
concept RunsColumnDotSquares = requires(Exec const& exec, RowsView<A const> a, RowsView<B const> b, Index samples, VectorView<SumScalar<A>> squares) {
  column_dot_squares_on(exec, a, b, samples, squares);
};

struct ColumnSumSquaresFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, RowsView<T> x, Index samples, NonDeduced<VectorView<SumScalar<T>>> squares) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsColumnSumSquares<Exec, Scalar>, "kernels::column_sum_squares has no body for this executor and this scalar");
    expects(samples > 0 && x.rows % samples == 0, "column_sum_squares", "every sample must have as many rows", x.rows, samples);
    expects(squares.extent(0) == x.width, "column_sum_squares", "there must be one sum per column", squares.extent(0), x.width);
    if (x.rows > 0) { column_sum_squares_on(exec, RowsView<Scalar const>(x), samples, squares); }
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, MatrixView<T> x, Index samples, NonDeduced<VectorView<SumScalar<T>>> squares) const {
    (*this)(exec, RowsView<T>(x), samples, squares);
  }
};

struct ColumnDotSquaresFn {
  template <class Exec, class A, class B>
  void operator()(Exec const& exec, RowsView<A> a, RowsView<B> b, Index samples, NonDeduced<VectorView<SumScalar<A>>> squares) const {
    using Left = std::remove_const_t<A>;
    using Right = std::remove_const_t<B>;
    static_assert(std::is_same_v<SumScalar<A>, SumScalar<B>>, "kernels::column_dot_squares: double goes with double only");
    static_assert(RunsColumnDotSquares<Exec, Left, Right>, "kernels::column_dot_squares has no body for this executor and these scalars");
    expects(a.rows == b.rows && a.width == b.width, "column_dot_squares", "both must have one shape", a.rows, a.width, b.rows, b.width);
    expects(samples > 0 && a.rows % samples == 0, "column_dot_squares", "every sample must have as many rows", a.rows, samples);
    expects(squares.extent(0) == a.width, "column_dot_squares", "there must be one sum per column", squares.extent(0), a.width);
    if (a.rows > 0) { column_dot_squares_on(exec, RowsView<Left const>(a), RowsView<Right const>(b), samples, squares); }
  }
  template <class Exec, class A, class B>
  void operator()(Exec const& exec, MatrixView<A> a, MatrixView<B> b, Index samples, NonDeduced<VectorView<SumScalar<A>>> squares) const {
    (*this)(exec, RowsView<A>(a), RowsView<B>(b), samples, squares);
  }
};
}  // namespace detail

/// squares_c += sum over the samples of (sum over the sample's rows of x(r, c))^2: the squared gradients of a bias.
/// @param[in] x [B * N, D] float, double or bfloat16, the N rows of a sample side by side;  @param[in] samples  B;  @param[in,out] squares [D] float, double for double
/// @throws ShapeError  when the extents do not fit
/// The same bits for any number of threads.
inline constexpr detail::ColumnSumSquaresFn column_sum_squares{};

/// squares_c += sum over the samples of (sum over the sample's rows of a(r, c) b(r, c))^2: the squared gradients of a gain per column.
/// @param[in] a, b [B * N, D] float or bfloat16 in any pairing, or both double;  @param[in] samples  B;  @param[in,out] squares [D] float, double for double
/// @throws ShapeError  when the extents do not fit
/// The same bits for any number of threads.
inline constexpr detail::ColumnDotSquaresFn column_dot_squares{};

}  // namespace accrete::kernels
