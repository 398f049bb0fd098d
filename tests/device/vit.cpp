#include "support/vit_checks.hpp"

#include <accrete/device/device.hpp>

#include <doctest/doctest.h>

namespace accrete::test::vit_test {
namespace {

template <class Exec>
Exec in_bfloat16() {
  Exec exec{};
  exec.precision = Precision::bfloat16;
  return exec;
}
}  // namespace

TEST_CASE("golden networks on Thrust with OpenMP, in float32 and bfloat16") {
  check_golden_networks(DeviceExecutor<OmpSystem>{});
  check_golden_networks(in_bfloat16<DeviceExecutor<OmpSystem>>());
}

TEST_CASE("golden networks on Thrust's plain loop, in float32 and bfloat16") {
  check_golden_networks(DeviceExecutor<CppSystem>{});
  check_golden_networks(in_bfloat16<DeviceExecutor<CppSystem>>());
}

TEST_CASE("golden prefixes and prompts on Thrust with OpenMP, in float32 and bfloat16") {
  check_golden_prompts(DeviceExecutor<OmpSystem>{});
  check_golden_prompts(in_bfloat16<DeviceExecutor<OmpSystem>>());
}

TEST_CASE("on Thrust an image's feature has the same bits in any batch, order and number of threads") {
  auto const network = network_case("plain");
  auto const vit = Vit<>::load(network.weights, network.options());
  for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
    std::vector<DeviceExecutor<OmpSystem>> executors;
    for (int const threads : {1, 2, 3}) { executors.push_back({.precision = precision, .system = {.threads = threads}}); }
    check_same_bits(vit, executors);
  }
}

}  // namespace accrete::test::vit_test
