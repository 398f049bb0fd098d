#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>

#include <type_traits>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsColumnSums = requires(Exec const& exec, RowsView<T const> x, VectorView<SumScalar<T>> sums) {
  column_sums_on(exec, x, sums);
};
template <class Exec, class A, class B>
concept RunsColumnDots = requires(Exec const& exec, RowsView<A const> a, RowsView<B const> b, VectorView<SumScalar<A>> sums) {
  column_dots_on(exec, a, b, sums);
};
template <class Exec, class A, class B>
concept RunsScaleColumns = requires(Exec const& exec, RowsView<A const> x, VectorView<SumScalar<A> const> gain, RowsView<B> y, bool accumulate) {
  scale_columns_on(exec, x, gain, gain, y, accumulate);
};

struct ColumnSumsFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, RowsView<T> x, NonDeduced<VectorView<SumScalar<T>>> sums) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsColumnSums<Exec, Scalar>, "kernels::column_sums has no body for this executor and this scalar");
    expects(sums.extent(0) == x.width, "column_sums", "there must be one sum per column", sums.extent(0), x.width);
    column_sums_on(exec, RowsView<Scalar const>(x), sums);
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, MatrixView<T> x, NonDeduced<VectorView<SumScalar<T>>> sums) const {
    (*this)(exec, RowsView<T>(x), sums);
  }
};

struct ColumnDotsFn {
  template <class Exec, class A, class B>
  void operator()(Exec const& exec, RowsView<A> a, RowsView<B> b, NonDeduced<VectorView<SumScalar<A>>> sums) const {
    using Left = std::remove_const_t<A>;
    using Right = std::remove_const_t<B>;
    static_assert(std::is_same_v<SumScalar<A>, SumScalar<B>>, "kernels::column_dots: double goes with double only");
    static_assert(RunsColumnDots<Exec, Left, Right>, "kernels::column_dots has no body for this executor and these scalars");
    expects(a.rows == b.rows && a.width == b.width, "column_dots", "both must have one shape", a.rows, a.width, b.rows, b.width);
    expects(sums.extent(0) == a.width, "column_dots", "there must be one sum per column", sums.extent(0), a.width);
    column_dots_on(exec, RowsView<Left const>(a), RowsView<Right const>(b), sums);
  }
  template <class Exec, class A, class B>
  void operator()(Exec const& exec, MatrixView<A> a, MatrixView<B> b, NonDeduced<VectorView<SumScalar<A>>> sums) const {
    (*this)(exec, RowsView<A>(a), RowsView<B>(b), sums);
  }
};

struct ScaleColumnsFn {
  template <class Exec, class A, class B>
  void operator()(Exec const& exec, RowsView<A> x, NonDeduced<VectorView<SumScalar<A> const>> gain, NonDeduced<VectorView<SumScalar<A> const>> offset, RowsView<B> y, bool accumulate) const {
    using Scalar = std::remove_const_t<A>;
    static_assert(std::is_same_v<SumScalar<A>, SumScalar<B>>, "kernels::scale_columns: double goes with double only");
    static_assert(RunsScaleColumns<Exec, Scalar, B>, "kernels::scale_columns has no body for this executor and these scalars");
    expects(x.rows == y.rows && x.width == y.width, "scale_columns", "x and y must have one shape", x.rows, x.width, y.rows, y.width);
    expects(gain.extent(0) == x.width && (offset.empty() || offset.extent(0) == x.width), "scale_columns", "gain and offset must have the width of x, the offset may be empty", gain.extent(0),
            offset.extent(0), x.width);
    scale_columns_on(exec, RowsView<Scalar const>(x), gain, offset, y, accumulate);
  }
  template <class Exec, class A, class B>
  void operator()(Exec const& exec, MatrixView<A> x, NonDeduced<VectorView<SumScalar<A> const>> gain, NonDeduced<VectorView<SumScalar<A> const>> offset, MatrixView<B> y, bool accumulate) const {
    (*this)(exec, RowsView<A>(x), gain, offset, RowsView<B>(y), accumulate);
  }
};
}  // namespace detail

/// sums_c += sum over the rows of x(r, c): the gradient of a bias.
/// @param[in] x [rows, D] float, double or bfloat16;  @param[in,out] sums [D] float, double for double
/// @throws ShapeError  when the widths differ
/// Rows are summed in chunks of a fixed size: the same bits for any number of threads.
inline constexpr detail::ColumnSumsFn column_sums{};

/// sums_c += sum over the rows of a(r, c) b(r, c): the gradient of a gain per column.
/// @param[in] a, b [rows, D] float or bfloat16 in any pairing, or both double;  @param[in,out] sums [D] float, double for double
/// @throws ShapeError  when the extents differ
/// The same bits for any number of threads.
inline constexpr detail::ColumnDotsFn column_dots{};

/// y = gain x + offset, or y += gain x + offset, column by column.
/// @param[in] x [rows, D] float or bfloat16, or double;  @param[in] gain [D], offset [D] or empty: float, double for double
/// @param[in,out] y [rows, D] float or bfloat16, or double, rounded once; may be x itself
/// @throws ShapeError  when the extents differ
inline constexpr detail::ScaleColumnsFn scale_columns{};

}  // namespace accrete::kernels
