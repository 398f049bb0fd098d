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

[[nodiscard]] inline CublasLtWeights pack_on(DeviceExecutor<CudaSystem> const& exec, MatrixView<float const> weight, VectorView<float const> bias) { return {exec.precision, weight, bias}; }

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
