#pragma once

// Needs nvcc: Thrust's CUDA backend launches kernels.

#include <accrete/device/cublaslt_weights.cuh>
#include <accrete/device/cuda_error.cuh>
#include <accrete/device/cuda_memory.cuh>
#include <accrete/device/executor.hpp>

#include <cuda_runtime_api.h>
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/system_error.h>

#include <cstddef>
#include <string_view>

namespace accrete::device {

/// Thrust on the current CUDA device, products by cuBLASLt. Kernels return when they are queued.
struct CudaSystem {
  cudaStream_t stream = nullptr;  ///< work is ordered by it; the caller's, who keeps it alive. Null: the default stream

  static constexpr std::string_view name = "device/cuda";
  using Memory = CudaMemory;
  using PackedWeights = CublasLtWeights;

  /// Whether this machine has a device that the driver can use.
  [[nodiscard]] static bool available() {
    int count = 0;
    bool const found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    static_cast<void>(cudaGetLastError());
    return found;
  }
  [[nodiscard]] auto policy() const { return thrust::cuda::par_nosync.on(stream); }
  /// @throws DeviceError  for work on the stream that failed
  void wait() const { check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); }

  /// Calls `work`, which queues one kernel.
  /// @throws DeviceError  when it cannot be launched
  template <class Work>
  void run(std::string_view kernel, Work const& work) const {
    try {
      work();
    } catch (thrust::system_error const& error) {
      static_cast<void>(cudaGetLastError());
      fail<DeviceError>(kernel, error.what());
    }
    check_cuda(cudaGetLastError(), kernel);
  }

  /// Memory for the moment: free again after the work queued while it is held.
  /// @throws DeviceError  when there is none left
  [[nodiscard]] StreamMemory borrow(std::size_t bytes) const { return {bytes, stream}; }

  /// @throws DeviceError  when the copy fails
  void copy_in(void* to, void const* from, std::size_t bytes) const { check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync to the device"); }
  /// Done when it returns.
  /// @throws DeviceError  when the copy, or work before it, fails
  void copy_out(void* to, void const* from, std::size_t bytes) const {
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync to the host");
    wait();
  }
};

}  // namespace accrete::device

namespace accrete {
using device::CudaSystem;
}  // namespace accrete
