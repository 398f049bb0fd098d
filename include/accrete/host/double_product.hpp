#pragma once

#include <accrete/host/executor.hpp>
#include <accrete/host/micro_kernel.hpp>
#include <accrete/host/panels.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/kernels/double_product.hpp>

#include <algorithm>
#include <cstddef>

namespace accrete::host {

namespace detail {
/// Panels along one side of the results that one thread computes at a time: each is read from far away once for so many of the other side.
/// Small products are cut finer, so that every thread finds work; the bits do not depend on the cut.
inline Index product_side(int threads, Index down, Index across) {
  constexpr Index side = 4;
  return down * across >= side * side * 4 * threads ? side : 1;
}

struct ProductBlocks {};

/// Adds a block of results to where it belongs in y; what lies beyond y is padding.
inline void add_block(double const* block, Index p, Index q, MatrixView<double> y) {
  constexpr Index width = Panels::width;
  Index const rows = std::min(width, y.extent(0) - p * width);
  Index const across = std::min(width, y.extent(1) - q * width);
  for (Index i = 0; i < rows; ++i) {
    double* const to = y.data() + (p * width + i) * y.extent(1) + q * width;
    for (Index j = 0; j < across; ++j) { to[j] += block[i * width + j]; }
  }
}

/// y += sum_k a(k, i) b(k, j) for operands in panels, four by four blocks of 48 x 48 results per item.
inline void panel_product(int threads, Panels const& a, Panels const& b, MatrixView<double> y) {
  constexpr Index width = Panels::width;
  constexpr Index size = width * width;
  constexpr Index step = 128;
  Index const side = product_side(threads, a.count(), b.count());
  Index const down = (a.count() + side - 1) / side;
  Index const across = (b.count() + side - 1) / side;
  share_out(threads, down * across, [&](Index item) {
    Index const first_p = item / across * side;
    Index const first_q = item % across * side;
    Index const some_p = std::min(side, a.count() - first_p);
    Index const some_q = std::min(side, b.count() - first_q);
    double* const blocks = ThreadScratch<ProductBlocks>::get<double>(side * side * size);
    std::fill_n(blocks, side * side * size, 0.0);
    for (Index k = 0; k < a.depth(); k += step) {
      for (Index p = 0; p < some_p; ++p) {
        for (Index q = 0; q < some_q; ++q) {
          micro::multiply<double, 1>(width, width, std::min(step, a.depth() - k), 1.0, {a.panel(first_p + p, k), width}, {b.panel(first_q + q, k), width}, blocks + (p * side + q) * size, width);
        }
      }
    }
    for (Index p = 0; p < some_p; ++p) {
      for (Index q = 0; q < some_q; ++q) { add_block(blocks + (p * side + q) * size, first_p + p, first_q + q, y); }
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
