#pragma once

// Needs nvcc. One block for each tile of queries of a sequence and head, with memory that its threads share.

#include <accrete/device/attention.hpp>
#include <accrete/device/cuda_error.cuh>
#include <accrete/device/cuda_system.cuh>

#include <cuda_runtime.h>

namespace accrete::device {

/// Which queries a block works on.
struct AttentionTile {
  Index sequence;
  Index head;
  Index first_query;
};

/// The block's memory, as much as the launch asked for.
[[nodiscard]] __device__ inline float* shared_floats() {
  extern __shared__ float4 accrete_shared[];  // aligned for the widest access
  return reinterpret_cast<float*>(accrete_shared);
}

/// Blocks of one sequence and head are neighbours, so that its keys and values come out of the cache.
template <class Tiles>
__global__ void __launch_bounds__(Tiles::threads) attention_tiles_kernel(Index tiles_of_head, Tiles const work) {
  Index const head = static_cast<Index>(blockIdx.x) / tiles_of_head;
  work(AttentionTile{head / work.in.heads, head % work.in.heads, static_cast<Index>(blockIdx.x) % tiles_of_head * Tiles::rows}, shared_floats());
}

/// Queues `work` for all tiles, or returns false where this device cannot run it: too little memory in a block, or compiled for too old an architecture.
/// @tparam Tiles  threads, rows of queries and floats of shared memory of a block; what a block does
/// @throws DeviceError  when the launch fails
template <class Tiles>
[[nodiscard]] bool run_attention_tiles(DeviceExecutor<CudaSystem> const& exec, Tiles const& work) {
  constexpr int bytes = Tiles::shared_floats * static_cast<int>(sizeof(float));
  auto* const kernel = &attention_tiles_kernel<Tiles>;
  if constexpr (requires { Tiles::least_architecture; }) {
    cudaFuncAttributes attributes;
    check_cuda(cudaFuncGetAttributes(&attributes, kernel), "cudaFuncGetAttributes");
    if (attributes.ptxVersion < Tiles::least_architecture) { return false; }
  }
  if (cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return false;
  }
  Index const tiles = (work.in.queries() + Tiles::rows - 1) / Tiles::rows;
  auto const blocks = static_cast<unsigned>(tiles * work.in.batch * work.in.heads);
  exec.system.run("attention", [&] { kernel<<<blocks, Tiles::threads, bytes, exec.system.stream>>>(tiles, work); });
  return true;
}

}  // namespace accrete::device
