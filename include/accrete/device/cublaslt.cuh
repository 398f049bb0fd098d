#pragma once

// Needs nvcc's toolkit. Thrust has no matrix product; this is the library's way into cuBLASLt.

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/device/cuda_error.cuh>

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <string_view>

namespace accrete::device {

/// @throws DeviceError  `call: cuBLAS's text (file:line)`
inline void check_cublaslt(cublasStatus_t status, std::string_view call, char const* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (status != CUBLAS_STATUS_SUCCESS) { fail<DeviceError>(call, cublasLtGetStatusString(status), " (", file, ':', line, ')'); }
}

/// One cuBLASLt context per device, alive while somebody holds it. Any number of threads may use one at once.
class CublasLt {
 public:
  /// @throws DeviceError  when there is no device or cuBLASLt cannot start
  [[nodiscard]] static std::shared_ptr<CublasLt const> of_current_device() {
    static std::mutex mutex;
    static std::map<int, std::weak_ptr<CublasLt const>> known;
    int device = 0;
    check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    std::lock_guard const lock(mutex);
    auto context = known[device].lock();
    if (!context) {
      context = std::shared_ptr<CublasLt const>(new CublasLt);
      known[device] = context;
    }
    return context;
  }

  CublasLt(CublasLt const&) = delete;
  CublasLt& operator=(CublasLt const&) = delete;
  ~CublasLt() { cublasLtDestroy(handle_); }

  [[nodiscard]] cublasLtHandle_t handle() const { return handle_; }

  /// What stands for everything that an algorithm was chosen by.
  using Key = std::array<Index, 8>;

  /// The algorithm chosen for `key`; `choose()` is asked the first time.
  template <class Choose>
  [[nodiscard]] cublasLtMatmulAlgo_t remembered(Key const& key, Choose const& choose) const {
    std::lock_guard const lock(mutex_);
    auto const known = algorithms_.find(key);
    return known != algorithms_.end() ? known->second : algorithms_.emplace(key, choose()).first->second;
  }

 private:
  CublasLt() { check_cublaslt(cublasLtCreate(&handle_), "cublasLtCreate"); }

  cublasLtHandle_t handle_ = nullptr;
  mutable std::mutex mutex_;
  mutable std::map<Key, cublasLtMatmulAlgo_t> algorithms_;
};

/// A matrix of rows in device memory. To cuBLASLt, which counts down columns, it is its own transpose.
struct DeviceRows {
  void* data;
  cudaDataType_t scalar;
  Index rows;
  Index width;
  Index stride;

  [[nodiscard]] Index scalar_bytes() const { return scalar == CUDA_R_16BF ? 2 : 4; }
  /// The largest power of two up to 16 that divides the addresses of all rows. It is the same for every range of rows of one
  /// matrix, since a range starts a multiple of the stride further on.
  [[nodiscard]] std::uint32_t alignment() const {
    auto const step = std::gcd(static_cast<std::uint64_t>(stride * scalar_bytes()), std::uint64_t{16});
    return static_cast<std::uint32_t>(std::gcd(reinterpret_cast<std::uintptr_t>(data), step));
  }
  [[nodiscard]] cublasLtMatrixLayoutOpaque_t layout() const {
    cublasLtMatrixLayoutOpaque_t made;
    check_cublaslt(cublasLtMatrixLayoutInit(&made, scalar, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(rows), stride), "cublasLtMatrixLayoutInit");
    return made;
  }
};

/// The library's first choice for a product C = A B + C, or C = A B: no split of the sum and no workspace, so that an element is
/// one sum in one order.
/// @param alignments  of A, B and C, in bytes
/// @throws DeviceError  when it has none
[[nodiscard]] inline cublasLtMatmulAlgo_t chosen_algorithm(cublasLtHandle_t handle, cublasLtMatmulDescOpaque_t& operation, cublasLtMatrixLayoutOpaque_t& a, cublasLtMatrixLayoutOpaque_t& b,
                                                           cublasLtMatrixLayoutOpaque_t& c, std::array<std::uint32_t, 3> const& alignments) {
  cublasLtMatmulPreferenceOpaque_t preference;
  check_cublaslt(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
  auto const prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto const& value) {
    check_cublaslt(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::size_t{0});
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments[0]);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments[1]);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments[2]);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments[2]);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  check_cublaslt(cublasLtMatmulAlgoGetHeuristic(handle, &operation, &a, &b, &c, &c, &preference, 1, &found, &count), "cublasLtMatmulAlgoGetHeuristic");
  if (count == 0) { fail<DeviceError>("cublasLtMatmulAlgoGetHeuristic", "no algorithm without workspace and split sums"); }
  return found.algo;
}

