#pragma once

#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/row_chunks.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/kernels/column_sums.hpp>

namespace accrete::host {
namespace detail {
/// sums_c += sum over rows [first, last) of term(r, c, lanes), four rows for each visit of the sums.
template <class S, class Term>
void add_rows_to_columns(Index first, Index last, Index width, S* sums, Term const& term) {
  Index r = first;
  for (; r + 4 <= last; r += 4) {
    for_vectors<S>(width, [&](Index c, auto lanes) {
      auto const four = (term(r, c, lanes) + term(r + 1, c, lanes)) + (term(r + 2, c, lanes) + term(r + 3, c, lanes));
      lanes.store(sums + c, lanes.load(sums + c) + four);
    });
  }
  for (; r < last; ++r) {
    for_vectors<S>(width, [&](Index c, auto lanes) { lanes.store(sums + c, lanes.load(sums + c) + term(r, c, lanes)); });
  }
}
}  // namespace detail

template <class Products, class T>
void column_sums_on(HostExecutor<Products> const& exec, RowsView<T const> x, VectorView<SumScalar<T>> sums) {
  using S = SumScalar<T>;
  sum_row_chunks<S, 1>(exec.thread_count(), x.rows, x.width, {sums.data()}, [&](Index first, Index last, auto const& partial) {
    detail::add_rows_to_columns<S>(first, last, x.width, partial[0], [&](Index r, Index c, auto lanes) { return lanes.load(x.row(r) + c); });
  });
}

template <class Products, class A, class B>
void column_dots_on(HostExecutor<Products> const& exec, RowsView<A const> a, RowsView<B const> b, VectorView<SumScalar<A>> sums) {
  using S = SumScalar<A>;
  sum_row_chunks<S, 1>(exec.thread_count(), a.rows, a.width, {sums.data()}, [&](Index first, Index last, auto const& partial) {
    detail::add_rows_to_columns<S>(first, last, a.width, partial[0], [&](Index r, Index c, auto lanes) { return lanes.load(a.row(r) + c) * lanes.load(b.row(r) + c); });
  });
}

template <class Products, class A, class B>
void scale_columns_on(HostExecutor<Products> const& exec, RowsView<A const> x, VectorView<SumScalar<A> const> gain, VectorView<SumScalar<A> const> offset, RowsView<B> y, bool accumulate) {
  using S = SumScalar<A>;
  parallel_ranges(exec.thread_count(), x.rows, x.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      A const* const from = x.row(i);
      B* const to = y.row(i);
      for_vectors<S>(x.width, [&](Index c, auto lanes) {
        auto value = lanes.load(from + c) * lanes.load(gain.data() + c);
        if (!offset.empty()) { value += lanes.load(offset.data() + c); }
        if (accumulate) { value += lanes.load(to + c); }
        lanes.store(to + c, value);
      });
    }
  });
}

}  // namespace accrete::host
