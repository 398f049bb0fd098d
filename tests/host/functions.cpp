#include "support/tolerances.hpp"

#include <accrete/host/functions.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace accrete::test::functions_test {
namespace {
namespace simd = accrete::host::simd;

template <class T, class Function>
T at(Function const& function, T x) {
  return function(simd::broadcast(x))[simd::lanes<T> - 1];
}

/// Largest error of a float function over [from, to], by `measure(got, want)`.
template <class Function, class Reference, class Measure>
double largest_error(Function const& function, Reference const& reference, double from, double to, Measure const& measure) {
  constexpr int steps = 200000;
  double largest = 0.0;
  for (int i = 0; i <= steps; ++i) {
    auto const x = static_cast<float>(from + (to - from) * i / steps);
    largest = std::max(largest, measure(static_cast<double>(at(function, x)), reference(static_cast<double>(x))));
  }
  return largest;
}

double relative(double got, double want) { return std::abs(got - want) / std::abs(want); }
double absolute(double got, double want) { return std::abs(got - want); }
double exact_gelu(double u) { return u * 0.5 * std::erfc(-u / std::sqrt(2.0)); }

auto const exponential = [](simd::Vec<float> v) { return simd::exponential(v); };
auto const exponential_of_negative = [](simd::Vec<float> v) { return simd::exponential_of_negative(v); };
auto const gelu = [](simd::Vec<float> v) { return simd::gelu(v); };
auto const quick_gelu = [](simd::Vec<float> v) { return simd::quick_gelu(v); };
constexpr float infinite = std::numeric_limits<float>::infinity();
}  // namespace

TEST_CASE("the exponential is within 1.5e-7 of the true one over its whole range") {
  auto const reference = [](double x) { return std::exp(x); };
  CHECK(largest_error(exponential, reference, -87.3, 88.7, relative) < 1.5e-7);
  CHECK(largest_error(exponential_of_negative, reference, -87.3, 0.0, relative) < 1.5e-7);
  CHECK(at(exponential, 0.0F) == 1.0F);
  CHECK(at(exponential_of_negative, 0.0F) == 1.0F);
}

TEST_CASE("the exponential ends in zero, infinity and NaN") {
  for (float const x : {-88.0F, -1e30F, -infinite}) {
    CHECK(at(exponential, x) == 0.0F);
    CHECK(at(exponential_of_negative, x) == 0.0F);
  }
  for (float const x : {89.0F, 1e30F, infinite}) { CHECK(at(exponential, x) == infinite); }
  for (float const x : {std::numeric_limits<float>::quiet_NaN(), std::bit_cast<float>(0x7FC00001U), std::bit_cast<float>(0xFFFFFFFFU)}) {
    CHECK(std::isnan(at(exponential, x)));
    CHECK(std::isnan(at(exponential_of_negative, x)));
  }
}

TEST_CASE("GELU's error function is within 2e-7 absolutely, so the activation is within 2e-7 of its size") {
  auto const scaled = [](double got, double want) { return std::abs(got - want) / std::max(1.0, std::abs(want)); };
  CHECK(largest_error(gelu, exact_gelu, -12.0, 12.0, scaled) < 2e-7);
  CHECK(largest_error(gelu, exact_gelu, -1e6, 1e6, scaled) < 2e-7);
  // erf from gelu: erf(u / sqrt 2) = 2 gelu(u) / u - 1, so its absolute error is 2 |gelu error| / |u|.
  double erf_error = 0.0;
  for (int i = 1; i <= 60000; ++i) {
    float const u = static_cast<float>(i) * 1e-4F;
    erf_error = std::max(erf_error, 2.0 * std::abs(static_cast<double>(at(gelu, -u)) - exact_gelu(-static_cast<double>(u))) / static_cast<double>(u));
  }
  CHECK(erf_error < 2e-7);
  CHECK(at(gelu, 0.0F) == 0.0F);
  CHECK(at(gelu, infinite) == infinite);
  CHECK(std::abs(at(gelu, -infinite)) < 1e-8F);
  CHECK(std::isnan(at(gelu, std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("QuickGELU and ReLU follow their formulas") {
  auto const reference = [](double u) { return u / (1.0 + std::exp(-1.702 * u)); };
  CHECK(largest_error(quick_gelu, reference, -100.0, 100.0, [](double got, double want) { return std::abs(got - want) / std::max(1.0, std::abs(want)); }) < tolerance<float>(Kind::elementwise));
  auto const relu = [](simd::Vec<float> v) { return simd::relu(v); };
  CHECK(largest_error(
            relu, [](double u) { return std::max(u, 0.0); }, -3.0, 3.0, absolute) == 0.0);
  CHECK(std::isnan(at(relu, std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace accrete::test::functions_test
