#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/precision.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/eigen.hpp>
#include <accrete/host/epilogue.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <memory>
#include <string_view>
#include <type_traits>

namespace accrete::host {

/// Products by Eigen: builds everywhere.
/// Eigen's blocking, and with it the rounding, depends on the number of rows, so every call has the same: rows go in chunks of
/// a fixed size, the last one filled up with zeros. bfloat16 means here: input and weight rounded to bfloat16, multiplied and added in float32.
/// float64 is here alone: what gradients are checked with.
struct EigenProducts {
  static constexpr std::string_view name = "host/eigen";

  /// Weight and bias of a linear layer; copies share one memory.
  class PackedWeights {
   public:
    PackedWeights() = default;
    /// @param[in] weight [out, in], or [in, out] for `input_rows`;  @param[in] bias [out] or empty
    template <class T>
    PackedWeights(MatrixView<T const> weight, VectorView<T const> bias, kernels::WeightOrder order, Precision precision) : storage_(std::make_shared<Storage>()) {
      Shape<2> const shape{kernels::detail::outputs_of(weight.shape(), order), kernels::detail::inputs_of(weight.shape(), order)};
      storage_->shape = shape;
      storage_->precision = precision;
      if (precision == Precision::float64) {
        storage_->double_weight = Matrix<double>(shape);
        storage_->double_bias = Vector<double>(bias.shape());
      } else {
        storage_->weight = Matrix<float>(shape);
        storage_->bias = Vector<float>(bias.shape());
      }
      assign(weight, bias, order);
    }

    [[nodiscard]] Index inputs() const { return storage_ ? storage_->shape[1] : 0; }
    [[nodiscard]] Index outputs() const { return storage_ ? storage_->shape[0] : 0; }
    [[nodiscard]] bool has_bias() const { return storage_ && !(storage_->bias.empty() && storage_->double_bias.empty()); }
    [[nodiscard]] Precision precision() const { return storage_ ? storage_->precision : Precision::float32; }
    /// [out, in] as the products of the precision multiply it.
    template <class S>
    [[nodiscard]] MatrixView<S const> weight() const {
      if constexpr (std::is_same_v<S, double>) {
        return storage_->double_weight;
      } else {
        return storage_->weight;
      }
    }
    /// [out], or nullptr
    template <class S>
    [[nodiscard]] S const* bias() const {
      if constexpr (std::is_same_v<S, double>) {
        return storage_->double_bias.data();
      } else {
        return storage_->bias.data();
      }
    }

    /// New values in the same memory.
    template <class T>
    void assign(MatrixView<T const> weight, VectorView<T const> bias, kernels::WeightOrder order) {
      if (precision() == Precision::float64) {
        copy(weight, order, as_eigen(storage_->double_weight));
        as_eigen(storage_->double_bias) = as_eigen(bias).template cast<double>();
      } else {
        copy(weight, order, as_eigen(storage_->weight));
        as_eigen(storage_->bias) = as_eigen(bias).template cast<float>();
      }
      if (precision() == Precision::bfloat16) {
        for (float& w : storage_->weight) { w = to_float(to_bfloat16(w)); }
      }
    }

   private:
    struct Storage {
      Shape<2> shape{};
      Precision precision = Precision::float32;
      Matrix<float> weight;  // [out, in]
      Vector<float> bias;    // [out] or empty
      Matrix<double> double_weight;
      Vector<double> double_bias;
    };

    template <class T, class To>
    static void copy(MatrixView<T const> from, kernels::WeightOrder order, To to) {
      using S = typename To::Scalar;
      if (order == kernels::WeightOrder::output_rows) {
        to = as_eigen(from).template cast<S>();
      } else {
        to = as_eigen(from).transpose().template cast<S>();
      }
    }

    std::shared_ptr<Storage> storage_;
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
  using S = SumScalar<X>;
  using Chunk = Eigen::Matrix<S, FixedRows, Eigen::Dynamic, Eigen::RowMajor>;
  ThreadScope const scope(1);
  S* const input = ThreadScratch<EigenInput>::get<S>(rows_at_once * x.width);
  S* const output = ThreadScratch<EigenOutput>::get<S>(rows_at_once * y.width);
  for (Index i = 0; i < x.rows; ++i) {
    for_vectors<S>(x.width, [&](Index c, auto lanes) { lanes.store(input + i * x.width + c, lanes.load(x.row(i) + c)); });
  }
  std::fill(input + x.rows * x.width, input + rows_at_once * x.width, S{});
  Eigen::Map<Chunk>(output, rows_at_once, y.width).noalias() = Eigen::Map<Chunk const>(input, rows_at_once, x.width) * as_eigen(packed.weight<S>()).transpose();
  for (Index i = 0; i < y.rows; ++i) { finish_row(output + i * y.width, packed.bias<S>(), epilogue, y.width, y.row(i)); }
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

/// Float weights in the executor's precision, double weights in float64.
template <class T>
[[nodiscard]] EigenProducts::PackedWeights pack_on(HostExecutor<EigenProducts> const& exec, MatrixView<T const> weight, VectorView<T const> bias, kernels::WeightOrder order) {
  return {weight, bias, order, std::is_same_v<T, double> ? Precision::float64 : exec.precision};
}

template <class T>
void repack_on(HostExecutor<EigenProducts> const& /*exec*/, MatrixView<T const> weight, VectorView<T const> bias, kernels::WeightOrder order, EigenProducts::PackedWeights& packed) {
  packed.assign(weight, bias, order);
}

/// @throws ValueError  when x's scalar is not the one the weight was packed for
template <class X, class Y>
  requires(std::is_same_v<SumScalar<X>, SumScalar<Y>>)
void product_on(HostExecutor<EigenProducts> const& exec, RowsView<X const> x, EigenProducts::PackedWeights const& packed, kernels::Epilogue epilogue, RowsView<Y> y) {
  check_input_scalar<X>(packed.precision());
  if (detail::eigen_keeps_to_one_thread()) {
    detail::eigen_product<Eigen::Dynamic>(exec.thread_count(), x, packed, epilogue, y);
  } else {
    detail::eigen_product<detail::eigen_rows_unthreaded>(exec.thread_count(), x, packed, epilogue, y);
  }
}

}  // namespace accrete::host
