#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/gather.hpp>

#include <concepts>

namespace accrete::device {

template <class T>
struct GatherElement {
  T const* table;
  Index const* index;
  Index width;
  T* out;

  ACCRETE_HD void operator()(Index element) const { out[element] = table[index[element / width] * width + element % width]; }
};

template <class System, std::floating_point T>
void gather_on(DeviceExecutor<System> const& exec, MatrixView<T const> table, VectorView<Index const> index, MatrixView<T> out) {
  for_each_index(exec, "gather", out.size(), GatherElement<T>{table.data(), index.data(), table.extent(1), out.data()});
}

/// One column of the table: all rows in ascending order. Neighbouring columns lie side by side, so threads read and write together.
template <class T, class Sum>
struct ScatterColumn {
  T const* rows;
  Index const* index;
  Index count;
  Index width;
  Sum* table;

  ACCRETE_HD void operator()(Index column) const {
    for (Index i = 0; i < count; ++i) { table[index[i] * width + column] += static_cast<Sum>(rows[i * width + column]); }
  }
};

template <class System, std::floating_point T, std::floating_point Sum>
void scatter_add_on(DeviceExecutor<System> const& exec, MatrixView<T const> rows, VectorView<Index const> index, MatrixView<Sum> table) {
  for_each_index(exec, "scatter_add", table.extent(1), ScatterColumn<T, Sum>{rows.data(), index.data(), rows.extent(0), table.extent(1), table.data()});
}

}  // namespace accrete::device
