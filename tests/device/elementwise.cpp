#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/elementwise.hpp>

#include <doctest/doctest.h>

#include <type_traits>

namespace accrete::test::elementwise_test {
namespace {

template <class T, class Exec>
void check_elementwise(Exec const& exec, T value) {
  auto const x = normal<T>(230, Shape<1>{101});
  auto const before = normal<T>(231, Shape<1>{101});
  Vector<double> want({101});
  for (Index i = 0; i < 101; ++i) { want(i) = widened(x(i)) + widened(before(i)); }
  auto const x_there = on_device(exec, x);
  auto y = on_device(exec, before);
  kernels::add(exec, x_there.cview(), y.view());
  CHECK(relative_difference(on_host(exec, y), want) <= tolerance<T>(Kind::elementwise));
  if constexpr (!std::is_same_v<T, bfloat16>) {
    auto between = on_device(exec, before);
    kernels::interpolate(exec, x_there.cview(), 0.25, between.view());
    for (Index i = 0; i < 101; ++i) { want(i) = 0.25 * widened(x(i)) + 0.75 * widened(before(i)); }
    CHECK(relative_difference(on_host(exec, between), want) <= tolerance<T>(Kind::elementwise));
  }
  kernels::fill(exec, y.view(), value);
  for (T const element : on_host(exec, y)) { CHECK(element == value); }
}
}  // namespace

TEST_CASE_TEMPLATE("a device adds, fills and goes between vectors element by element", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  check_elementwise<float>(exec, 2.5F);
  check_elementwise<double>(exec, -0.1);
  check_elementwise<bfloat16>(exec, to_bfloat16(3.0F));
}

}  // namespace accrete::test::elementwise_test
