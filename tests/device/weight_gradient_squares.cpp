#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/column_squares.hpp>
#include <accrete/kernels/weight_gradient_squares.hpp>

#include <doctest/doctest.h>

namespace accrete::test::weight_gradient_squares_test {
namespace {

template <class T, class Exec>
void check_squares(Exec const& exec, Index samples, Index rows, Index outputs, Index inputs) {
  CAPTURE(samples);
  CAPTURE(outputs);
  CAPTURE(inputs);
  using Sum = SumScalar<T>;
  auto const dy = normal<T>(230, Shape<2>{samples * rows, outputs + 3});
  auto const x = normal<T>(231, Shape<2>{samples * rows, inputs});
  auto const before = normal<Sum>(232, Shape<2>{outputs, inputs});
  auto const row = normal<Sum>(233, Shape<1>{inputs});
  Matrix<double> want({outputs, inputs});
  Vector<double> sums({inputs});
  Vector<double> dots({inputs});
  for (Index j = 0; j < inputs; ++j) {
    sums(j) = dots(j) = static_cast<double>(row(j));
    for (Index i = 0; i < outputs; ++i) { want(i, j) = static_cast<double>(before(i, j)); }
    for (Index b = 0; b < samples; ++b) {
      double sum = 0.0;
      double dot = 0.0;
      for (Index k = b * rows; k < (b + 1) * rows; ++k) {
        sum += widened(x(k, j));
        dot += widened(x(k, j)) * widened(x(k, j));
      }
      sums(j) += sum * sum;
      dots(j) += dot * dot;
      for (Index i = 0; i < outputs; ++i) {
        double gradient = 0.0;
        for (Index k = b * rows; k < (b + 1) * rows; ++k) { gradient += widened(dy(k, i + 2)) * widened(x(k, j)); }
        want(i, j) += gradient * gradient;
      }
    }
  }
  auto const dy_there = on_device(exec, dy);
  auto const x_there = on_device(exec, x);
  RowsView<T const> const x_rows(x_there.cview());
  auto squares = on_device(exec, before);
  auto sums_there = on_device(exec, row);
  auto dots_there = on_device(exec, row);
  kernels::weight_gradient_squares(exec, columns(dy_there.cview(), 2, outputs), x_rows, samples, squares.view());
  kernels::column_sum_squares(exec, x_rows, samples, sums_there.view());
  kernels::column_dot_squares(exec, x_rows, x_rows, samples, dots_there.view());
  CHECK(relative_difference(on_host(exec, squares), want) <= tolerance<Sum>(Kind::product));
  CHECK(relative_difference(on_host(exec, sums_there), sums) <= tolerance<Sum>(Kind::sum));
  CHECK(relative_difference(on_host(exec, dots_there), dots) <= tolerance<Sum>(Kind::sum));
}
}  // namespace

TEST_CASE_TEMPLATE("a device squares gradients sample by sample", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const rows : {1, 5, 70}) {
    CAPTURE(rows);
    check_squares<float>(exec, 1, rows, 1, 1);
    check_squares<float>(exec, 4, rows, 13, 70);
    check_squares<bfloat16>(exec, 3, rows, 8, 32);
    check_squares<double>(exec, 3, rows, 13, 21);
  }
}

}  // namespace accrete::test::weight_gradient_squares_test
