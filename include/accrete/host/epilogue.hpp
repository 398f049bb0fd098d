#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/error.hpp>
#include <accrete/core/precision.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/activation.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/kernels/product.hpp>

#include <type_traits>

namespace accrete::host {
/// @throws ValueError  when rows of X meet weights packed for the other precision
template <class X>
void check_input_scalar(Precision packed) {
  static_assert(std::is_same_v<X, float> || std::is_same_v<X, bfloat16> || std::is_same_v<X, double>, "products take rows of float, bfloat16 or double");
  constexpr Precision given = std::is_same_v<X, float> ? Precision::float32 : std::is_same_v<X, double> ? Precision::float64 : Precision::bfloat16;
  if (given != packed) { fail<ValueError>("product", "rows of ", name_of(given), " meet weights packed in ", name_of(packed)); }
}

/// y = act(product + bias), or y += product + bias, one row of a product in float32 or float64, rounded once when y is bfloat16.
/// @param[in] bias [width] or nullptr;  @param[in] product [width];  @param[in,out] y [width]
/// For an engine that cannot fuse these into the product itself. The last, shorter vector goes the same way as the others.
template <class S, class Y>
void finish_row(S const* product, S const* bias, kernels::Epilogue epilogue, Index width, Y* y) {
  detail::with_activation(epilogue.activation, [&](auto activation) {
    for_vectors<S>(width, [&](Index c, auto lanes) {
      auto value = lanes.load(product + c);
      if (bias != nullptr) { value += lanes.load(bias + c); }
      if (epilogue.accumulate) { value += lanes.load(y + c); }
      lanes.store(y + c, detail::activate(activation, value));
    });
  });
}

}  // namespace accrete::host
