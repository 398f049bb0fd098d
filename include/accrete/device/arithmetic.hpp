#pragma once

#include <accrete/config.hpp>
#include <accrete/core/bfloat16.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/activation.hpp>

#include <cmath>
#include <type_traits>

/// Scalar steps that the functors share. All of it runs on both sides, so nothing here calls a constexpr host function.
namespace accrete::device {

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

/// act(u), in float or double.
template <class Sum>
[[nodiscard]] ACCRETE_HD Sum activated(kernels::Activation activation, Sum u) {
  switch (activation) {
    case kernels::Activation::gelu: return static_cast<Sum>(0.5) * u * std::erfc(u * static_cast<Sum>(-0.70710678118654752440));  // 1 + erf(x) would cancel for negative x
    case kernels::Activation::quick_gelu: return u / (Sum{1} + std::exp(static_cast<Sum>(-1.702) * u));
    case kernels::Activation::relu: return u < Sum{0} ? Sum{0} : u;  // keeps a NaN
    case kernels::Activation::none: break;
  }
  return u;
}

/// act'(u).
template <class Sum>
[[nodiscard]] ACCRETE_HD Sum activation_slope(kernels::Activation activation, Sum u) {
  switch (activation) {
    case kernels::Activation::gelu: {
      Sum const below = static_cast<Sum>(0.5) * std::erfc(u * static_cast<Sum>(-0.70710678118654752440));
      return below + u * static_cast<Sum>(0.39894228040143267794) * std::exp(static_cast<Sum>(-0.5) * u * u);
    }
    case kernels::Activation::quick_gelu: {
      Sum const gate = Sum{1} / (Sum{1} + std::exp(static_cast<Sum>(-1.702) * u));
      return gate * (Sum{1} + static_cast<Sum>(1.702) * u * (Sum{1} - gate));
    }
    case kernels::Activation::relu: return u > Sum{0} ? Sum{1} : Sum{0};
    case kernels::Activation::none: break;
  }
  return Sum{1};
}

}  // namespace accrete::device
