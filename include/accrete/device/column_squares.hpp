#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/column_sums.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/column_squares.hpp>

#include <string_view>

namespace accrete::device {

/// The squared sums of one column, one for each sample, added in ascending order. Neighbouring calls take neighbouring columns.
template <class Sum, class Term>
struct SquaredSumsOfColumn {
  Term term;
  Index samples;
  Index rows;  ///< of a sample
  Sum* squares;

  ACCRETE_HD void operator()(Index column) const {
    Term const& values = term;
    Sum total{};
    for (Index b = 0; b < samples; ++b) {
      Index const first = b * rows;
      Sum const sum = sum_of<Sum>(rows, [&values, first, column](Index i) { return values(first + i, column); });
      total += sum * sum;
    }
    squares[column] += total;
  }
};

template <class System, class T, class Sum>
void column_sum_squares_on(DeviceExecutor<System> const& exec, RowsView<T const> x, Index samples, VectorView<Sum> squares) {
  for_each_index(exec, "column_sum_squares", x.width, SquaredSumsOfColumn<Sum, ValueTerm<Sum, T>>{{x}, samples, x.rows / samples, squares.data()});
}

template <class System, class A, class B, class Sum>
void column_dot_squares_on(DeviceExecutor<System> const& exec, RowsView<A const> a, RowsView<B const> b, Index samples, VectorView<Sum> squares) {
  for_each_index(exec, "column_dot_squares", a.width, SquaredSumsOfColumn<Sum, DotTerm<Sum, A, B>>{{a, b}, samples, a.rows / samples, squares.data()});
}

}  // namespace accrete::device
