#include "support/compare.hpp"
#include "support/device.hpp"

#include <accrete/kernels/gather.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace accrete::test::gather_test {
namespace {

Vector<Index> picked() {
  Vector<Index> index({6});
  Index const values[] = {4, 0, 4, 2, 6, 4};
  std::copy(std::begin(values), std::end(values), index.begin());
  return index;
}

template <class T, class Exec>
void check_gather(Exec const& exec) {
  auto const table = normal<T>(50, Shape<2>{7, 5});
  auto const index = picked();
  auto const table_there = on_device(exec, table);
  auto const index_there = on_device(exec, index);
  Matrix<T, typename Exec::Memory> out({6, 5});
  kernels::gather(exec, table_there.view(), index_there.view(), out.view());
  CHECK(same_bits(on_host(exec, out), chosen_rows(table, {index.begin(), index.end()})));
}

template <class T, class Sum, class Exec>
void check_scatter_add(Exec const& exec) {
  auto const rows = normal<T>(51, Shape<2>{6, 5});
  auto const before = normal<Sum>(52, Shape<2>{7, 5});
  auto const index = picked();
  auto want = before;
  for (Index i = 0; i < 6; ++i) {
    for (Index j = 0; j < 5; ++j) { want(index(i), j) += static_cast<Sum>(rows(i, j)); }
  }
  auto const rows_there = on_device(exec, rows);
  auto const index_there = on_device(exec, index);
  auto table = on_device(exec, before);
  kernels::scatter_add(exec, rows_there.view(), index_there.view(), table.view());
  CHECK(same_bits(on_host(exec, table), want));  // ascending rows: the order of the sum is part of the contract
}
}  // namespace

TEST_CASE_TEMPLATE("a device gather copies rows, repeated ones too", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  check_gather<float>(exec);
  check_gather<double>(exec);
}

TEST_CASE_TEMPLATE("a device scatter adds rows in ascending order", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  check_scatter_add<float, float>(exec);
  check_scatter_add<float, double>(exec);
  check_scatter_add<double, double>(exec);
}

}  // namespace accrete::test::gather_test
