#pragma once

// Needs nvcc. One block for each tile of rows of a sequence and head, with memory that its threads share.

#include <accrete/device/attention.hpp>
#include <accrete/device/cuda_error.cuh>
#include <accrete/device/cuda_system.cuh>

#include <cuda_runtime.h>

#include <string_view>

namespace accrete::device {

/// Which rows of its sequence, queries or keys, a block works on.
struct AttentionTile {
  Index sequence;
  Index head;
  Index first_row;
};

/// The block's memory, as much as the launch asked for.
[[nodiscard]] __device__ inline float* shared_floats() {
  extern __shared__ float4 accrete_shared[];  // aligned for the widest access
  return reinterpret_cast<float*>(accrete_shared);
}

/// Consecutive floats in one access.
template <int Count>
__device__ void take(float const* from, float (&to)[Count]) {
  static_assert(Count == 2 || Count == 4);
  if constexpr (Count == 4) {
    auto const all = *reinterpret_cast<float4 const*>(from);
    to[0] = all.x;
    to[1] = all.y;
    to[2] = all.z;
    to[3] = all.w;
  } else {
    auto const both = *reinterpret_cast<float2 const*>(from);
    to[0] = both.x;
    to[1] = both.y;
  }
}

/// Blocks of one sequence and head are neighbours, so that what they read comes out of the cache.
template <class Tiles>
__global__ void __launch_bounds__(Tiles::threads) attention_tiles_kernel(Index tiles_of_head, Index heads, Tiles const work) {
  Index const head = static_cast<Index>(blockIdx.x) / tiles_of_head;
  work(AttentionTile{head / heads, head % heads, static_cast<Index>(blockIdx.x) % tiles_of_head * Tiles::rows}, shared_floats());
}

/// Queues `work` for all tiles, or returns false where this device cannot run it: too little memory in a block, or compiled for too old an architecture.
/// @param rows    of a sequence
/// @tparam Tiles  threads, rows and floats of shared memory of a block; what a block does
/// @throws DeviceError  when the launch fails
template <class Tiles>
[[nodiscard]] bool run_attention_tiles(DeviceExecutor<CudaSystem> const& exec, std::string_view name, kernels::AttentionShape shape, Index rows, Tiles const& work) {
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
  Index const tiles = (rows + Tiles::rows - 1) / Tiles::rows;
  auto const blocks = static_cast<unsigned>(tiles * shape.batch * shape.heads);
  if (blocks > 0) {
    exec.system.run(name, [&] { kernel<<<blocks, Tiles::threads, bytes, exec.system.stream>>>(tiles, shape.heads, work); });
  }
  return true;
}

}  // namespace accrete::device
