#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace accrete::test {

/// Any scalar in double.
template <class T>
[[nodiscard]] double widened(T value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<double>(value);
  } else {
    return static_cast<double>(to_float(value));
  }
}

namespace detail {
template <class Array>
[[nodiscard]] auto viewed(Array const& array) {
  if constexpr (requires { array.cview(); }) {
    return array.cview();
  } else {
    return array;
  }
}
}  // namespace detail

/// max |got - want| / max |want| over two tensors or views. Infinite when the shapes differ or a NaN stands on one side only,
/// so that a comparison with a tolerance fails; an array of zeros is compared absolutely.
template <class Got, class Want>
[[nodiscard]] double relative_difference(Got const& got_array, Want const& want_array) {
  auto const got = detail::viewed(got_array);
  auto const want = detail::viewed(want_array);
  if (got.shape() != want.shape()) { return std::numeric_limits<double>::infinity(); }
  double largest = 0.0;
  double difference = 0.0;
  for (Index i = 0; i < want.size(); ++i) {
    double const a = widened(got.data()[i]);
    double const b = widened(want.data()[i]);
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      if (std::isfinite(b)) { largest = std::max(largest, std::abs(b)); }
      continue;
    }
    if (!std::isfinite(a) || !std::isfinite(b)) { return std::numeric_limits<double>::infinity(); }
    largest = std::max(largest, std::abs(b));
    difference = std::max(difference, std::abs(a - b));
  }
  return largest > 0.0 ? difference / largest : difference;
}

/// Same shape and the same bits in every element.
template <class Left, class Right>
[[nodiscard]] bool same_bits(Left const& left_array, Right const& right_array) {
  auto const left = detail::viewed(left_array);
  auto const right = detail::viewed(right_array);
  using Scalar = typename decltype(left)::value_type;
  static_assert(std::is_same_v<Scalar, typename decltype(right)::value_type>, "bits of two scalars cannot be the same");
  auto const bytes = static_cast<std::size_t>(left.size()) * sizeof(Scalar);
  return left.shape() == right.shape() && (bytes == 0 || std::memcmp(left.data(), right.data(), bytes) == 0);
}

}  // namespace accrete::test
