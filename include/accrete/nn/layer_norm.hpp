#pragma once

#include <accrete/kernels/layer_norm.hpp>
#include <accrete/kernels/transfer.hpp>

namespace accrete::nn {

/// A layer norm with frozen gain and offset: y = gain * (x - mean) / sqrt(variance + epsilon) + offset.
template <class Exec>
class LayerNorm {
 public:
  LayerNorm() = default;

  /// @param[in] gain, offset [D] host memory
  /// @throws ShapeError  when the two differ in length
  LayerNorm(Exec const& exec, VectorView<float const> gain, VectorView<float const> offset, double epsilon) : gain_(gain.shape()), offset_(offset.shape()), epsilon_(epsilon) {
    expects(gain.extent(0) == offset.extent(0), "LayerNorm", "gain and offset must have one length", gain.extent(0), offset.extent(0));
    kernels::upload(exec, gain, gain_.view());
    kernels::upload(exec, offset, offset_.view());
  }

  [[nodiscard]] double epsilon() const { return epsilon_; }

  /// @param[in] x [rows, D] float;  @param[out] y [rows, D] float (may be x itself) or bfloat16
  /// @throws ShapeError  as `kernels::layer_norm`
  template <class X, class Y>
  void forward(Exec const& exec, RowsView<X> x, RowsView<Y> y) const {
    kernels::layer_norm(exec, x, gain_.view(), offset_.view(), epsilon_, y);
  }

 private:
  Vector<float, typename Exec::Memory> gain_;
  Vector<float, typename Exec::Memory> offset_;
  double epsilon_ = 0;
};

}  // namespace accrete::nn
