#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsGather = requires(Exec const& exec, MatrixView<T const> table, VectorView<Index const> index, MatrixView<T> out) {
  gather_on(exec, table, index, out);
};
template <class Exec, class T, class Sum>
concept RunsScatterAdd = requires(Exec const& exec, MatrixView<T const> rows, VectorView<Index const> index, MatrixView<Sum> table) {
  scatter_add_on(exec, rows, index, table);
};

struct GatherFn {
  /// Indices lie in the executor's memory, so their range is the caller's promise.
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<MatrixView<T const>> table, VectorView<Index const> index, MatrixView<T> out) const {
    static_assert(RunsGather<Exec, T>, "kernels::gather has no body for this executor and this scalar");
    expects(out.extent(0) == index.extent(0) && out.extent(1) == table.extent(1), "gather", "out must be [indices, width]", out.extent(0), out.extent(1), index.extent(0), table.extent(1));
    gather_on(exec, table, index, out);
  }
};

struct ScatterAddFn {
  template <class Exec, class T, class Sum>
  void operator()(Exec const& exec, MatrixView<T> rows, VectorView<Index const> index, MatrixView<Sum> table) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsScatterAdd<Exec, Scalar, Sum>, "kernels::scatter_add has no body for this executor and these scalars");
    expects(rows.extent(0) == index.extent(0) && rows.extent(1) == table.extent(1), "scatter_add", "rows must be [indices, width]", rows.extent(0), rows.extent(1), index.extent(0), table.extent(1));
    scatter_add_on(exec, MatrixView<Scalar const>(rows), index, table);
  }
};
}  // namespace detail

/// out_i = table[index_i].
/// @param[in] table [M, D];  @param[in] index [n], each in [0, M);  @param[out] out [n, D];  float or double
inline constexpr detail::GatherFn gather{};

/// table[index_i] += rows_i, rows in ascending order, so the sums do not depend on threads.
/// @param[in] rows [n, D] float or double;  @param[in] index [n], each in [0, M);  @param[in,out] table [M, D] float or double
inline constexpr detail::ScatterAddFn scatter_add{};

}  // namespace accrete::kernels
