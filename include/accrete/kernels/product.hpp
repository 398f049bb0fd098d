#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/activation.hpp>

namespace accrete::kernels {

/// How the weight of y = x W^T + b lies: [out, in] as stored, or [in, out].
/// The second is what a backward pass dx = dy W wants: there the stored weight is the one of a layer from its outputs to its inputs.
enum class WeightOrder { output_rows, input_rows };

/// What happens to a product before it is stored.
struct Epilogue {
  Activation activation = Activation::none;
  bool accumulate = false;  ///< y += ... instead of y = ...; only without activation
};

namespace detail {
template <class Exec, class T>
concept RunsPack = requires(Exec const& exec, MatrixView<T const> weight, VectorView<T const> bias, WeightOrder order) {
  { pack_on(exec, weight, bias, order) } -> std::same_as<typename Exec::PackedWeights>;
};
template <class Exec, class T>
concept RunsRepack = requires(Exec const& exec, MatrixView<T const> weight, VectorView<T const> bias, WeightOrder order, typename Exec::PackedWeights& packed) {
  repack_on(exec, weight, bias, order, packed);
};
template <class Exec, class X, class Y>
concept RunsProduct = requires(Exec const& exec, RowsView<X const> x, typename Exec::PackedWeights const& packed, Epilogue epilogue, RowsView<Y> y) {
  product_on(exec, x, packed, epilogue, y);
};

[[nodiscard]] constexpr Index outputs_of(Shape<2> const& weight, WeightOrder order) { return weight[order == WeightOrder::output_rows ? 0 : 1]; }
[[nodiscard]] constexpr Index inputs_of(Shape<2> const& weight, WeightOrder order) { return weight[order == WeightOrder::output_rows ? 1 : 0]; }

struct PackFn {
  template <class Exec>
  [[nodiscard]] typename Exec::PackedWeights operator()(Exec const& exec, MatrixView<float const> weight, VectorView<float const> bias, WeightOrder order = WeightOrder::output_rows) const {
    return checked(exec, weight, bias, order);
  }
  template <class Exec>
  [[nodiscard]] typename Exec::PackedWeights operator()(Exec const& exec, MatrixView<double const> weight, VectorView<double const> bias, WeightOrder order = WeightOrder::output_rows) const {
    return checked(exec, weight, bias, order);
  }

 private:
  template <class Exec, class T>
  [[nodiscard]] static typename Exec::PackedWeights checked(Exec const& exec, MatrixView<T const> weight, VectorView<T const> bias, WeightOrder order) {
    static_assert(RunsPack<Exec, T>, "kernels::pack has no body for this executor and this scalar; include the header of its products");
    expects(!weight.empty(), "pack", "the weight must not be empty", weight.extent(0), weight.extent(1));
    expects(bias.empty() || bias.extent(0) == outputs_of(weight.shape(), order), "pack", "the bias must have one entry per output", bias.extent(0), outputs_of(weight.shape(), order));
    return pack_on(exec, weight, bias, order);
  }
};

struct RepackFn {
  template <class Exec>
  void operator()(Exec const& exec, MatrixView<float const> weight, VectorView<float const> bias, WeightOrder order, typename Exec::PackedWeights& packed) const {
    checked(exec, weight, bias, order, packed);
  }
  template <class Exec>
  void operator()(Exec const& exec, MatrixView<double const> weight, VectorView<double const> bias, WeightOrder order, typename Exec::PackedWeights& packed) const {
    checked(exec, weight, bias, order, packed);
  }

 private:
  template <class Exec, class T>
  static void checked(Exec const& exec, MatrixView<T const> weight, VectorView<T const> bias, WeightOrder order, typename Exec::PackedWeights& packed) {
    static_assert(RunsRepack<Exec, T>, "kernels::repack has no body for this executor and this scalar; include the header of its products");
    expects(inputs_of(weight.shape(), order) == packed.inputs() && outputs_of(weight.shape(), order) == packed.outputs(), "repack", "the weight must have the extents of the packed one",
            weight.extent(0), weight.extent(1), packed.outputs(), packed.inputs());
    expects(bias.extent(0) == (packed.has_bias() ? packed.outputs() : 0), "repack", "the bias must have one entry per output, and be empty where the packed weight has none", bias.extent(0),
            packed.outputs());
    repack_on(exec, weight, bias, order, packed);
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
/// @param[in] weight [out, in], or [in, out] for `WeightOrder::input_rows`; row-major, host memory
/// @param[in] bias   [out] or empty, host memory
/// float weights are packed in `exec.precision`. double weights are always packed as `Precision::float64`, which only Eigen's products have.
/// @returns   the executor's `PackedWeights`: `inputs()`, `outputs()`, `has_bias()`, `precision()`; independent of the arguments afterwards
/// @throws    ShapeError for an empty weight or a bias of another length;  ValueError for a precision the products do not have
inline constexpr detail::PackFn pack{};

/// New values for a packed weight, for weights that learn: what `pack` would have made, in the same memory, so that copies see it too.
/// The precision stays. Nothing is allocated after the first calls. Not while a product with this weight runs.
/// @param[in] weight, bias, order  as for `pack`, with the extents of the packed one; either order serves
/// @throws ShapeError  when the extents differ; `packed` is unchanged then
inline constexpr detail::RepackFn repack{};

/// y = act(x W^T + b), or y += x W^T + b.
/// A row's result depends on that row alone, bit for bit: neither on the number of rows nor on threads.
/// @param[in]  x [rows, in]   float for weights packed in float32, bfloat16 for bfloat16, double for float64
/// @param[out] y [rows, out]  float, or bfloat16 (rounded once, after the epilogue), double for double; must not overlap x
/// @throws ShapeError  when the extents do not match;  ValueError when x's scalar does not match the packed precision
/// Cost: 2 * rows * in * out flop
inline constexpr detail::ProductFn product{};

}  // namespace accrete::kernels
