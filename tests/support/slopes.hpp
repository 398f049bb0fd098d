#pragma once

#include <accrete/core/tensor.hpp>

#include <functional>

namespace accrete::test {

/// Derivative of `f` at `x` by central differences with one Richardson step: the error is of order h^4.
template <class F>
[[nodiscard]] double slope_at(double x, F const& f) {
  auto const difference = [&](double h) { return (f(x + h) - f(x - h)) / (2.0 * h); };
  return (4.0 * difference(5e-4) - difference(1e-3)) / 3.0;
}

/// The same of a loss that is computed from the parameter, which has its value again afterwards.
template <class Loss>
[[nodiscard]] double slope(double& parameter, Loss const& loss) {
  double const before = parameter;
  double const result = slope_at(before, [&](double value) {
    parameter = value;
    return loss();
  });
  parameter = before;
  return result;
}

/// Derivatives of `loss` with respect to the numbers of `x`, by central differences.
[[nodiscard]] inline Vector<double> central_differences(VectorView<double> x, std::function<double()> const& loss, double step = 1e-5) {
  Vector<double> slopes({x.size()});
  for (Index i = 0; i < x.size(); ++i) {
    double const here = x[i];
    x[i] = here + step;
    double const above = loss();
    x[i] = here - step;
    double const below = loss();
    x[i] = here;
    slopes(i) = (above - below) / (2.0 * step);
  }
  return slopes;
}

}  // namespace accrete::test
