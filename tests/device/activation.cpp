#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/activation.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace accrete::test::activation_test {
namespace {
using kernels::Activation;

double value_of(Activation activation, double u) {
  switch (activation) {
    case Activation::gelu: return u * std::erfc(-u / std::sqrt(2.0)) / 2.0;
    case Activation::quick_gelu: return u / (1.0 + std::exp(-1.702 * u));
    case Activation::relu: return u > 0.0 ? u : 0.0;
    default: return u;
  }
}

/// The slope as a difference quotient: good to 1e-8, which is all that float and bfloat16 need; double has the formula in the checks below.
double slope_of(Activation activation, double u) {
  if (activation == Activation::relu) { return u > 0.0 ? 1.0 : 0.0; }
  double const step = 1e-5;
  return (value_of(activation, u + step) - value_of(activation, u - step)) / (2.0 * step);
}

constexpr Activation activations[] = {Activation::none, Activation::gelu, Activation::quick_gelu, Activation::relu};

template <class T, class Exec>
void check_activation(Exec const& exec, Activation activation) {
  auto u = in_scalar<T>(normal<float>(200, Shape<2>{9, 33}));
  u(0, 0) = in_scalar<T>(Matrix<float>::zeros({1, 1}))(0, 0);
  auto const before = normal<T>(201, Shape<2>{9, 40});
  Matrix<double> value({9, 10});
  Matrix<double> gradient({9, 10});
  for (Index i = 0; i < 9; ++i) {
    for (Index j = 0; j < 10; ++j) {
      auto const wide = widened(u(i, j));
      value(i, j) = value_of(activation, wide);
      gradient(i, j) = slope_of(activation, wide) * widened(before(i, j));
    }
  }
  auto const u_there = on_device(exec, u);
  auto to = on_device(exec, before);
  auto const part = [](Matrix<T> const& all, Index first) {
    Matrix<T> some({9, 10});
    for (Index i = 0; i < 9; ++i) {
      for (Index j = 0; j < 10; ++j) { some(i, j) = all(i, first + j); }
    }
    return some;
  };
  // Rows at a distance on both sides.
  kernels::activate_backward(exec, activation, columns(u_there.cview(), 0, 10), columns(to.view(), 0, 10));
  kernels::activate(exec, activation, columns(u_there.cview(), 0, 10), columns(to.view(), 20, 10));
  auto const got = on_host(exec, to);
  using Difference = std::conditional_t<std::is_same_v<T, double>, float, T>;  // of the quotient's precision
  CHECK(relative_difference(part(got, 0), gradient) <= tolerance<Difference>(Kind::elementwise));
  CHECK(relative_difference(part(got, 20), value) <= tolerance<T>(Kind::elementwise));
  CHECK(same_bits(part(got, 10), part(before, 10)));
  CHECK(same_bits(part(got, 30), part(before, 30)));
}
}  // namespace

TEST_CASE_TEMPLATE("device activations and their slopes equal the functions' values and difference quotients", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Activation const activation : activations) {
    CAPTURE(static_cast<int>(activation));
    check_activation<float>(exec, activation);
    check_activation<double>(exec, activation);
    check_activation<bfloat16>(exec, activation);
  }
}

TEST_CASE_TEMPLATE("a device activation in place equals the one of a product, also far out", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  Matrix<double> u({1, 4});
  u(0, 0) = -6.0;
  u(0, 1) = -3.0;
  u(0, 2) = 9.0;
  u(0, 3) = std::numeric_limits<double>::quiet_NaN();
  for (Activation const activation : activations) {
    auto there = on_device(exec, u);
    kernels::activate(exec, activation, there.cview(), there.view());
    auto const got = on_host(exec, there);
    for (Index j = 0; j < 3; ++j) { CHECK(std::abs(got(0, j) - value_of(activation, u(0, j))) <= tolerance<double>(Kind::elementwise) * std::abs(value_of(activation, u(0, j)))); }
    CHECK(std::isnan(got(0, 3)));
  }
}

}  // namespace accrete::test::activation_test
