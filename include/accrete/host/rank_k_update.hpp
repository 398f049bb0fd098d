#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/symmetric_update.hpp>
#include <accrete/kernels/outer_update.hpp>
#include <accrete/kernels/rank_k_update.hpp>

#include <algorithm>

namespace accrete::host {

namespace detail {
/// Rows (or columns) packed at a time: enough that the traffic of the matrix disappears behind the arithmetic.
inline constexpr Index packed_depth = 512;
}  // namespace detail

/// Sums in chunks of 512 rows, each chunk's rows in ascending order in float64.
template <class Products, class T>
void rank_k_update_on(HostExecutor<Products> const& exec, double sign, MatrixView<T const> rows, SymmetricView<double> gram) {
  for (Index first = 0; first < rows.extent(0); first += detail::packed_depth) {
    Index const count = std::min(detail::packed_depth, rows.extent(0) - first);
    Panels const x(exec.thread_count(), Sum::over_rows, RowsView<T const>(rows.slice(first, count)), TriangleTiles::edge / TriangleTiles::panel);
    symmetric_update(exec.thread_count(), sign, x, gram);
  }
}

template <class Products, class T>
void outer_update_on(HostExecutor<Products> const& exec, MatrixView<T const> rows, SymmetricView<double> gram) {
  for (Index first = 0; first < rows.extent(1); first += detail::packed_depth) {
    Index const count = std::min(detail::packed_depth, rows.extent(1) - first);
    Panels const x(exec.thread_count(), Sum::over_columns, columns(rows, first, count), TriangleTiles::edge / TriangleTiles::panel);
    symmetric_update(exec.thread_count(), 1.0, x, gram);
  }
}

}  // namespace accrete::host
