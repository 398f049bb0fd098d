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
/// Rows of one call to Eigen: enough that its packing of the weight does not count much.
inline constexpr Index eigen_rows = 96;
/// With at most this many rows, a number known to the compiler, Eigen never starts threads of its own.
inline constexpr int eigen_rows_unthreaded = 32;

struct EigenInput;
struct EigenOutput;

/// Whether Eigen, left alone with one thread, would keep to it. Only `Eigen::setNbThreads` makes it do otherwise.
[[nodiscard]] inline bool eigen_keeps_to_one_thread() {
  ThreadScope const scope(1);
  return Eigen::nbThreads() == 1;
}

/// One chunk of at most `rows_at_once` rows. Threads inside Eigen would change its blocking, so it gets one.
template <int FixedRows, class X, class Y>
void eigen_product_chunk(RowsView<X const> x, EigenProducts::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y, Index rows_at_once) {
  using Chunk = Eigen::Matrix<float, FixedRows, Eigen::Dynamic, Eigen::RowMajor>;
  ThreadScope const scope(1);
  float* const input = ThreadScratch<EigenInput>::get<float>(rows_at_once * x.width);
  float* const output = ThreadScratch<EigenOutput>::get<float>(rows_at_once * y.width);
  for (Index i = 0; i < x.rows; ++i) {
    std::transform(x.row(i), x.row(i) + x.width, input + i * x.width, [](X value) { return to_float(value); });
  }
  std::fill(input + x.rows * x.width, input + rows_at_once * x.width, 0.0F);
  Eigen::Map<Chunk>(output, rows_at_once, y.width).noalias() = Eigen::Map<Chunk const>(input, rows_at_once, x.width) * as_eigen(packed.weight()).transpose();
  for (Index i = 0; i < y.rows; ++i) { finish_row(output + i * y.width, packed.bias(), epilogue, y.width, y.row(i)); }
}

template <int FixedRows, class X, class Y>
void eigen_product(int threads, RowsView<X const> x, EigenProducts::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  Index const rows_at_once = FixedRows == Eigen::Dynamic ? eigen_rows : Index{FixedRows};
  parallel_for(threads, (x.rows + rows_at_once - 1) / rows_at_once, [&](Index chunk) {
    Index const first = chunk * rows_at_once;
    Index const rows = std::min(rows_at_once, x.rows - first);
    eigen_product_chunk<FixedRows, X, Y>({x.row(first), rows, x.width, x.stride}, packed, epilogue, {y.row(first), rows, y.width, y.stride}, rows_at_once);
  });
}
}  // namespace detail

inline EigenProducts::PackedWeights pack_on(HostExecutor<EigenProducts> const& exec, MatrixView<float const> weight, VectorView<float const> bias) { return {weight, bias, exec.precision}; }

/// @throws ValueError  when x's scalar is not the one the weight was packed for
template <class X, class Y>
void product_on(HostExecutor<EigenProducts> const& exec, RowsView<X const> x, EigenProducts::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  check_input_scalar<X>(packed.precision());
  if (detail::eigen_keeps_to_one_thread()) {
    detail::eigen_product<Eigen::Dynamic>(exec.thread_count(), x, packed, epilogue, y);
  } else {
    detail::eigen_product<detail::eigen_rows_unthreaded>(exec.thread_count(), x, packed, epilogue, y);
  }
}

}  // namespace accrete::host
