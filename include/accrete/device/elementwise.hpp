#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/elementwise.hpp>

namespace accrete::device {

template <class T>
struct FilledElement {
  T* x;
  T value;

  ACCRETE_HD void operator()(Index element) const { x[element] = value; }
};

template <class System, class T>
void fill_on(DeviceExecutor<System> const& exec, VectorView<T> x, T value) {
  for_each_index(exec, "fill", x.size(), FilledElement<T>{x.data(), value});
}

template <class T>
struct AddedElement {
  T const* x;
  T* y;

  ACCRETE_HD void operator()(Index element) const { y[element] = converted<T>(converted<SumScalar<T>>(y[element]) + converted<SumScalar<T>>(x[element])); }
};

template <class System, class T>
void add_on(DeviceExecutor<System> const& exec, VectorView<T const> x, VectorView<T> y) {
  for_each_index(exec, "add", x.size(), AddedElement<T>{x.data(), y.data()});
}

template <class T>
struct InterpolatedElement {
  T const* towards;
  T weight;
  T* x;

  ACCRETE_HD void operator()(Index element) const { x[element] += weight * (towards[element] - x[element]); }
};

template <class System, class T>
void interpolate_on(DeviceExecutor<System> const& exec, VectorView<T const> towards, T weight, VectorView<T> x) {
  for_each_index(exec, "interpolate", x.size(), InterpolatedElement<T>{towards.data(), weight, x.data()});
}

}  // namespace accrete::device
