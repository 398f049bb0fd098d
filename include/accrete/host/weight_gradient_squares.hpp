#pragma once

#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/threads.hpp>
#include <accrete/host/tile_product.hpp>
#include <accrete/host/weight_gradient.hpp>
#include <accrete/kernels/weight_gradient_squares.hpp>

#include <algorithm>
#include <cstddef>

namespace accrete::host {
namespace detail {
/// Rows of dy and x that are packed together: whole samples, as many as leave their panels in the second-level cache.
inline constexpr Index squares_depth = 512;

struct SquaredRows;

/// The squares of some rows, in the scalar of sums.
template <class S, class T>
void square_rows(int threads, RowsView<T const> from, S* to) {
  parallel_ranges(threads, from.rows, from.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      for_vectors<S>(from.width, [&](Index c, auto lanes) {
        auto const value = lanes.load(from.row(i) + c);
        lanes.store(to + i * from.width + c, value * value);
      });
    }
  });
}
}  // namespace detail

/// Samples of one row have (dy x)^2 = dy^2 x^2 for a gradient, so theirs is a product of squares. Longer ones go in chunks of some samples: their columns are copied to where register
/// tiles want them, each element of a sample's gradient is one chain of fused additions, and its square is added to the result in ascending order of the samples.
template <class Products, class T>
void weight_gradient_squares_on(HostExecutor<Products> const& exec, RowsView<T const> dy, RowsView<T const> x, Index samples, MatrixView<SumScalar<T>> squares) {
  using S = SumScalar<T>;
  Index const rows = dy.rows / samples;
  if (rows == 1) {
    S* const squared = ThreadScratch<detail::SquaredRows>::get<S>(samples * (dy.width + x.width));
    RowsView<S> const dy_squared(squared, samples, dy.width, dy.width);
    RowsView<S> const x_squared(squared + samples * dy.width, samples, x.width, x.width);
    detail::square_rows(exec.thread_count(), dy, dy_squared.data);
    detail::square_rows(exec.thread_count(), x, x_squared.data);
    return weight_gradient_on(exec, RowsView<S const>(dy_squared), RowsView<S const>(x_squared), squares);
  }
  constexpr Index worth_threads = Index{1} << 17;
  Index const together = std::max<Index>(1, detail::squares_depth / rows);
  for (Index first = 0; first < samples; first += together) {
    Index const count = std::min(together, samples - first);
    int const threads = count * rows * squares.size() < worth_threads ? 1 : exec.thread_count();
    detail::GradientChunk<T, TileResult::add_square> chunk(dy.width, x.width, count, rows);
    auto const own = [&](RowsView<T const> all) { return RowsView<T const>(all.row(first * rows), count * rows, all.width, all.stride); };
    chunk.pack(threads, own(dy), own(x));
    chunk.add_to(threads, squares);
  }
}

}  // namespace accrete::host
