#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T, class Y>
concept RunsLayerNorm = requires(Exec const& exec, RowsView<T const> x, VectorView<T const> gain, double epsilon, RowsView<Y> y) {
  layer_norm_on(exec, x, gain, gain, epsilon, y);
};

struct LayerNormFn {
  template <class Exec, class T, class Y>
  void operator()(Exec const& exec, RowsView<T> x, NonDeduced<VectorView<std::remove_const_t<T> const>> gain, NonDeduced<VectorView<std::remove_const_t<T> const>> offset, double epsilon,
                  RowsView<Y> y) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsLayerNorm<Exec, Scalar, Y>, "kernels::layer_norm has no body for this executor and these scalars");
    expects(x.rows == y.rows && x.width == y.width, "layer_norm", "x and y must have one shape", x.rows, x.width, y.rows, y.width);
    expects(gain.extent(0) == x.width && offset.extent(0) == x.width, "layer_norm", "gain and offset must have the width of x", gain.extent(0), offset.extent(0), x.width);
    expects(epsilon >= 0, "layer_norm", "epsilon must not be negative", epsilon);
    layer_norm_on(exec, RowsView<Scalar const>(x), gain, offset, epsilon, y);
  }
  template <class Exec, class T, class Y>
  void operator()(Exec const& exec, MatrixView<T> x, NonDeduced<VectorView<std::remove_const_t<T> const>> gain, NonDeduced<VectorView<std::remove_const_t<T> const>> offset, double epsilon,
                  MatrixView<Y> y) const {
    (*this)(exec, RowsView<T>(x), gain, offset, epsilon, RowsView<Y>(y));
  }
};
}  // namespace detail

/// y = gain * (x - mean) / sqrt(variance + epsilon) + offset, per row, biased variance.
/// The mean is taken first and then the squared distances from it, since E[x^2] - E[x]^2 cancels.
/// @param[in] x [rows, D] float or double;  @param[in] gain, offset [D];  @param[out] y [rows, D] x's scalar, or bfloat16; may be x itself
/// @throws ShapeError  when the extents differ
inline constexpr detail::LayerNormFn layer_norm{};

}  // namespace accrete::kernels
