#pragma once

#include <accrete/host/simd.hpp>

#include <cmath>
#include <cstdint>

namespace accrete::host::simd {

/// e^x in each lane; relative error below 1.5e-7. 0 below -87.3, infinity above 88.7, NaN stays.
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial of degree 6, fitted for the least relative error on that interval; 2^n by its exponent bits.
[[nodiscard]] inline Vec<float> exponential(Vec<float> x) {
  constexpr float magic = 0x1.8p23F;  // adding it leaves the nearest integer in the low bits
  Vec<float> const shifted = multiply_add(x, broadcast(1.44269504F), broadcast(magic));
  Vec<float> const n = shifted - magic;
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
  // Half of the exponent at a time, so that results next to the largest float are reached.
  Vec<std::int32_t> const whole = as_bits<std::int32_t, float>(shifted) - std::bit_cast<std::int32_t>(magic);
  Vec<std::int32_t> const half = whole >> 1;
  Vec<float> const low = as_bits<float, std::int32_t>((half + 127) << 23);
  Vec<float> const high = as_bits<float, std::int32_t>((whole - half + 127) << 23);
  Vec<float> result = p * low * high;
  result = x < -87.3F ? Vec<float>{} : result;
  return x > 88.72F ? broadcast(std::numeric_limits<float>::infinity()) : result;
}

/// e^x for x <= 0, what a softmax needs after the maximum is taken off: the same without the upper range.
[[nodiscard]] inline Vec<float> exponential_of_negative(Vec<float> x) {
  constexpr float magic = 0x1.8p23F;
  Vec<float> const shifted = multiply_add(x, broadcast(1.44269504F), broadcast(magic));
  Vec<float> const n = shifted - magic;
  Vec<float> r = multiply_add(n, broadcast(-0x1.62e400p-1F), x);
  r = multiply_add(n, broadcast(-0x1.7f7d1cp-20F), r);
  Vec<float> p = broadcast(0x1.6a2256p-10F);
  p = multiply_add(p, r, broadcast(0x1.123b04p-7F));
  p = multiply_add(p, r, broadcast(0x1.5558f8p-5F));
  p = multiply_add(p, r, broadcast(0x1.555490p-3F));
  p = multiply_add(p, r, broadcast(0x1.fffffcp-2F));
  p = multiply_add(p, r, broadcast(1.0F));
  p = multiply_add(p, r, broadcast(1.0F));
  Vec<std::int32_t> const scale = (as_bits<std::int32_t, float>(shifted) + 127) << 23;  // the low bits of `shifted` hold n; magic's own fall out
  Vec<float> const result = p * as_bits<float, std::int32_t>(scale);
  return x < -87.3F ? Vec<float>{} : result;
}
[[nodiscard]] inline Vec<double> exponential_of_negative(Vec<double> x) {
  for (int i = 0; i < lanes<double>; ++i) { x[i] = std::exp(x[i]); }
  return x;
}

/// u * (1 + erf(u / sqrt 2)) / 2 in each lane; absolute error below 2e-7 for |u| <= 1, relative 2e-7 above.
///   gelu(u) = max(u, 0) - m erfc(m / sqrt 2) / 2 with m = |u|,   erfc(m / sqrt 2) = exp(-m Q(m))
/// Q has degree 8, fitted for the least absolute error on [0, 6]; beyond 6 the second term is below 6e-9.
[[nodiscard]] inline Vec<float> gelu(Vec<float> u) {
  Vec<float> const zero{};
  Vec<float> const size = u < zero ? -u : u;
  Vec<float> const m = size > 6.0F ? broadcast(6.0F) : size;
  Vec<float> q = broadcast(-2.948487938e-07F);
  q = multiply_add(q, m, broadcast(5.768231478e-06F));
  q = multiply_add(q, m, broadcast(-4.703003339e-05F));
  q = multiply_add(q, m, broadcast(1.821831577e-04F));
  q = multiply_add(q, m, broadcast(1.508937626e-05F));
  q = multiply_add(q, m, broadcast(-4.828997344e-03F));
  q = multiply_add(q, m, broadcast(3.635788634e-02F));
  q = multiply_add(q, m, broadcast(3.183049206e-01F));
  q = multiply_add(q, m, broadcast(7.978849263e-01F));
  Vec<float> const tail = exponential_of_negative(-m * q);
  Vec<float> const positive = u < zero ? zero : u;
  return multiply_add(m * -0.5F, tail, positive);
}

/// u * sigmoid(1.702 u) in each lane.
[[nodiscard]] inline Vec<float> quick_gelu(Vec<float> u) { return u / (1.0F + exponential(u * -1.702F)); }

[[nodiscard]] inline Vec<float> relu(Vec<float> u) { return u < Vec<float>{} ? Vec<float>{} : u; }

}  // namespace accrete::host::simd
