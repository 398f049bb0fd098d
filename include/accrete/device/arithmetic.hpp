#pragma once

#include <accrete/config.hpp>
#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/product.hpp>

#include <cmath>
#include <type_traits>

/// Scalar steps that the functors share. All of it runs on both sides, so nothing here calls a constexpr host function.
namespace accrete::device {

/// What sums and products of `T` are kept in.
template <class T>
using Accumulator = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// The same number in another scalar, rounded to nearest even.
template <class To, class From>
[[nodiscard]] ACCRETE_HD To converted(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<From, bfloat16>) {
    return static_cast<To>(to_float(value));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return to_bfloat16(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

/// Interleaved partial sums of one long sum, folded in pairs at the end: a fixed order that a vector unit can follow.
template <class Sum>
struct LaneSum {
  static constexpr int lanes = 16;
  Sum part[lanes] = {};

  /// Adds term(i) for i in [0, count).
  template <class Term>
  ACCRETE_HD void add(Index count, Term const& term) {
    Index i = 0;
    for (; i + lanes <= count; i += lanes) {
      for (int lane = 0; lane < lanes; ++lane) { part[lane] += term(i + lane); }
    }
    for (int lane = 0; lane < lanes && i + lane < count; ++lane) { part[lane] += term(i + lane); }
  }

  [[nodiscard]] ACCRETE_HD Sum total() const {
    Sum folded[lanes];
    for (int lane = 0; lane < lanes; ++lane) { folded[lane] = part[lane]; }
    for (int half = lanes / 2; half > 0; half /= 2) {
      for (int lane = 0; lane < half; ++lane) { folded[lane] += folded[lane + half]; }
    }
    return folded[0];
  }
};

/// The sum of term(i) for i in [0, count).
template <class Sum, class Term>
[[nodiscard]] ACCRETE_HD Sum sum_of(Index count, Term const& term) {
  LaneSum<Sum> sum;
  sum.add(count, term);
  return sum.total();
}

/// The inner product of two runs of `count` numbers.
template <class Sum, class A, class B>
[[nodiscard]] ACCRETE_HD Sum inner_product(A const* a, B const* b, Index count) {
  return sum_of<Sum>(count, [a, b](Index i) { return converted<Sum>(a[i]) * converted<Sum>(b[i]); });
}

[[nodiscard]] ACCRETE_HD inline float activated(kernels::Activation activation, float u) {
  switch (activation) {
    case kernels::Activation::gelu: return 0.5F * u * std::erfc(u * -0.70710678118654752F);  // 1 + erf(x) would cancel for negative x
    case kernels::Activation::quick_gelu: return u / (1.0F + std::exp(-1.702F * u));
    case kernels::Activation::relu: return u < 0.0F ? 0.0F : u;  // keeps a NaN
    case kernels::Activation::none: break;
  }
  return u;
}

}  // namespace accrete::device
