#pragma once

#include <accrete/kernels/product.hpp>

#include <utility>

namespace accrete::nn {

/// A linear layer with frozen weights, kept as the executor multiplies them best: y = act(x W^T + b), or y += x W^T + b.
template <class Exec>
class Linear {
 public:
  Linear() = default;

  /// @param[in] weight [out, in] host memory;  @param[in] bias [out] or empty, host memory
  /// @throws ShapeError  as `kernels::pack`
  Linear(Exec const& exec, MatrixView<float const> weight, VectorView<float const> bias) : weights_(kernels::pack(exec, weight, bias)) {}

  [[nodiscard]] Index inputs() const { return weights_.inputs(); }
  [[nodiscard]] Index outputs() const { return weights_.outputs(); }
  [[nodiscard]] typename Exec::PackedWeights const& weights() const { return weights_; }

  /// @param[in]  x [rows, in] float or bfloat16, as the weights were packed;  @param[out] y [rows, out]
  /// @throws ShapeError, ValueError  as `kernels::product`
  template <class X, class Y>
  void forward(Exec const& exec, RowsView<X> x, RowsView<Y> y, kernels::Epilogue epilogue = {}) const {
    kernels::product(exec, x, weights_, epilogue, y);
  }

 private:
  typename Exec::PackedWeights weights_;
};

}  // namespace accrete::nn
