#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/column_sums.hpp>

#include <doctest/doctest.h>

namespace accrete::test::column_sums_test {
namespace {

constexpr Index row_counts[] = {1, 63, 64, 65, 700};  // one chunk, several, a broken one

template <class A, class B, class Exec>
void check_sums(Exec const& exec, Index rows) {
  CAPTURE(rows);
  using Sum = SumScalar<A>;
  auto const a = normal<A>(210, Shape<2>{rows, 21});
  auto const b = normal<B>(211, Shape<2>{rows, 10});
  auto const before = normal<Sum>(212, Shape<1>{10});
  Vector<double> sum({10});
  Vector<double> dot({10});
  for (Index j = 0; j < 10; ++j) {
    sum(j) = dot(j) = static_cast<double>(before(j));
    for (Index i = 0; i < rows; ++i) {
      sum(j) += widened(a(i, 7 + j));
      dot(j) += widened(a(i, 7 + j)) * widened(b(i, j));
    }
  }
  auto const a_there = on_device(exec, a);
  auto const b_there = on_device(exec, b);
  auto sums = on_device(exec, before);
  auto dots = on_device(exec, before);
  kernels::column_sums(exec, columns(a_there.cview(), 7, 10), sums.view());
  kernels::column_dots(exec, columns(a_there.cview(), 7, 10), RowsView<B const>(b_there.cview()), dots.view());
  CHECK(relative_difference(on_host(exec, sums), sum) <= tolerance<Sum>(Kind::sum));
  CHECK(relative_difference(on_host(exec, dots), dot) <= tolerance<Sum>(Kind::sum));
}

template <class A, class B, class Exec>
void check_scale(Exec const& exec, bool with_offset, bool accumulate) {
  using Sum = SumScalar<A>;
  auto const x = normal<A>(213, Shape<2>{11, 10});
  auto const gain = normal<Sum>(214, Shape<1>{10});
  auto const offset = normal<Sum>(215, Shape<1>{with_offset ? 10 : 0});
  auto const before = normal<B>(216, Shape<2>{11, 17});
  Matrix<double> want({11, 17});
  for (Index i = 0; i < 11; ++i) {
    for (Index j = 0; j < 17; ++j) {
      want(i, j) = widened(before(i, j));
      if (j < 5 || j >= 15) { continue; }
      double const value = static_cast<double>(gain(j - 5)) * widened(x(i, j - 5)) + (with_offset ? static_cast<double>(offset(j - 5)) : 0.0);
      want(i, j) = accumulate ? want(i, j) + value : value;
    }
  }
  auto const x_there = on_device(exec, x);
  auto const gain_there = on_device(exec, gain);
  auto const offset_there = on_device(exec, offset);
  auto y = on_device(exec, before);
  kernels::scale_columns(exec, RowsView<A const>(x_there.cview()), gain_there.cview(), offset_there.cview(), columns(y.view(), 5, 10), accumulate);
  CHECK(relative_difference(on_host(exec, y), want) <= tolerance<B>(Kind::elementwise));
}
}  // namespace

TEST_CASE_TEMPLATE("device column sums and dots are those of a plain loop", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const rows : row_counts) {
    check_sums<float, float>(exec, rows);
    check_sums<bfloat16, float>(exec, rows);
    check_sums<float, bfloat16>(exec, rows);
    check_sums<bfloat16, bfloat16>(exec, rows);
    check_sums<double, double>(exec, rows);
  }
}

TEST_CASE_TEMPLATE("columns are scaled and shifted, with and without what stood there", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (bool const with_offset : {false, true}) {
    for (bool const accumulate : {false, true}) {
      check_scale<float, float>(exec, with_offset, accumulate);
      check_scale<float, bfloat16>(exec, with_offset, accumulate);
      check_scale<bfloat16, float>(exec, with_offset, accumulate);
      check_scale<bfloat16, bfloat16>(exec, with_offset, accumulate);
      check_scale<double, double>(exec, with_offset, accumulate);
    }
  }
}

}  // namespace accrete::test::column_sums_test
