#pragma once

#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/kernels/elementwise.hpp>

#include <algorithm>

namespace accrete::host {

template <class Products, class T>
void fill_on(HostExecutor<Products> const& exec, VectorView<T> x, T value) {
  parallel_ranges(exec.thread_count(), x.extent(0), 1, [&](Index first, Index last) { std::fill(x.data() + first, x.data() + last, value); });
}

template <class Products, class T>
void add_on(HostExecutor<Products> const& exec, VectorView<T const> x, VectorView<T> y) {
  parallel_ranges(exec.thread_count(), x.extent(0), 1, [&](Index first, Index last) {
    T const* const from = x.data() + first;
    T* const to = y.data() + first;
    for_vectors<SumScalar<T>>(last - first, [&](Index c, auto lanes) { lanes.store(to + c, lanes.load(to + c) + lanes.load(from + c)); });
  });
}

template <class Products, class T>
void interpolate_on(HostExecutor<Products> const& exec, VectorView<T const> towards, T weight, VectorView<T> x) {
  parallel_ranges(exec.thread_count(), x.extent(0), 1, [&](Index first, Index last) {
    T const* const from = towards.data() + first;
    T* const to = x.data() + first;
    for_vectors<T>(last - first, [&](Index i, auto lanes) {
      auto const old = lanes.load(to + i);
      lanes.store(to + i, old + (lanes.load(from + i) - old) * weight);
    });
  });
}

}  // namespace accrete::host
