#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/symmetric.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsOuterUpdate = requires(Exec const& exec, MatrixView<T const> rows, SymmetricView<double> gram) {
  outer_update_on(exec, rows, gram);
};

struct OuterUpdateFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, MatrixView<T> rows, SymmetricView<double> gram) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsOuterUpdate<Exec, Scalar>, "kernels::outer_update has no body for this executor and this scalar");
    expects(rows.extent(0) == gram.order(), "outer_update", "there must be as many rows as the order of the matrix", rows.extent(0), gram.order());
    if (rows.extent(1) > 0) { outer_update_on(exec, MatrixView<Scalar const>(rows), gram); }
  }
};
}  // namespace detail

/// K += H H^T, the lower triangle only, products and sums in float64: inner products of all pairs of rows, a range of columns at a time.
/// @param[in] rows H [n, p] float or double, host memory;  @param[in,out] gram [n, n] tiled
/// @throws ShapeError  when the number of rows is not the order
/// Cost: p * n^2 flop.  Deterministic for any number of threads.
inline constexpr detail::OuterUpdateFn outer_update{};

}  // namespace accrete::kernels
