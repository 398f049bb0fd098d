#pragma once

// Needs nvcc. cuBLASLt multiplies; double goes through Thrust's blocks.

#include <accrete/device/cublaslt.cuh>
#include <accrete/device/cuda_system.cuh>
#include <accrete/device/weight_gradient.hpp>

#include <type_traits>

namespace accrete::device {

/// dW += dy^T x with float32 accumulation, dW float32, no TF32. To cuBLASLt, which counts down columns, it is dW^T += x^T dy.
class CublasLtWeightGradient {
 public:
  CublasLtWeightGradient(DeviceRows const& dy, DeviceRows const& x, DeviceRows const& dw) : dy_(dy), x_(x), dw_(dw), dy_layout_(dy.layout()), x_layout_(x.layout()), dw_layout_(dw.layout()) {
    check_cublaslt(cublasLtMatmulDescInit(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescInit");
    cublasOperation_t const turned = CUBLAS_OP_T;
    check_cublaslt(cublasLtMatmulDescSetAttribute(&operation_, CUBLASLT_MATMUL_DESC_TRANSB, &turned, sizeof turned), "cublasLtMatmulDescSetAttribute");
  }

  /// Queues the product. The same extents, strides and alignments always take the same algorithm.
  /// @throws DeviceError  when cuBLASLt refuses it
  void run(CublasLt const& library, cudaStream_t stream) {
    CublasLt::Key const key{x_.scalar, x_.rows, x_.width, dy_.width, x_.stride, dy_.stride, x_.alignment(), dy_.alignment() * 32 + dw_.alignment()};
    auto const algorithm = library.remembered(key, [&] {
      return chosen_algorithm(library.handle(), operation_, x_layout_, dy_layout_, dw_layout_, {x_.alignment(), dy_.alignment(), dw_.alignment()});
    });
    float const one = 1.0F;
    check_cublaslt(cublasLtMatmul(library.handle(), &operation_, &one, x_.data, &x_layout_, dy_.data, &dy_layout_, &one, dw_.data, &dw_layout_, dw_.data, &dw_layout_, &algorithm, nullptr, 0, stream),
                   "cublasLtMatmul");
  }

 private:
  DeviceRows dy_;
  DeviceRows x_;
  DeviceRows dw_;
  cublasLtMatrixLayoutOpaque_t dy_layout_;
  cublasLtMatrixLayoutOpaque_t x_layout_;
  cublasLtMatrixLayoutOpaque_t dw_layout_;
  cublasLtMatmulDescOpaque_t operation_;
};

template <class T>
void weight_gradient_on(DeviceExecutor<CudaSystem> const& exec, RowsView<T const> dy, RowsView<T const> x, MatrixView<SumScalar<T>> dw) {
  if constexpr (std::is_same_v<T, double>) {
    WeightGradientBlock<double, double> const block{dy, x, dw.data()};
    for_each_index(exec, "weight_gradient", block.count(), block);
  } else {
    auto const rows_of = [](RowsView<T const> rows) { return DeviceRows{const_cast<T*>(rows.data), std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF, rows.rows, rows.width, rows.stride}; };
    DeviceRows const to{dw.data(), CUDA_R_32F, dw.extent(0), dw.extent(1), dw.extent(1)};
    CublasLtWeightGradient(rows_of(dy), rows_of(x), to).run(*CublasLt::of_current_device(), exec.system.stream);
  }
}

}  // namespace accrete::device
