#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/kernels/gather.hpp>

#include <algorithm>

namespace accrete::host {

template <class Products, class T>
void gather_on(HostExecutor<Products> const& exec, MatrixView<T const> table, VectorView<Index const> index, MatrixView<T> out) {
  Index const width = table.extent(1);
  parallel_ranges(exec.thread_count(), index.extent(0), width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      ACCRETE_ASSERT(index[i] >= 0 && index[i] < table.extent(0));
      std::copy_n(table.data() + index[i] * width, width, out.data() + i * width);
    }
  });
}

/// Threads share the columns, not the rows, so that every sum is taken in ascending order of the rows.
template <class Products, class T, class Sum>
void scatter_add_on(HostExecutor<Products> const& exec, MatrixView<T const> rows, VectorView<Index const> index, MatrixView<Sum> table) {
  Index const width = table.extent(1);
  parallel_ranges(exec.thread_count(), width, rows.extent(0), [&](Index first, Index last) {
    for (Index i = 0; i < rows.extent(0); ++i) {
      ACCRETE_ASSERT(index[i] >= 0 && index[i] < table.extent(0));
      T const* const from = rows.data() + i * width;
      Sum* const to = table.data() + index[i] * width;
      for (Index c = first; c < last; ++c) { to[c] += static_cast<Sum>(from[c]); }
    }
  });
}

}  // namespace accrete::host
