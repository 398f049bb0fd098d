#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class A, class B>
concept RunsDoubleProduct = requires(Exec const& exec, MatrixView<A const> a, MatrixView<B const> b, MatrixView<double> y) {
  row_products_on(exec, a, b, y);
  column_products_on(exec, a, b, y);
};

struct RowProductsFn {
  template <class Exec, class A, class B>
  void operator()(Exec const& exec, MatrixView<A> a, MatrixView<B> b, MatrixView<double> y) const {
    using Left = std::remove_const_t<A>;
    using Right = std::remove_const_t<B>;
    static_assert(RunsDoubleProduct<Exec, Left, Right>, "kernels::row_products has no body for this executor and these scalars");
    expects(a.extent(1) == b.extent(1), "row_products", "a and b must share the width", a.extent(1), b.extent(1));
    expects(y.extent(0) == a.extent(0) && y.extent(1) == b.extent(0), "row_products", "y must be [rows of a, rows of b]", y.extent(0), y.extent(1), a.extent(0), b.extent(0));
    if (!y.empty() && a.extent(1) > 0) { row_products_on(exec, MatrixView<Left const>(a), MatrixView<Right const>(b), y); }
  }
};

struct ColumnProductsFn {
  template <class Exec, class A, class B>
  void operator()(Exec const& exec, MatrixView<A> a, MatrixView<B> b, MatrixView<double> y) const {
    using Left = std::remove_const_t<A>;
    using Right = std::remove_const_t<B>;
    static_assert(RunsDoubleProduct<Exec, Left, Right>, "kernels::column_products has no body for this executor and these scalars");
    expects(a.extent(0) == b.extent(0), "column_products", "a and b must have one number of rows", a.extent(0), b.extent(0));
    expects(y.extent(0) == a.extent(1) && y.extent(1) == b.extent(1), "column_products", "y must be [columns of a, columns of b]", y.extent(0), y.extent(1), a.extent(1), b.extent(1));
    if (!y.empty() && a.extent(0) > 0) { column_products_on(exec, MatrixView<Left const>(a), MatrixView<Right const>(b), y); }
  }
};
}  // namespace detail

/// y += a b^T in float64: inner products of all rows of a with all rows of b.
/// @param[in] a [n, p], b [m, p] float or double, host memory;  @param[in,out] y [n, m]
/// @throws ShapeError  when the extents do not fit
/// Cost: 2 * n * m * p flop.  Deterministic for any number of threads.
inline constexpr detail::RowProductsFn row_products{};

/// y += a^T b in float64: inner products of all columns of a with all columns of b.
/// @param[in] a [p, n], b [p, m] float or double, host memory;  @param[in,out] y [n, m]
inline constexpr detail::ColumnProductsFn column_products{};

}  // namespace accrete::kernels
