#pragma once

#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/column_sums.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/threads.hpp>
#include <accrete/kernels/column_squares.hpp>

#include <algorithm>

namespace accrete::host {
namespace detail {
struct SampleSums;

/// squares_c += sum over the samples of the square of the sum of term(r, c, lanes) over the sample's rows; a sample's sum is one thread's, the samples are added in ascending order.
template <class S, class Term>
void add_sample_squares(int threads, Index samples, Index rows, Index width, S* squares, Term const& term) {
  S* const sums = ThreadScratch<SampleSums>::get<S>(samples * width);
  parallel_ranges(threads, samples, rows * width, [&](Index first, Index last) {
    std::fill_n(sums + first * width, (last - first) * width, S{});
    for (Index b = first; b < last; ++b) { add_rows_to_columns<S>(b * rows, (b + 1) * rows, width, sums + b * width, term); }
  });
  parallel_ranges(threads, width, samples, [&](Index first, Index last) {
    for (Index b = 0; b < samples; ++b) {
      S const* const from = sums + b * width;
      for (Index c = first; c < last; ++c) { squares[c] += from[c] * from[c]; }
    }
  });
}
}  // namespace detail

template <class Products, class T>
void column_sum_squares_on(HostExecutor<Products> const& exec, RowsView<T const> x, Index samples, VectorView<SumScalar<T>> squares) {
  detail::add_sample_squares(exec.thread_count(), samples, x.rows / samples, x.width, squares.data(), [&](Index r, Index c, auto lanes) { return lanes.load(x.row(r) + c); });
}

template <class Products, class A, class B>
void column_dot_squares_on(HostExecutor<Products> const& exec, RowsView<A const> a, RowsView<B const> b, Index samples, VectorView<SumScalar<A>> squares) {
  detail::add_sample_squares(exec.thread_count(), samples, a.rows / samples, a.width, squares.data(),
                             [&](Index r, Index c, auto lanes) { return lanes.load(a.row(r) + c) * lanes.load(b.row(r) + c); });
}

}  // namespace accrete::host
