#pragma once

#include <accrete/host/executor.hpp>
#include <accrete/host/micro_kernel.hpp>
#include <accrete/host/panels.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/kernels/double_product.hpp>

#include <algorithm>
#include <cstddef>

namespace accrete::host {

namespace detail {
/// y += sum_k a(k, i) b(k, j) for operands in panels, one block of 48 x 48 results per item.
inline void panel_product(int threads, Panels const& a, Panels const& b, MatrixView<double> y) {
  constexpr Index width = Panels::width;
  share_out(threads, a.count() * b.count(), [&](Index item) {
    Index const p = item / b.count();
    Index const q = item % b.count();
    alignas(64) double block[static_cast<std::size_t>(width * width)] = {};
    constexpr Index step = 256;
    for (Index k = 0; k < a.depth(); k += step) { micro::multiply<double, 1>(width, width, std::min(step, a.depth() - k), 1.0, {a.panel(p, k), width}, {b.panel(q, k), width}, block, width); }
    Index const rows = std::min(width, y.extent(0) - p * width);
    Index const across = std::min(width, y.extent(1) - q * width);
    for (Index i = 0; i < rows; ++i) {
      double* const to = y.data() + (p * width + i) * y.extent(1) + q * width;
      for (Index j = 0; j < across; ++j) { to[j] += block[i * width + j]; }
    }
  });
}

/// Summation indices packed at a time.
inline constexpr Index product_depth = 512;
}  // namespace detail

template <class Products, class A, class B>
void row_products_on(HostExecutor<Products> const& exec, MatrixView<A const> a, MatrixView<B const> b, MatrixView<double> y) {
  int const threads = exec.thread_count();
  for (Index first = 0; first < a.extent(1); first += detail::product_depth) {
    Index const depth = std::min(detail::product_depth, a.extent(1) - first);
    detail::panel_product(threads, Panels(threads, Sum::over_columns, columns(a, first, depth)), Panels(threads, Sum::over_columns, columns(b, first, depth)), y);
  }
}

template <class Products, class A, class B>
void column_products_on(HostExecutor<Products> const& exec, MatrixView<A const> a, MatrixView<B const> b, MatrixView<double> y) {
  int const threads = exec.thread_count();
  for (Index first = 0; first < a.extent(0); first += detail::product_depth) {
    Index const depth = std::min(detail::product_depth, a.extent(0) - first);
    detail::panel_product(threads, Panels(threads, Sum::over_rows, RowsView<A const>(a.slice(first, depth))), Panels(threads, Sum::over_rows, RowsView<B const>(b.slice(first, depth))), y);
  }
}

}  // namespace accrete::host
