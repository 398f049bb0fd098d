#pragma once

// Needs nvcc. cuBLASLt multiplies and adds the bias; its GELU is the tanh form and its ReLU drops a NaN, so activations are a pass of their own.

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/cublaslt_weights.cuh>
#include <accrete/device/cuda_system.cuh>
#include <accrete/device/for_each_index.hpp>
#include <accrete/device/product.hpp>
#include <accrete/device/warp.cuh>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>

namespace accrete::device {

/// One row of y = act(u), or y += u, by one warp; u [rows, width] without gaps or y itself.
template <class Y>
struct FinishedRow {
  RowsView<float const> u;
  kernels::Epilogue epilogue;
  RowsView<Y> y;

  __device__ void operator()(Index row) const {
    float const* const from = u.data + row * u.stride;
    Y* const to = y.data + row * y.stride;
    for (Index i = threadIdx.x % warp_lanes; i < u.width; i += warp_lanes) {
      float const finished = activated(epilogue.activation, from[i]);
      to[i] = converted<Y>(epilogue.accumulate ? converted<float>(to[i]) + finished : finished);
    }
  }
};

/// One weight as it is multiplied, out of the matrix as it was given.
template <class T>
struct PackedElement {
  float const* given;
  Index inputs;
  Index step;    ///< elements from one output's weights to the next one's
  Index stride;  ///< elements from one input's weight to the next one's
  T* packed;     ///< [out, in]

  ACCRETE_HD void operator()(Index element) const { packed[element] = converted<T>(given[element / inputs * step + element % inputs * stride]); }
};

/// Queues the values' way to the device, then turns or rounds them there. The memory they come from may be used again when this returns.
inline void repack_on(DeviceExecutor<CudaSystem> const& exec, MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order, CublasLtWeights& packed) {
  auto const bytes = static_cast<std::size_t>(weight.size()) * sizeof(float);
  auto const memory = exec.system.borrow(bytes);
  auto* const given = static_cast<float*>(memory.data());
  exec.system.copy_in(given, weight.data(), bytes);
  if (packed.has_bias()) { exec.system.copy_in(packed.bias(), bias.data(), static_cast<std::size_t>(bias.size()) * sizeof(float)); }
  bool const by_output = order == kernels::WeightOrder::output_rows;
  Index const step = by_output ? packed.inputs() : 1;
  Index const stride = by_output ? 1 : packed.outputs();
  if (packed.precision() == Precision::float32) {
    for_each_index(exec, "pack", weight.size(), PackedElement<float>{given, packed.inputs(), step, stride, packed.wide()});
  } else {
    for_each_index(exec, "pack", weight.size(), PackedElement<bfloat16>{given, packed.inputs(), step, stride, packed.narrow()});
  }
  exec.wait();  // pinned memory is read while the caller goes on
}

/// Waits, so that any stream may use the weights.
[[nodiscard]] inline CublasLtWeights pack_on(DeviceExecutor<CudaSystem> const& exec, MatrixView<float const> weight, VectorView<float const> bias, kernels::WeightOrder order) {
  expect_packable(exec.precision);
  CublasLtWeights packed(exec.precision, kernels::detail::outputs_of(weight.shape(), order), kernels::detail::inputs_of(weight.shape(), order), !bias.empty());
  repack_on(exec, weight, bias, order, packed);
  return packed;
}

/// float results are computed in place; bfloat16 ones pass through float memory of the stream, so that they are rounded once. They
/// go so many rows at a time, so that what is written between two kernels is still in the cache when it is read.
template <class X, class Y>
  requires ProductScalars<X, Y>
void product_on(DeviceExecutor<CudaSystem> const& exec, RowsView<X const> x, CublasLtWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  expect_packed_for<X>(packed.precision());
  cudaStream_t const stream = exec.system.stream;
  auto const rows_of = [&](Index first, Index rows) { return DeviceRows{const_cast<X*>(x.row(first)), std::is_same_v<X, float> ? CUDA_R_32F : CUDA_R_16BF, rows, x.width, x.stride}; };
  if constexpr (std::is_same_v<Y, float>) {
    packed.multiply(rows_of(0, x.rows), DeviceRows{y.data, CUDA_R_32F, y.rows, y.width, y.stride}, epilogue.accumulate, stream);
    if (epilogue.activation != kernels::Activation::none) { for_each_row(exec, "product", y.rows, FinishedRow<Y>{y, epilogue, y}); }
  } else {
    constexpr Index cached_floats = 6 * 1024 * 1024;  // half of an H100's second cache
    Index const most = std::clamp<Index>(cached_floats / y.width, 1, y.rows);
    auto const memory = exec.system.borrow(static_cast<std::size_t>(most * y.width) * sizeof(float));
    auto* const sums = static_cast<float*>(memory.data());
    for (Index first = 0; first < y.rows; first += most) {
      Index const rows = std::min(most, y.rows - first);
      packed.multiply(rows_of(first, rows), DeviceRows{sums, CUDA_R_32F, rows, y.width, y.width}, false, stream);
      for_each_row(exec, "product", rows, FinishedRow<Y>{RowsView<float const>(sums, rows, y.width, y.width), epilogue, RowsView<Y>(y.row(first), rows, y.width, y.stride)});
    }
  }
}

}  // namespace accrete::device
