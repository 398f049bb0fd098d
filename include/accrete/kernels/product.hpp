#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {

/// What happens to a product before it is stored.
///   gelu        u * (1 + erf(u / sqrt 2)) / 2
///   quick_gelu  u * sigmoid(1.702 u)
///   relu        max(u, 0)
enum class Activation { none, gelu, quick_gelu, relu };

struct Epilogue {
  Activation activation = Activation::none;
  bool accumulate = false;  ///< y += ... instead of y = ...; only without activation
};

namespace detail {
template <class Exec>
concept RunsPack = requires(Exec const& exec, MatrixView<float const> weight, VectorView<float const> bias) {
  { pack_on(exec, weight, bias) } -> std::same_as<typename Exec::PackedWeights>;
};
template <class Exec, class X, class Y>
concept RunsProduct = requires(Exec const& exec, RowsView<X const> x, typename Exec::PackedWeights const& packed, Epilogue epilogue, RowsView<Y> y) {
  product_on(exec, x, packed, epilogue, y);
};

struct PackFn {
  template <class Exec>
  [[nodiscard]] typename Exec::PackedWeights operator()(Exec const& exec, MatrixView<float const> weight, VectorView<float const> bias) const {
    static_assert(RunsPack<Exec>, "kernels::pack has no body for this executor; include the header of its products");
    expects(weight.extent(0) > 0 && weight.extent(1) > 0, "pack", "the weight [out, in] must not be empty", weight.extent(0), weight.extent(1));
    expects(bias.empty() || bias.extent(0) == weight.extent(0), "pack", "the bias must have one entry per output", bias.extent(0), weight.extent(0));
    return pack_on(exec, weight, bias);
  }
};

struct ProductFn {
  template <class Exec, class X, class Y>
  void operator()(Exec const& exec, RowsView<X> x, typename Exec::PackedWeights const& packed, Epilogue epilogue, RowsView<Y> y) const {
    using Input = std::remove_const_t<X>;
    static_assert(RunsProduct<Exec, Input, Y>, "kernels::product has no body for this executor and these scalars; include the header of its products");
    expects(x.width == packed.inputs() && y.width == packed.outputs(), "product", "x [rows, in] and y [rows, out] must match the packed weight", x.width, packed.inputs(), y.width, packed.outputs());
    expects(x.rows == y.rows, "product", "x and y must have one number of rows", x.rows, y.rows);
    expects(!epilogue.accumulate || epilogue.activation == Activation::none, "product", "accumulation excludes an activation");
    if (x.rows > 0) { product_on(exec, RowsView<Input const>(x), packed, epilogue, y); }
  }
  template <class Exec, class X, class Y>
  void operator()(Exec const& exec, MatrixView<X> x, typename Exec::PackedWeights const& packed, Epilogue epilogue, MatrixView<Y> y) const {
    (*this)(exec, RowsView<X>(x), packed, epilogue, RowsView<Y>(y));
  }
};
}  // namespace detail

/// Puts the weight of a linear layer into the executor's own layout and precision, once for many products.
/// @param[in] weight [out, in] row-major, host memory;  @param[in] bias [out] or empty, host memory
/// @returns   the executor's `PackedWeights`: `inputs()`, `outputs()`; independent of the arguments afterwards
/// @throws    ShapeError for an empty weight or a bias of another length
inline constexpr detail::PackFn pack{};

/// y = act(x W^T + b), or y += x W^T + b.
/// A row's result depends on that row alone, bit for bit: neither on the number of rows nor on threads.
/// @param[in]  x [rows, in]   float for weights packed in float32, bfloat16 for weights packed in bfloat16
/// @param[out] y [rows, out]  float, or bfloat16 (rounded once, after the epilogue); must not overlap x
/// @throws ShapeError  when the extents do not match;  ValueError when x's scalar does not match the packed precision
/// Cost: 2 * rows * in * out flop
inline constexpr detail::ProductFn product{};

}  // namespace accrete::kernels
