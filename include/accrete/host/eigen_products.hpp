#pragma once

#include <accrete/core/precision.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/eigen.hpp>
#include <accrete/host/epilogue.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace accrete::host {

/// Products by Eigen: builds everywhere.
/// Eigen's blocking, and with it the rounding, depends on the number of rows, so every call has the same: rows go in chunks of
/// a fixed size, the last one filled up with zeros. bfloat16 means here: input and weight rounded to bfloat16, multiplied and added in float32.
struct EigenProducts {
  static constexpr std::string_view name = "host/eigen";

  /// Weight and bias of a linear layer; copies share one memory.
  class PackedWeights {
   public:
    PackedWeights() = default;
    PackedWeights(MatrixView<float const> weight, VectorView<float const> bias, Precision precision) {
      auto storage = std::make_shared<Storage>(Storage{Matrix<float>(weight.shape()), Vector<float>(bias.shape()), precision});
      if (precision == Precision::bfloat16) {
        std::transform(weight.begin(), weight.end(), storage->weight.begin(), [](float w) { return to_float(to_bfloat16(w)); });
      } else {
        std::copy(weight.begin(), weight.end(), storage->weight.begin());
      }
      std::copy(bias.begin(), bias.end(), storage->bias.begin());
      storage_ = std::move(storage);
    }

    [[nodiscard]] Index inputs() const { return storage_ ? storage_->weight.extent(1) : 0; }
    [[nodiscard]] Index outputs() const { return storage_ ? storage_->weight.extent(0) : 0; }
    [[nodiscard]] Precision precision() const { return storage_ ? storage_->precision : Precision::float32; }
    [[nodiscard]] MatrixView<float const> weight() const { return storage_->weight; }
    [[nodiscard]] float const* bias() const { return storage_->bias.data(); }

   private:
    struct Storage {
      Matrix<float> weight;  // [out, in]
      Vector<float> bias;    // [out] or empty
      Precision precision;
    };
    std::shared_ptr<Storage const> storage_;
  };
};

namespace detail {
/// Rows of one call to Eigen. Its fixed number keeps Eigen from starting threads of its own, which would change the blocking.
inline constexpr Index eigen_rows = 32;

struct EigenInput;
struct EigenOutput;

template <class X, class Y>
void eigen_product_chunk(RowsView<X const> x, EigenProducts::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y, Index first) {
  using Chunk = Eigen::Matrix<float, eigen_rows, Eigen::Dynamic, Eigen::RowMajor>;
  Index const rows = std::min(eigen_rows, x.rows - first);
  float* const input = ThreadScratch<EigenInput>::get<float>(eigen_rows * x.width);
  float* const output = ThreadScratch<EigenOutput>::get<float>(eigen_rows * y.width);
  for (Index r = 0; r < rows; ++r) {
    X const* const from = x.row(first + r);
    std::transform(from, from + x.width, input + r * x.width, [](X value) { return to_float(value); });
  }
  std::fill(input + rows * x.width, input + eigen_rows * x.width, 0.0F);
  Eigen::Map<Chunk>(output, eigen_rows, y.width).noalias() = Eigen::Map<Chunk const>(input, eigen_rows, x.width) * as_eigen(packed.weight()).transpose();
  for (Index r = 0; r < rows; ++r) { finish_row(output + r * y.width, packed.bias(), epilogue, y.width, y.row(first + r)); }
}
}  // namespace detail

inline EigenProducts::PackedWeights pack_on(HostExecutor<EigenProducts> const& exec, MatrixView<float const> weight, VectorView<float const> bias) { return {weight, bias, exec.precision}; }

/// @throws ValueError  when x's scalar is not the one the weight was packed for
template <class X, class Y>
void product_on(HostExecutor<EigenProducts> const& exec, RowsView<X const> x, EigenProducts::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  check_input_scalar<X>(packed.precision());
  Index const chunks = (x.rows + detail::eigen_rows - 1) / detail::eigen_rows;
  int const threads = x.rows * x.width * y.width < 65536 ? 1 : exec.thread_count();
  parallel_for(threads, chunks, [&](Index chunk) { detail::eigen_product_chunk(x, packed, epilogue, y, chunk * detail::eigen_rows); });
}

}  // namespace accrete::host
