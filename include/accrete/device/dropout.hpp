#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/dropout.hpp>

namespace accrete::device {

/// One element of x: dropped, or scaled. Each draws its own number, so threads share nothing.
template <class T>
struct DroppedElement {
  Rng rng;
  double rate;
  SumScalar<T> scale;
  RowsView<T> x;

  ACCRETE_HD void operator()(Index element) const {
    T& to = x.data[element / x.width * x.stride + element % x.width];
    to = rng.uniform(static_cast<std::uint64_t>(element)) >= rate ? converted<T>(converted<SumScalar<T>>(to) * scale) : T{};
  }
};

template <class System, class T>
void dropout_on(DeviceExecutor<System> const& exec, Rng const& rng, double rate, RowsView<T> x) {
  for_each_index(exec, "dropout", x.rows * x.width, DroppedElement<T>{rng, rate, static_cast<SumScalar<T>>(1.0 / (1.0 - rate)), x});
}

}  // namespace accrete::device
