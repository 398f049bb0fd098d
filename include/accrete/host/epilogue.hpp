#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/error.hpp>
#include <accrete/core/precision.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/functions.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <type_traits>

namespace accrete::host {
namespace detail {
[[nodiscard]] inline simd::Vec<float> activate(kernels::Activation activation, simd::Vec<float> u) {
  switch (activation) {
    case kernels::Activation::gelu: return simd::gelu(u);
    case kernels::Activation::quick_gelu: return simd::quick_gelu(u);
    case kernels::Activation::relu: return simd::relu(u);
    case kernels::Activation::none: break;
  }
  return u;
}
}  // namespace detail

/// @throws ValueError  when rows of X meet weights packed for the other precision
template <class X>
void check_input_scalar(Precision packed) {
  static_assert(std::is_same_v<X, float> || std::is_same_v<X, bfloat16>, "products take rows of float or bfloat16");
  constexpr Precision given = std::is_same_v<X, float> ? Precision::float32 : Precision::bfloat16;
  if (given != packed) { fail<ValueError>("product", "rows of ", name_of(given), " meet weights packed in ", name_of(packed)); }
}

/// y = act(product + bias), or y += product + bias, one row of a product in float32, rounded once when y is bfloat16.
/// @param[in] bias [width] or nullptr;  @param[in] product [width];  @param[in,out] y [width]
/// For an engine that cannot fuse these into the product itself. The last, shorter vector goes the same way as the others.
template <class Y>
void finish_row(float const* product, float const* bias, kernels::Epilogue epilogue, Index width, Y* y) {
  constexpr Index step = simd::lanes<float>;
  float before[simd::lanes<float>] = {};
  for (Index c = 0; c < width; c += step) {
    Index const count = std::min(step, width - c);
    bool const whole = count == step;
    auto value = whole ? simd::load(product + c) : simd::load_part(product + c, count);
    if (bias != nullptr) { value += whole ? simd::load(bias + c) : simd::load_part(bias + c, count); }
    if (epilogue.accumulate) {
      for (Index i = 0; i < count; ++i) { before[i] = to_float(y[c + i]); }
      value += simd::load(before);
    }
    value = detail::activate(epilogue.activation, value);
    if (whole) {
      simd::store_narrow(y + c, value);
    } else {
      Y narrow[simd::lanes<float>];
      simd::store_narrow(narrow, value);
      std::copy(narrow, narrow + count, y + c);
    }
  }
}

}  // namespace accrete::host
