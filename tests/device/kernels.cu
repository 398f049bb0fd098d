// The checks of the device kernels once more, compiled by nvcc: on Thrust's plain loop, and on CUDA where there is a device.
#include <accrete/device/cuda.cuh>

#define ACCRETE_DEVICES accrete::DeviceExecutor<accrete::CppSystem>, accrete::DeviceExecutor<accrete::CudaSystem>

#include "attention.cpp"
#include "executor.cpp"
#include "gather.cpp"
#include "layer_norm.cpp"
#include "product.cpp"
#include "rank_k_update.cpp"
#include "rows.cpp"
#include "tokens.cpp"

namespace accrete::test::kernels_test {

TEST_CASE("without a device, CUDA's memory is refused with CUDA's own words") {
  if (CudaSystem::available()) { return; }
  CHECK_THROWS_AS((Vector<float, CudaSystem::Memory>({4})), DeviceError);
  try {
    (Vector<float, CudaSystem::Memory>({4}));
  } catch (DeviceError const& error) {
    CHECK(std::string(error.what()).rfind("cudaMalloc: ", 0) == 0);
    CHECK(std::string(error.what()).find("cuda_memory.cuh:") != std::string::npos);
  }
}

}  // namespace accrete::test::kernels_test
