#pragma once

#include <accrete/host/simd.hpp>

#include <cmath>
#include <cstdint>

namespace accrete::host::simd {

/// e^x = power 2^n with n = round(x / ln 2).
struct SplitExponential {
  static constexpr float magic = 0x1.8p23F;  ///< adding it leaves the nearest integer in the low bits

  Vec<float> power;    ///< e^r with r = x - n ln 2, |r| <= ln 2 / 2, by a polynomial of degree 6, fitted for the least relative error on that interval
  Vec<float> shifted;  ///< n + magic
};
[[nodiscard]] inline SplitExponential split_exponential(Vec<float> x) {
  Vec<float> const shifted = multiply_add(x, broadcast(1.44269504F), broadcast(SplitExponential::magic));
  Vec<float> const n = shifted - SplitExponential::magic;
  // ln 2 in two parts, the first short enough that n times it is exact.
  Vec<float> r = multiply_add(n, broadcast(-0x1.62e400p-1F), x);
  r = multiply_add(n, broadcast(-0x1.7f7d1cp-20F), r);
  Vec<float> p = broadcast(0x1.6a2256p-10F);
  p = multiply_add(p, r, broadcast(0x1.123b04p-7F));
  p = multiply_add(p, r, broadcast(0x1.5558f8p-5F));
  p = multiply_add(p, r, broadcast(0x1.555490p-3F));
  p = multiply_add(p, r, broadcast(0x1.fffffcp-2F));
  p = multiply_add(p, r, broadcast(1.0F));
  p = multiply_add(p, r, broadcast(1.0F));
  return {p, shifted};
}

/// e^x in each lane; relative error below 1.5e-7. 0 below -87.3, infinity above 88.7, NaN stays.
[[nodiscard]] inline Vec<float> exponential(Vec<float> x) {
  auto const [power, shifted] = split_exponential(x);
  // Half of the exponent at a time, so that results next to the largest float are reached.
  Vec<std::int32_t> const whole = as_bits<std::int32_t, float>(shifted) - std::bit_cast<std::int32_t>(SplitExponential::magic);
  Vec<std::int32_t> const half = whole >> 1;
  Vec<float> const low = as_bits<float, std::int32_t>((half + 127) << 23);
  Vec<float> const high = as_bits<float, std::int32_t>((whole - half + 127) << 23);
  Vec<float> result = power * low * high;
  result = x < -87.3F ? Vec<float>{} : result;
  return x > 88.72F ? broadcast(std::numeric_limits<float>::infinity()) : result;
}

/// e^x for x <= 0, what a softmax needs after the maximum is taken off: the same without the upper range.
[[nodiscard]] inline Vec<float> exponential_of_negative(Vec<float> x) {
  auto const [power, shifted] = split_exponential(x);
  Vec<std::int32_t> const scale = (as_bits<std::int32_t, float>(shifted) + 127) << 23;  // the low bits of `shifted` hold n; magic's own fall out
  Vec<float> const result = power * as_bits<float, std::int32_t>(scale);
  return x < -87.3F ? Vec<float>{} : result;
}
[[nodiscard]] inline Vec<double> exponential_of_negative(Vec<double> x) {
  for (int i = 0; i < lanes<double>; ++i) { x[i] = std::exp(x[i]); }
  return x;
}

/// 2^x in each lane for -120 <= x <= 0; relative error below 1e-7 and that of x. 2^r with |r| <= 1/2 by a polynomial of degree 6, fitted for the least relative error.
[[nodiscard]] inline Vec<float> power_of_two(Vec<float> x) {
  constexpr float magic = 0x1.8p23F + 127.0F;  // adding it leaves the exponent of the nearest power in the low bits
  Vec<float> const shifted = x + magic;
  Vec<float> const r = x - (shifted - magic);
  Vec<float> p = broadcast(0x1.41fbbcp-13F);
  p = multiply_add(p, r, broadcast(0x1.5f3e54p-10F));
  p = multiply_add(p, r, broadcast(0x1.3b2d4cp-7F));
  p = multiply_add(p, r, broadcast(0x1.c6aee8p-5F));
  p = multiply_add(p, r, broadcast(0x1.ebfbdcp-3F));
  p = multiply_add(p, r, broadcast(0x1.62e430p-1F));
  p = multiply_add(p, r, broadcast(1.0F));
  return p * as_bits<float, std::int32_t>(as_bits<std::int32_t, float>(shifted) << 23);
}

/// erfc(m / sqrt 2) = 2^(m Q(m)) for 0 <= m <= 6. Q has degree 8, fitted for the least absolute error of m times it.
[[nodiscard]] inline Vec<float> gelu_tail(Vec<float> m) {
  Vec<float> q = broadcast(4.253768964e-07F);
  q = multiply_add(q, m, broadcast(-8.321799214e-06F));
  q = multiply_add(q, m, broadcast(6.784999277e-05F));
  q = multiply_add(q, m, broadcast(-2.628347429e-04F));
  q = multiply_add(q, m, broadcast(-2.176936869e-05F));
  q = multiply_add(q, m, broadcast(6.966770627e-03F));
  q = multiply_add(q, m, broadcast(-5.245334283e-02F));
  q = multiply_add(q, m, broadcast(-4.592169225e-01F));
  q = multiply_add(q, m, broadcast(-1.151104569e+00F));
  return power_of_two(m * q);
}
/// min(|u|, 6): beyond, erfc(m / sqrt 2) is below 2e-9.
[[nodiscard]] inline Vec<float> gelu_size(Vec<float> u) { return smaller(broadcast(6.0F), magnitude(u)); }

/// u * (1 + erf(u / sqrt 2)) / 2 in each lane; absolute error below 2e-7 for |u| <= 1, relative 2e-7 above.
///   gelu(u) = max(u, 0) - m erfc(m / sqrt 2) / 2 with m = min(|u|, 6): beyond 6 the second term is below 6e-9
[[nodiscard]] inline Vec<float> gelu(Vec<float> u) {
  Vec<float> const m = gelu_size(u);
  return multiply_add(m * -0.5F, gelu_tail(m), larger(Vec<float>{}, u));
}

/// The derivative Phi(u) + u phi(u) in each lane; absolute error below 2e-7.
///   Phi(-m) = erfc(m / sqrt 2) / 2 as in `gelu`,   phi(u) = exp(-u^2 / 2) / sqrt(2 pi), zero beyond 14
[[nodiscard]] inline Vec<float> gelu_derivative(Vec<float> u) {
  Vec<float> const zero{};
  Vec<float> const below = gelu_tail(gelu_size(u)) * 0.5F;
  Vec<float> const inside = smaller(broadcast(14.0F), larger(broadcast(-14.0F), u));
  Vec<float> const density = exponential_of_negative(inside * inside * -0.5F) * 0.398942280F;
  return multiply_add(inside, density, u < zero ? below : 1.0F - below);
}

/// u * sigmoid(1.702 u) in each lane.
[[nodiscard]] inline Vec<float> quick_gelu(Vec<float> u) { return u / (1.0F + exponential(u * -1.702F)); }

/// The derivative s (1 + 1.702 u (1 - s)) with s = sigmoid(1.702 u).
[[nodiscard]] inline Vec<float> quick_gelu_derivative(Vec<float> u) {
  Vec<float> const s = 1.0F / (1.0F + exponential(u * -1.702F));
  return s * multiply_add(u * 1.702F, 1.0F - s, broadcast(1.0F));
}

/// In double lane by lane with the functions of the C++ library: what others are checked against.
[[nodiscard]] inline Vec<double> gelu(Vec<double> u) {
  for (int i = 0; i < lanes<double>; ++i) { u[i] *= std::erfc(u[i] * -0.70710678118654752) / 2.0; }
  return u;
}
[[nodiscard]] inline Vec<double> gelu_derivative(Vec<double> u) {
  for (int i = 0; i < lanes<double>; ++i) { u[i] = std::erfc(u[i] * -0.70710678118654752) / 2.0 + u[i] * std::exp(u[i] * u[i] * -0.5) * 0.39894228040143268; }
  return u;
}
[[nodiscard]] inline Vec<double> quick_gelu(Vec<double> u) {
  for (int i = 0; i < lanes<double>; ++i) { u[i] /= 1.0 + std::exp(u[i] * -1.702); }
  return u;
}
[[nodiscard]] inline Vec<double> quick_gelu_derivative(Vec<double> u) {
  for (int i = 0; i < lanes<double>; ++i) {
    double const s = 1.0 / (1.0 + std::exp(u[i] * -1.702));
    u[i] = s * (1.0 + u[i] * 1.702 * (1.0 - s));
  }
  return u;
}

template <class V>
[[nodiscard]] inline V relu(V u) {
  return u < V{} ? V{} : u;
}
/// 1 where u > 0, else 0; a NaN stays one.
template <class V>
[[nodiscard]] inline V relu_derivative(V u) {
  V const step = u > V{} ? V{} + 1 : V{};
  return u == u ? step : u;
}

}  // namespace accrete::host::simd
