// Whole networks on CUDA, where there is a device: the golden values, and the same bits in any batch.
#include "support/vit_checks.hpp"

#include <accrete/device/cuda.cuh>

#include <doctest/doctest.h>

namespace {
using namespace accrete;
using namespace accrete::test;
using Cuda = DeviceExecutor<CudaSystem>;
}  // namespace

TEST_CASE("golden networks on CUDA, in float32 and bfloat16") {
  if (!CudaSystem::available()) { return; }
  check_golden_networks(Cuda{});
  check_golden_networks(Cuda{.precision = Precision::bfloat16});
}

TEST_CASE("golden prefixes and prompts on CUDA, in float32 and bfloat16") {
  if (!CudaSystem::available()) { return; }
  check_golden_prompts(Cuda{});
  check_golden_prompts(Cuda{.precision = Precision::bfloat16});
}

TEST_CASE("on CUDA an image's feature has the same bits in any batch and order") {
  if (!CudaSystem::available()) { return; }
  auto const network = network_case("plain");
  auto const vit = Vit<>::load(network.weights, network.options());
  for (Precision const precision : {Precision::float32, Precision::bfloat16}) { check_same_bits(vit, std::vector<Cuda>{{.precision = precision}}); }
}
