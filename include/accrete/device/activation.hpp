#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/activation.hpp>

namespace accrete::device {

/// g = act(u), element by element. g may be u.
template <class T>
struct ActivatedElement {
  kernels::Activation activation;
  RowsView<T const> u;
  RowsView<T> g;

  ACCRETE_HD void operator()(Index element) const {
    Index const row = element / u.width;
    Index const column = element % u.width;
    g.data[row * g.stride + column] = converted<T>(activated(activation, converted<SumScalar<T>>(u.data[row * u.stride + column])));
  }
};

template <class System, class T>
void activate_on(DeviceExecutor<System> const& exec, kernels::Activation activation, RowsView<T const> u, RowsView<T> g) {
  for_each_index(exec, "activate", u.rows * u.width, ActivatedElement<T>{activation, u, g});
}

/// d *= act'(u), element by element.
template <class T>
struct ActivationGradient {
  kernels::Activation activation;
  RowsView<T const> u;
  RowsView<T> d;

  ACCRETE_HD void operator()(Index element) const {
    using Sum = SumScalar<T>;
    Index const row = element / u.width;
    Index const column = element % u.width;
    T& to = d.data[row * d.stride + column];
    to = converted<T>(converted<Sum>(to) * activation_slope(activation, converted<Sum>(u.data[row * u.stride + column])));
  }
};

template <class System, class T>
void activate_backward_on(DeviceExecutor<System> const& exec, kernels::Activation activation, RowsView<T const> u, RowsView<T> d) {
  for_each_index(exec, "activate_backward", u.rows * u.width, ActivationGradient<T>{activation, u, d});
}

}  // namespace accrete::device
