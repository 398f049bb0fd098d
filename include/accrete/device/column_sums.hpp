#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/column_sums.hpp>

#include <cstddef>
#include <string_view>

namespace accrete::device {

/// Rows that are summed in one call. A constant, so that the order of a sum follows from the number of rows alone.
inline constexpr Index summed_rows = 64;

/// The sum of one column over one chunk of rows. Neighbouring calls take neighbouring columns, so they read together.
template <class Sum, class Term>
struct ChunkOfColumn {
  Term term;
  Index rows;
  Index width;
  Sum* partial;

  ACCRETE_HD void operator()(Index item) const {
    Index const first = item / width * summed_rows;
    Index const column = item % width;
    Index const left = rows - first;
    Term const& values = term;
    partial[item] = sum_of<Sum>(left < summed_rows ? left : summed_rows, [&values, first, column](Index i) { return values(first + i, column); });
  }
};

/// The sum of one column's chunks, in ascending order of the lanes.
template <class Sum>
struct FoldedColumn {
  Sum const* partial;
  Index chunks;
  Index width;
  Sum* sums;

  ACCRETE_HD void operator()(Index column) const {
    Sum const* const from = partial + column;
    Index const stride = width;
    sums[column] += sum_of<Sum>(chunks, [from, stride](Index i) { return from[i * stride]; });
  }
};

/// sums[c] += sum over the rows of term(row, c).
template <class System, class Term, class Sum>
void add_column_sums(DeviceExecutor<System> const& exec, std::string_view kernel, Index rows, Index width, Term const& term, Sum* sums) {
  if (rows == 0 || width == 0) { return; }
  Index const chunks = (rows + summed_rows - 1) / summed_rows;
  auto const memory = exec.system.borrow(static_cast<std::size_t>(chunks * width) * sizeof(Sum));
  auto* const partial = static_cast<Sum*>(memory.data());
  for_each_index(exec, kernel, chunks * width, ChunkOfColumn<Sum, Term>{term, rows, width, partial});
  for_each_index(exec, kernel, width, FoldedColumn<Sum>{partial, chunks, width, sums});
}

template <class Sum, class T>
struct ValueTerm {
  RowsView<T const> x;

  [[nodiscard]] ACCRETE_HD Sum operator()(Index row, Index column) const { return converted<Sum>(x.data[row * x.stride + column]); }
};

template <class System, class T, class Sum>
void column_sums_on(DeviceExecutor<System> const& exec, RowsView<T const> x, VectorView<Sum> sums) {
  add_column_sums(exec, "column_sums", x.rows, x.width, ValueTerm<Sum, T>{x}, sums.data());
}

template <class Sum, class A, class B>
struct DotTerm {
  RowsView<A const> a;
  RowsView<B const> b;

  [[nodiscard]] ACCRETE_HD Sum operator()(Index row, Index column) const { return converted<Sum>(a.data[row * a.stride + column]) * converted<Sum>(b.data[row * b.stride + column]); }
};

template <class System, class A, class B, class Sum>
void column_dots_on(DeviceExecutor<System> const& exec, RowsView<A const> a, RowsView<B const> b, VectorView<Sum> sums) {
  add_column_sums(exec, "column_dots", a.rows, a.width, DotTerm<Sum, A, B>{a, b}, sums.data());
}

/// y = gain * x + offset, or y += that, element by element. x may be y.
template <class A, class B, class Sum>
struct ScaledElement {
  RowsView<A const> x;
  Sum const* gain;
  Sum const* offset;  ///< null where there is none
  RowsView<B> y;
  bool accumulate;

  ACCRETE_HD void operator()(Index element) const {
    Index const row = element / x.width;
    Index const column = element % x.width;
    Sum value = gain[column] * converted<Sum>(x.data[row * x.stride + column]);
    if (offset != nullptr) { value += offset[column]; }
    B& to = y.data[row * y.stride + column];
    to = converted<B>(accumulate ? converted<Sum>(to) + value : value);
  }
};

template <class System, class A, class B, class Sum>
void scale_columns_on(DeviceExecutor<System> const& exec, RowsView<A const> x, VectorView<Sum const> gain, VectorView<Sum const> offset, RowsView<B> y, bool accumulate) {
  for_each_index(exec, "scale_columns", x.rows * x.width, ScaledElement<A, B, Sum>{x, gain.data(), offset.empty() ? nullptr : offset.data(), y, accumulate});
}

}  // namespace accrete::device
