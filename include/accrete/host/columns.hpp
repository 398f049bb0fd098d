#pragma once

#include <accrete/config.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/simd.hpp>

namespace accrete::host {

/// sum_i x_i y_i, always in the same tree of sums.
[[nodiscard]] inline double inner_product(double const* x, double const* y, Index count) {
  constexpr Index lanes = simd::lanes<double>;
  constexpr int chains = 4;
  simd::Vec<double> sum[chains] = {};
  Index const whole = count - count % (chains * lanes);
  for (Index i = 0; i < whole; i += chains * lanes) {
    ACCRETE_UNROLL
    for (int c = 0; c < chains; ++c) { sum[c] = simd::multiply_add(simd::load(x + i + c * lanes), simd::load(y + i + c * lanes), sum[c]); }
  }
  double total = simd::sum_of_lanes<double>((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (Index i = whole; i < count; ++i) { total += x[i] * y[i]; }
  return total;
}

/// y += factor * x
inline void add_scaled(double factor, double const* x, double* y, Index count) {
  constexpr Index lanes = simd::lanes<double>;
  auto const wide = simd::broadcast(factor);
  Index i = 0;
  for (; i + lanes <= count; i += lanes) { simd::store(y + i, simd::multiply_add(wide, simd::load(x + i), simd::load(y + i))); }
  for (; i < count; ++i) { y[i] += factor * x[i]; }
}

/// x <- factor * x
inline void scale(double factor, double* x, Index count) {
  for (Index i = 0; i < count; ++i) { x[i] *= factor; }
}

}  // namespace accrete::host
