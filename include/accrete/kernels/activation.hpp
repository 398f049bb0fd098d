#pragma once

#include <accrete/core/executor.hpp>
#include <accrete/core/tensor.hpp>

#include <type_traits>

namespace accrete::kernels {

/// The function between the two halves of an MLP.
///   gelu        u * (1 + erf(u / sqrt 2)) / 2
///   quick_gelu  u * sigmoid(1.702 u)
///   relu        max(u, 0)
enum class Activation { none, gelu, quick_gelu, relu };

namespace detail {
template <class Exec, class T>
concept RunsActivate = requires(Exec const& exec, RowsView<T const> u, RowsView<T> y) {
  activate_on(exec, Activation::gelu, u, y);
};
template <class Exec, class T>
concept RunsActivateBackward = requires(Exec const& exec, RowsView<T const> u, RowsView<T> d) {
  activate_backward_on(exec, Activation::gelu, u, d);
};

struct ActivateFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, Activation activation, NonDeduced<RowsView<T const>> u, RowsView<T> y) const {
    static_assert(RunsActivate<Exec, T>, "kernels::activate has no body for this executor and this scalar");
    expects(u.rows == y.rows && u.width == y.width, "activate", "u and y must have one shape", u.rows, u.width, y.rows, y.width);
    activate_on(exec, activation, u, y);
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, Activation activation, NonDeduced<RowsView<T const>> u, MatrixView<T> y) const {
    (*this)(exec, activation, u, RowsView<T>(y));
  }
};

struct ActivateBackwardFn {
  template <class Exec, class T>
  void operator()(Exec const& exec, Activation activation, NonDeduced<RowsView<T const>> u, RowsView<T> d) const {
    static_assert(RunsActivateBackward<Exec, T>, "kernels::activate_backward has no body for this executor and this scalar");
    expects(u.rows == d.rows && u.width == d.width, "activate_backward", "u and d must have one shape", u.rows, u.width, d.rows, d.width);
    if (activation != Activation::none) { activate_backward_on(exec, activation, u, d); }
  }
  template <class Exec, class T>
  void operator()(Exec const& exec, Activation activation, NonDeduced<RowsView<T const>> u, MatrixView<T> d) const {
    (*this)(exec, activation, u, RowsView<T>(d));
  }
};
}  // namespace detail

/// y = act(u), the values a product's epilogue gives.
/// @param[in] u [rows, width] float, double or bfloat16;  @param[out] y [rows, width] the same scalar; may be u itself
/// @throws ShapeError  when the shapes differ
inline constexpr detail::ActivateFn activate{};

/// d = d * act'(u): the gradient in front of an activation from the one behind it.
///   gelu        Phi(u) + u phi(u), the normal distribution and its density
///   quick_gelu  s (1 + 1.702 u (1 - s)),   s = sigmoid(1.702 u)
///   relu        1 for u > 0, else 0
/// @param[in] u [rows, width] what went into the activation; float, double or bfloat16;  @param[in,out] d [rows, width] the same scalar; must not overlap u
/// @throws ShapeError  when the shapes differ
/// @source Hendrycks, Gimpel, "Gaussian error linear units", arXiv:1606.08415v5, section 2
inline constexpr detail::ActivateBackwardFn activate_backward{};

}  // namespace accrete::kernels
