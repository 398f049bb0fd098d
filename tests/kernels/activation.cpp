#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/naive_activation.hpp"
#include "support/samples.hpp"
#include "support/slopes.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/activation.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace accrete::test::activation_test {
namespace {
using kernels::Activation;

constexpr std::array activations{Activation::none, Activation::gelu, Activation::quick_gelu, Activation::relu};

double slope(Activation activation, double u) {
  return slope_at(u, [&](double v) { return naive_activation(activation, v); });
}

/// A row of numbers over the whole range that matters, none within a step of the corner of relu.
template <class T>
Matrix<T> range_of_inputs(Index width) {
  Matrix<double> u({1, width});
  for (Index i = 0; i < width; ++i) { u(0, i) = -12.0 + 24.0 * (static_cast<double>(i) + 0.8) / static_cast<double>(width); }
  return in_scalar<T>(u);
}
}  // namespace

TEST_CASE_TEMPLATE("an activation equals its formula at every width, also in place", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Activation const activation : activations) {
      for (Index const width : {1, 7, 16, 33, 768}) {
        CAPTURE(static_cast<int>(activation));
        CAPTURE(width);
        auto u = normal<T>(1, Shape<2>{19, width + 2});
        auto const wide = in_scalar<double>(u);
        Matrix<double> want({19, width});
        for (Index i = 0; i < 19; ++i) {
          for (Index j = 0; j < width; ++j) { want(i, j) = naive_activation(activation, wide(i, j + 1)); }
        }
        Matrix<T> y({19, width});
        kernels::activate(exec, activation, columns(u.view(), 1, width), y.view());
        CHECK(relative_difference(y, want) <= tolerance<T>(Kind::elementwise));
        kernels::activate(exec, activation, columns(u.view(), 1, width), columns(u.view(), 1, width));
        bool same = true;
        for (Index i = 0; i < 19; ++i) { same = same && std::equal(y[i].begin(), y[i].end(), u[i].begin() + 1); }
        CHECK(same);
      }
    }
  }
}

TEST_CASE_TEMPLATE("the gradient in front of an activation is that of central differences", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Activation const activation : activations) {
      for (Index const width : {1, 7, 16, 33, 4001}) {
        CAPTURE(static_cast<int>(activation));
        CAPTURE(width);
        auto const u = range_of_inputs<T>(width);
        auto d = normal<T>(2, Shape<2>{1, width});
        auto const wide = in_scalar<double>(u);
        auto want = in_scalar<double>(d);
        for (Index j = 0; j < width; ++j) { want(0, j) *= slope(activation, wide(0, j)); }
        kernels::activate_backward(exec, activation, u.view(), d.view());
        CHECK(relative_difference(d, want) <= (std::is_same_v<T, double> ? tolerance<T>(Kind::differences) : tolerance<T>(Kind::elementwise)));
      }
    }
  }
}

TEST_CASE_TEMPLATE("the derivative of gelu in float is within 2e-7 everywhere", Exec, ACCRETE_HOST_EXECUTORS) {
  Index const count = 400000;
  Matrix<float> u({1, count});
  Matrix<float> d({1, count});
  for (Index i = 0; i < count; ++i) {
    u(0, i) = static_cast<float>(-20.0 + 40.0 * static_cast<double>(i) / static_cast<double>(count));
    d(0, i) = 1.0F;
  }
  kernels::activate_backward(Exec{}, Activation::gelu, u.view(), d.view());
  double largest = 0.0;
  for (Index i = 0; i < count; ++i) {
    auto const x = static_cast<double>(u(0, i));
    double const want = std::erfc(-x / std::sqrt(2.0)) / 2.0 + x * std::exp(-x * x / 2.0) / std::sqrt(2.0 * std::acos(-1.0));
    largest = std::max(largest, std::abs(static_cast<double>(d(0, i)) - want));
  }
  CHECK(largest < 2e-7);  // what backbone.md asks of erf
}

TEST_CASE_TEMPLATE("derivatives far out are 0 and 1, and a NaN stays one", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  typename Case::Executor const exec;
  for (Activation const activation : {Activation::gelu, Activation::quick_gelu, Activation::relu}) {
    CAPTURE(static_cast<int>(activation));
    Matrix<T> u({1, 4});
    Matrix<T> d({1, 4});
    std::fill(d.begin(), d.end(), T{2});
    u(0, 0) = T{-3000};
    u(0, 1) = T{3000};
    u(0, 2) = std::numeric_limits<T>::quiet_NaN();
    u(0, 3) = T{0};
    kernels::activate_backward(exec, activation, u.view(), d.view());
    CHECK(std::abs(d(0, 0)) <= static_cast<T>(4e-9));  // float's fit stops at 6, where 2e-9 is left
    CHECK(d(0, 1) == T{2});
    CHECK(std::isnan(d(0, 2)));
    CHECK(d(0, 3) == (activation == Activation::relu ? T{0} : T{1}));
  }
}

TEST_CASE_TEMPLATE("activations name shapes that differ", Exec, ACCRETE_HOST_EXECUTORS) {
  auto a = Matrix<float>::zeros({2, 3});
  auto b = Matrix<float>::zeros({3, 2});
  CHECK_THROWS_WITH_AS(kernels::activate(Exec{}, Activation::gelu, a.view(), b.view()), doctest::Contains("2, 3, 3, 2"), ShapeError);
  CHECK_THROWS_AS(kernels::activate_backward(Exec{}, Activation::none, a.view(), b.view()), ShapeError);
}

}  // namespace accrete::test::activation_test
