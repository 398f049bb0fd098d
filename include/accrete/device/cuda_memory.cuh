#pragma once

// Needs nvcc's toolkit: memory of a CUDA device.

#include <accrete/device/cuda_error.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>

namespace accrete::device {

/// Plain memory of the current CUDA device. Taking and giving back wait for the device, so hot paths keep theirs (core/scratch.hpp).
struct CudaMemory {
  /// @throws DeviceError  when there is none left, or no device
  [[nodiscard]] static void* allocate(std::size_t bytes) {
    void* pointer = nullptr;
    check_cuda(cudaMalloc(&pointer, bytes), "cudaMalloc");
    return pointer;
  }
  static void release(void* pointer, std::size_t /*bytes*/) noexcept {
    if (cudaFree(pointer) != cudaSuccess) { static_cast<void>(cudaGetLastError()); }  // a destructor: the next wait tells what went wrong
  }
};

/// Memory that follows a stream: taken when the work before it is done, free again after the work that uses it.
class StreamMemory {
 public:
  /// @throws DeviceError  when there is none left
  StreamMemory(std::size_t bytes, cudaStream_t stream) : stream_(stream) { check_cuda(cudaMallocAsync(&pointer_, bytes, stream), "cudaMallocAsync"); }
  StreamMemory(StreamMemory const&) = delete;
  StreamMemory& operator=(StreamMemory const&) = delete;
  ~StreamMemory() {
    if (cudaFreeAsync(pointer_, stream_) != cudaSuccess) { static_cast<void>(cudaGetLastError()); }
  }

  [[nodiscard]] void* data() const { return pointer_; }

 private:
  void* pointer_ = nullptr;
  cudaStream_t stream_;
};

}  // namespace accrete::device
