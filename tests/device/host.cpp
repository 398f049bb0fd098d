// What the device shares with the host to the bit.
#include "support/compare.hpp"
#include "support/device.hpp"

#include <accrete/host/eigen_products.hpp>
#include <accrete/host/host.hpp>
#include <accrete/kernels/dropout.hpp>

#include <doctest/doctest.h>

namespace accrete::test::host_test {
namespace {

template <class T, class Exec>
Matrix<T> dropped(Exec const& exec, Rng const& rng) {
  auto there = on_device(exec, normal<T>(290, Shape<2>{30, 41}));
  kernels::dropout(exec, rng, 0.3, columns(there.view(), 1, 37));
  return on_host(exec, there);
}
}  // namespace

TEST_CASE_TEMPLATE("a device drops the same elements as the host and scales the rest to the same bits", Exec, ACCRETE_DEVICES) {
  Rng const rng({.seed = 291, .purpose = Purpose::dropout, .task = 1, .epoch = 2, .object = 3});
  HostExecutor<EigenProducts> const host{.threads = 2};
  CHECK(same_bits(dropped<float>(Exec{}, rng), dropped<float>(host, rng)));
  CHECK(same_bits(dropped<double>(Exec{}, rng), dropped<double>(host, rng)));
  CHECK(same_bits(dropped<bfloat16>(Exec{}, rng), dropped<bfloat16>(host, rng)));
}

}  // namespace accrete::test::host_test