/// y = x W^T [+ y] [+ bias] with float32 accumulation; W [out, in] as x's scalar, y float32. No TF32.
/// The algorithm is asked for once, at a fixed number of rows, and then used for every number of rows: no split of the sum, no
/// workspace. An element is then the same sum in the same order whatever stands in the other rows.
class CublasLtProduct {
 public:
  CublasLtProduct(void const* weight, float const* bias, DeviceRows const& x, DeviceRows const& y, bool accumulate) : weight_(weight), beta_(accumulate ? 1.0F : 0.0F) {
    check_cublaslt(cublasLtMatmulDescInit(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescInit");
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    if (bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    DeviceRows const w{nullptr, x.scalar, y.width, x.width, x.width};
    weight_layout_ = w.layout();
    x_layout_ = x.layout();
    y_layout_ = y.layout();
  }

  /// The library's first choice for a nominal number of rows at the alignment of x and y.
  /// @throws DeviceError  when it has none
  [[nodiscard]] static cublasLtMatmulAlgo_t choose(cublasLtHandle_t handle, void const* weight, float const* bias, DeviceRows x, DeviceRows y, bool accumulate) {
    auto const x_alignment = x.alignment();
    auto const y_alignment = y.alignment();
    x.rows = nominal_rows;
    y.rows = nominal_rows;
    x.stride = padded(x.width, x_alignment, x.scalar_bytes());
    y.stride = padded(y.width, y_alignment, y.scalar_bytes());
    CublasLtProduct product(weight, bias, x, y, accumulate);
    DeviceRows const w{const_cast<void*>(weight), x.scalar, y.width, x.width, x.width};
    return chosen_algorithm(handle, product.operation_, product.weight_layout_, product.x_layout_, product.y_layout_, {w.alignment(), x_alignment, y_alignment});
  }

  /// Queues the product.
  /// @throws DeviceError  when cuBLASLt refuses it
  void run(cublasLtHandle_t handle, cublasLtMatmulAlgo_t const& algorithm, DeviceRows const& x, DeviceRows const& y, cudaStream_t stream) {
    float const alpha = 1.0F;
    check_cublaslt(cublasLtMatmul(handle, &operation_, &alpha, weight_, &weight_layout_, x.data, &x_layout_, &beta_, y.data, &y_layout_, y.data, &y_layout_, &algorithm, nullptr, 0, stream),
                   "cublasLtMatmul");
  }

 private:
  static constexpr Index nominal_rows = 2048;  // what a block of the trunk works on at once

  [[nodiscard]] static Index padded(Index width, std::uint32_t alignment, Index scalar_bytes) {
    Index const step = alignment > scalar_bytes ? static_cast<Index>(alignment) / scalar_bytes : 1;
    return (width + step - 1) / step * step;
  }

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, Value const& value) {
    check_cublaslt(cublasLtMatmulDescSetAttribute(&operation_, attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  }

  void const* weight_;
  float beta_;
  cublasLtMatmulDescOpaque_t operation_;
  cublasLtMatrixLayoutOpaque_t weight_layout_;
  cublasLtMatrixLayoutOpaque_t x_layout_;
  cublasLtMatrixLayoutOpaque_t y_layout_;
};

}  // namespace accrete::device
