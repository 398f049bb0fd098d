#pragma once

// Needs nvcc's toolkit: weights for cuBLASLt.

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/precision.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/device/cublaslt.cuh>
#include <accrete/device/cuda_memory.cuh>

#include <map>
#include <memory>
#include <mutex>
#include <tuple>

namespace accrete::device {

/// The weights of a product in device memory, in the precision they were packed for, with the algorithms chosen for them.
/// Copies share one storage; any number of threads may use it, on the device that was current when it was made.
class CublasLtWeights {
 public:
  CublasLtWeights() = default;
  /// The values are left as the memory came.
  /// @throws DeviceError  when the device has no room, or there is none
  CublasLtWeights(Precision precision, Index outputs, Index inputs, bool has_bias) : storage_(std::make_shared<Storage>(precision, outputs, inputs, has_bias)) {}

  [[nodiscard]] Index inputs() const { return storage_ ? storage_->inputs : 0; }
  [[nodiscard]] Index outputs() const { return storage_ ? storage_->outputs : 0; }
  [[nodiscard]] bool has_bias() const { return storage_ && !storage_->bias.empty(); }
  [[nodiscard]] Precision precision() const { return storage_ ? storage_->precision : Precision::float32; }

  /// Where the weights lie, [out, in], for all copies: float, or null for weights in bfloat16.
  [[nodiscard]] float* wide() { return storage_->wide.data(); }
  /// bfloat16, or null for weights in float32.
  [[nodiscard]] bfloat16* narrow() { return storage_->narrow.data(); }
  /// [out], or null where there is none.
  [[nodiscard]] float* bias() { return storage_->bias.data(); }

  /// Queues y = x W^T + b, or y += x W^T + b.
  /// @param[in] x [rows, in] in the packed precision;  @param[out] y [rows, out] float;  device memory
  /// @throws DeviceError  when cuBLASLt refuses it
  void multiply(DeviceRows const& x, DeviceRows const& y, bool accumulate, cudaStream_t stream) const {
    cublasLtMatmulAlgo_t const algorithm = storage_->algorithm(x, y, accumulate);
    CublasLtProduct(storage_->weight(), storage_->bias.data(), x, y, accumulate).run(storage_->library->handle(), algorithm, x, y, stream);
  }

 private:
  struct Storage {
    using Key = std::tuple<std::uint32_t, std::uint32_t, bool>;

    Precision precision;
    Index inputs;
    Index outputs;
    Matrix<float, CudaMemory> wide;  // one of the two is empty
    Matrix<bfloat16, CudaMemory> narrow;
    Vector<float, CudaMemory> bias;
    std::shared_ptr<CublasLt const> library = CublasLt::of_current_device();
    std::mutex mutex;
    std::map<Key, cublasLtMatmulAlgo_t> algorithms;

    Storage(Precision wanted, Index output_count, Index input_count, bool has_bias) : precision(wanted), inputs(input_count), outputs(output_count), bias({has_bias ? output_count : 0}) {
      if (precision == Precision::float32) {
        wide = Matrix<float, CudaMemory>({outputs, inputs});
      } else {
        narrow = Matrix<bfloat16, CudaMemory>({outputs, inputs});
      }
    }

    [[nodiscard]] void const* weight() const { return precision == Precision::float32 ? static_cast<void const*>(wide.data()) : narrow.data(); }

    [[nodiscard]] cublasLtMatmulAlgo_t algorithm(DeviceRows const& x, DeviceRows const& y, bool accumulate) {
      Key const key{x.alignment(), y.alignment(), accumulate};
      std::lock_guard const lock(mutex);
      auto const known = algorithms.find(key);
      if (known != algorithms.end()) { return known->second; }
      return algorithms.emplace(key, CublasLtProduct::choose(library->handle(), weight(), bias.data(), x, y, accumulate)).first->second;
    }
  };

  std::shared_ptr<Storage> storage_;
};

}  // namespace accrete::device
