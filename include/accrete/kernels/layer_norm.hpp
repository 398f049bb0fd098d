#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>

#include <type_traits>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T, class Y>
concept RunsLayerNorm = requires(Exec const& exec, RowsView<T const> x, VectorView<T const> gain, double epsilon, RowsView<Y> y) {
  layer_norm_on(exec, x, gain, gain, epsilon, y);
};
template <class Exec, class T>
concept RunsLayerNormBackward = requires(Exec const& exec, RowsView<SumScalar<T> const> x, VectorView<SumScalar<T> const> gain, double epsilon, RowsView<T const> dy, RowsView<SumScalar<T>> dx,
                                         VectorView<SumScalar<T>> sums) {
  layer_norm_backward_on(exec, x, gain, epsilon, dy, dx);
  layer_norm_parameter_gradients_on(exec, x, epsilon, dy, sums, sums);
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

struct LayerNormBackwardFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<RowsView<SumScalar<T> const>> x, NonDeduced<VectorView<SumScalar<T> const>> gain, double epsilon, RowsView<T> dy,
                  NonDeduced<RowsView<SumScalar<T>>> dx) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsLayerNormBackward<Exec, Scalar>, "kernels::layer_norm_backward has no body for this executor and this scalar");
    expects(x.rows == dy.rows && x.width == dy.width && x.rows == dx.rows && x.width == dx.width, "layer_norm_backward", "x, dy and dx must have one shape", x.rows, x.width, dy.rows, dy.width,
            dx.rows, dx.width);
    expects(gain.extent(0) == x.width, "layer_norm_backward", "the gain must have the width of x", gain.extent(0), x.width);
    expects(epsilon >= 0, "layer_norm_backward", "epsilon must not be negative", epsilon);
    layer_norm_backward_on(exec, x, gain, epsilon, RowsView<Scalar const>(dy), dx);
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<RowsView<SumScalar<T> const>> x, NonDeduced<VectorView<SumScalar<T> const>> gain, double epsilon, MatrixView<T> dy,
                  NonDeduced<RowsView<SumScalar<T>>> dx) const {
    (*this)(exec, x, gain, epsilon, RowsView<T>(dy), dx);
  }
};

struct LayerNormParameterGradientsFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<RowsView<SumScalar<T> const>> x, double epsilon, RowsView<T> dy, NonDeduced<VectorView<SumScalar<T>>> d_gain,
                  NonDeduced<VectorView<SumScalar<T>>> d_offset) const {
    using Scalar = std::remove_const_t<T>;
    static_assert(RunsLayerNormBackward<Exec, Scalar>, "kernels::layer_norm_parameter_gradients has no body for this executor and this scalar");
    expects(x.rows == dy.rows && x.width == dy.width, "layer_norm_parameter_gradients", "x and dy must have one shape", x.rows, x.width, dy.rows, dy.width);
    expects(d_gain.extent(0) == x.width && d_offset.extent(0) == x.width, "layer_norm_parameter_gradients", "both gradients must have the width of x", d_gain.extent(0), d_offset.extent(0), x.width);
    expects(epsilon >= 0, "layer_norm_parameter_gradients", "epsilon must not be negative", epsilon);
    layer_norm_parameter_gradients_on(exec, x, epsilon, RowsView<Scalar const>(dy), d_gain, d_offset);
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<RowsView<SumScalar<T> const>> x, double epsilon, MatrixView<T> dy, NonDeduced<VectorView<SumScalar<T>>> d_gain,
                  NonDeduced<VectorView<SumScalar<T>>> d_offset) const {
    (*this)(exec, x, epsilon, RowsView<T>(dy), d_gain, d_offset);
  }
};
}  // namespace detail

/// y = gain * (x - mean) / sqrt(variance + epsilon) + offset, per row, biased variance.
/// The mean is taken first and then the squared distances from it, since E[x^2] - E[x]^2 cancels.
/// @param[in] x [rows, D] float or double;  @param[in] gain, offset [D];  @param[out] y [rows, D] x's scalar, or bfloat16; may be x itself
/// @throws ShapeError  when the extents differ
inline constexpr detail::LayerNormFn layer_norm{};

/// dx += the gradient of a layer norm's input. With r = 1 / sqrt(variance + epsilon), xhat = r (x - mean), both recomputed from x, and g = gain * dy:
///   dx += r (g - mean(g) - xhat mean(g xhat)),   means over the row
/// @param[in] x [rows, D] what the norm read, float, double for double;  @param[in] gain [D];  @param[in] epsilon as in the forward pass
/// @param[in] dy [rows, D] float, double or bfloat16;  @param[in,out] dx [rows, D] x's scalar; must not overlap x
/// @throws ShapeError  when the extents differ
inline constexpr detail::LayerNormBackwardFn layer_norm_backward{};

/// d_gain += sum over the rows of dy xhat,   d_offset += sum over the rows of dy;   xhat as above.
/// @param[in] x [rows, D] float, double for double;  @param[in] dy [rows, D] float, double or bfloat16;  @param[in,out] d_gain, d_offset [D] x's scalar
/// @throws ShapeError  when the extents differ
/// The same bits for any number of threads.
inline constexpr detail::LayerNormParameterGradientsFn layer_norm_parameter_gradients{};

}  // namespace accrete::kernels
