#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

namespace accrete::kernels {
namespace detail {
template <class Exec, class T>
concept RunsFill = requires(Exec const& exec, VectorView<T> x, T value) {
  fill_on(exec, x, value);
};
template <class Exec, class T>
concept RunsAdd = requires(Exec const& exec, VectorView<T const> x, VectorView<T> y) {
  add_on(exec, x, y);
};
template <class Exec, class T>
concept RunsInterpolate = requires(Exec const& exec, VectorView<T const> towards, T weight, VectorView<T> x) {
  interpolate_on(exec, towards, weight, x);
};

struct FillFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, VectorView<T> x, NonDeduced<T> value) const {
    static_assert(RunsFill<Exec, T>, "kernels::fill has no body for this executor and this scalar");
    if (!x.empty()) { fill_on(exec, x, value); }
  }
};

struct AddFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<VectorView<T const>> x, VectorView<T> y) const {
    static_assert(RunsAdd<Exec, T>, "kernels::add has no body for this executor and this scalar");
    expects(x.extent(0) == y.extent(0), "add", "both must have one length", x.extent(0), y.extent(0));
    if (!x.empty()) { add_on(exec, x, y); }
  }
};

struct InterpolateFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, NonDeduced<VectorView<T const>> towards, double weight, VectorView<T> x) const {
    static_assert(RunsInterpolate<Exec, T>, "kernels::interpolate has no body for this executor and this scalar");
    expects(towards.extent(0) == x.extent(0), "interpolate", "both must have one length", towards.extent(0), x.extent(0));
    if (!x.empty() && weight != 0.0) { interpolate_on(exec, towards, static_cast<T>(weight), x); }
  }
};
}  // namespace detail

/// x_i = value.
/// @param[out] x [n] float, double or bfloat16
inline constexpr detail::FillFn fill{};

/// y_i += x_i.
/// @param[in] x [n];  @param[in,out] y [n]: float, double, or bfloat16 added in float and rounded once
/// @throws ShapeError  when the lengths differ
inline constexpr detail::AddFn add{};

/// x_i += weight (towards_i - x_i), in one pass. A weight of 0 leaves every bit of x, and so do places where both are equal.
/// @param[in] towards [n];  @param[in,out] x [n]: float or double
/// @throws ShapeError  when the lengths differ
/// Cost: 3 n flop; n is read twice and written once.
inline constexpr detail::InterpolateFn interpolate{};

}  // namespace accrete::kernels
