#pragma once

// Needs nvcc. cuBLASLt multiplies and adds the bias; its GELU is the tanh form and its ReLU drops a NaN, so activations are a pass of Thrust.

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/cublaslt_weights.cuh>
#include <accrete/device/cuda_system.cuh>
#include <accrete/device/for_each_index.hpp>
#include <accrete/device/product.hpp>
#include <accrete/kernels/product.hpp>

#include <cstddef>
#include <type_traits>

namespace accrete::device {

/// One element of y = act(u), or y += u, u [rows, width] without gaps or y itself.
template <class Y>
struct FinishedElement {
  RowsView<float const> u;
  kernels::Epilogue epilogue;
  RowsView<Y> y;

  ACCRETE_HD void operator()(Index element) const {
    Index const row = element / u.width;
    Index const column = element % u.width;
    Y& to = y.data[row * y.stride + column];
    float const finished = activated(epilogue.activation, u.data[row * u.stride + column]);
    to = converted<Y>(epilogue.accumulate ? converted<float>(to) + finished : finished);
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

/// float results are computed in place; bfloat16 ones pass through float memory of the stream, so that they are rounded once.
template <class X, class Y>
  requires ProductScalars<X, Y>
void product_on(DeviceExecutor<CudaSystem> const& exec, RowsView<X const> x, CublasLtWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  expect_packed_for<X>(packed.precision());
  cudaStream_t const stream = exec.system.stream;
  DeviceRows const from{const_cast<X*>(x.data), std::is_same_v<X, float> ? CUDA_R_32F : CUDA_R_16BF, x.rows, x.width, x.stride};
  if constexpr (std::is_same_v<Y, float>) {
    packed.multiply(from, DeviceRows{y.data, CUDA_R_32F, y.rows, y.width, y.stride}, epilogue.accumulate, stream);
    if (epilogue.activation == kernels::Activation::none) { return; }
    for_each_index(exec, "product", y.rows * y.width, FinishedElement<Y>{y, epilogue, y});
  } else {
    StreamMemory const memory(static_cast<std::size_t>(y.rows * y.width) * sizeof(float), stream);
    auto* const sums = static_cast<float*>(memory.data());
    packed.multiply(from, DeviceRows{sums, CUDA_R_32F, y.rows, y.width, y.width}, false, stream);
    for_each_index(exec, "product", y.rows * y.width, FinishedElement<Y>{RowsView<float const>(sums, y.rows, y.width, y.width), epilogue, y});
  }
}

}  // namespace accrete::device
