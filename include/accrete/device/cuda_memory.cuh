#pragma once

// Needs nvcc's toolkit: memory of a CUDA device.

#include <accrete/device/cuda_error.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>

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

/// The current device's store for memory of the moment. It keeps what it got until the process ends: the runtime's own store gives
/// everything back whenever somebody waits, which would cost each pass through a network its allocations anew.
/// @throws DeviceError  when there is no device
[[nodiscard]] inline cudaMemPool_t stream_memory_store() {
  static std::mutex mutex;
  static std::map<int, cudaMemPool_t> stores;
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  std::lock_guard const lock(mutex);
  auto const known = stores.find(device);
  if (known != stores.end()) { return known->second; }
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device;
  cudaMemPool_t store = nullptr;
  check_cuda(cudaMemPoolCreate(&store, &properties), "cudaMemPoolCreate");
  auto kept = std::numeric_limits<std::uint64_t>::max();
  check_cuda(cudaMemPoolSetAttribute(store, cudaMemPoolAttrReleaseThreshold, &kept), "cudaMemPoolSetAttribute");
  stores.emplace(device, store);
  return store;
}

/// Memory that follows a stream: taken when the work before it is done, free again after the work that uses it.
class StreamMemory {
 public:
  /// @throws DeviceError  when there is none left
  StreamMemory(std::size_t bytes, cudaStream_t stream) : stream_(stream) { check_cuda(cudaMallocFromPoolAsync(&pointer_, bytes, stream_memory_store(), stream), "cudaMallocFromPoolAsync"); }
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
