#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/weight_gradient.hpp>

#include <doctest/doctest.h>

namespace accrete::test::weight_gradient_test {
namespace {

template <class T, class Exec>
void check_weight_gradient(Exec const& exec, Index rows, Index outputs, Index inputs) {
  CAPTURE(outputs);
  CAPTURE(inputs);
  using Sum = SumScalar<T>;
  auto const dy = normal<T>(220, Shape<2>{rows, outputs + 3});
  auto const x = normal<T>(221, Shape<2>{rows, inputs});
  auto const before = normal<Sum>(222, Shape<2>{outputs, inputs});
  Matrix<double> want({outputs, inputs});
  for (Index i = 0; i < outputs; ++i) {
    for (Index j = 0; j < inputs; ++j) {
      want(i, j) = static_cast<double>(before(i, j));
      for (Index k = 0; k < rows; ++k) { want(i, j) += widened(dy(k, i + 2)) * widened(x(k, j)); }
    }
  }
  auto const dy_there = on_device(exec, dy);
  auto const x_there = on_device(exec, x);
  auto dw = on_device(exec, before);
  kernels::weight_gradient(exec, columns(dy_there.cview(), 2, outputs), RowsView<T const>(x_there.cview()), dw.view());
  CHECK(relative_difference(on_host(exec, dw), want) <= tolerance<Sum>(Kind::product));  // inputs are what the reference reads, so no scalar's rounding enters
  auto again = on_device(exec, before);
  kernels::weight_gradient(exec, columns(dy_there.cview(), 2, outputs), RowsView<T const>(x_there.cview()), again.view());
  CHECK(same_bits(on_host(exec, again), on_host(exec, dw)));
}
}  // namespace

TEST_CASE_TEMPLATE("a device weight gradient adds dy^T x", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const rows : {1, 65, 300}) {
    CAPTURE(rows);
    check_weight_gradient<float>(exec, rows, 1, 1);
    check_weight_gradient<float>(exec, rows, 8, 32);
    check_weight_gradient<float>(exec, rows, 13, 70);
    check_weight_gradient<float>(exec, rows, 48, 96);
    check_weight_gradient<bfloat16>(exec, rows, 13, 70);
    check_weight_gradient<bfloat16>(exec, rows, 48, 96);
    check_weight_gradient<double>(exec, rows, 13, 70);
  }
}

}  // namespace accrete::test::weight_gradient_test
