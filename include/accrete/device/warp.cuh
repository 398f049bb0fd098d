#pragma once

// Needs nvcc: lanes of a warp exchange registers, which Thrust has no word for.

#include <accrete/core/tensor.hpp>
#include <accrete/device/cuda_system.cuh>

#include <cuda_runtime.h>

#include <string_view>

namespace accrete::device {

inline constexpr int warp_lanes = 32;
inline constexpr unsigned all_lanes = 0xFFFFFFFFU;

/// The sum over `Lanes` neighbouring lanes, in every one of them and in one order: both sides of an exchange add the same two numbers.
template <int Lanes = warp_lanes, class T>
[[nodiscard]] __device__ T sum_of_lanes(T value) {
  for (int distance = Lanes / 2; distance > 0; distance /= 2) { value += __shfl_xor_sync(all_lanes, value, distance); }
  return value;
}

/// The largest over `Lanes` neighbouring lanes; a NaN loses.
template <int Lanes = warp_lanes, class T>
[[nodiscard]] __device__ T largest_of_lanes(T value) {
  for (int distance = Lanes / 2; distance > 0; distance /= 2) {
    T const other = __shfl_xor_sync(all_lanes, value, distance);
    value = other > value ? other : value;
  }
  return value;
}

/// The sum of term(i) for i in [0, count), in every lane: each lane adds its own in ascending order, then the lanes are added.
template <class Sum, class Term>
[[nodiscard]] __device__ Sum warp_sum_of(Index count, Term const& term) {
  Sum sum{};
  for (Index i = threadIdx.x % warp_lanes; i < count; i += warp_lanes) { sum += term(i); }
  return sum_of_lanes(sum);
}

template <class Work>
__global__ void for_each_row_kernel(Index rows, Work work) {
  Index const row = static_cast<Index>(blockIdx.x) * (blockDim.x / warp_lanes) + threadIdx.x / warp_lanes;
  if (row < rows) { work(row); }
}

/// Calls `work(row)` for every row in [0, rows), each with one whole warp. Which warp it is makes no difference to the result.
/// @param kernel  named in the message when the launch fails
/// @throws DeviceError  when the launch fails
template <class Work>
void for_each_row(DeviceExecutor<CudaSystem> const& exec, std::string_view kernel, Index rows, Work const& work) {
  constexpr int rows_of_block = 4;
  if (rows == 0) { return; }
  auto const blocks = static_cast<unsigned>((rows + rows_of_block - 1) / rows_of_block);
  exec.system.run(kernel, [&] { for_each_row_kernel<<<blocks, rows_of_block * warp_lanes, 0, exec.system.stream>>>(rows, work); });
}

}  // namespace accrete::device
