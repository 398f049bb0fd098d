#pragma once

#include <accrete/config.hpp>

#include <cstdint>

namespace accrete {

/// The upper half of a float32: 8 bits of exponent, 8 of significand. Storage only; arithmetic is done in float.
struct bfloat16 {
  std::uint16_t bits = 0;

  friend constexpr bool operator==(bfloat16, bfloat16) = default;
};

/// IEEE half precision: 5 bits of exponent, 11 of significand. Storage only.
struct float16 {
  std::uint16_t bits = 0;

  friend constexpr bool operator==(float16, float16) = default;
};

// The builtin under std::bit_cast, which nvcc takes for a host function.

/// Exact widening.
[[nodiscard]] ACCRETE_HD constexpr float to_float(bfloat16 value) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(value.bits) << 16U); }

/// Round to nearest even; a NaN keeps its sign and becomes quiet.
[[nodiscard]] ACCRETE_HD constexpr bfloat16 to_bfloat16(float value) {
  auto const x = __builtin_bit_cast(std::uint32_t, value);
  auto const magnitude = x & 0x7FFFFFFFU;
  auto const rounded = (x + 0x7FFFU + ((x >> 16U) & 1U)) >> 16U;
  auto const quiet = (x >> 16U) | 0x0040U;
  return {static_cast<std::uint16_t>(magnitude > 0x7F800000U ? quiet : rounded)};
}

/// Exact widening, subnormals included.
[[nodiscard]] ACCRETE_HD constexpr float to_float(float16 value) {
  std::uint32_t const sign = static_cast<std::uint32_t>(value.bits & 0x8000U) << 16U;
  std::uint32_t const exponent = (value.bits >> 10U) & 0x1FU;
  std::uint32_t const fraction = value.bits & 0x3FFU;
  if (exponent == 0) {
    float const subnormal = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -subnormal : subnormal;
  }
  std::uint32_t const wide = exponent == 31 ? 0xFFU : exponent + 112U;
  return __builtin_bit_cast(float, sign | (wide << 23U) | (fraction << 13U));
}

/// Round to nearest even; magnitudes of 65520 and more become infinite, below 2^-14 the result is subnormal.
[[nodiscard]] ACCRETE_HD constexpr float16 to_float16(float value) {
  auto const x = __builtin_bit_cast(std::uint32_t, value);
  auto const sign = static_cast<std::uint16_t>((x >> 16U) & 0x8000U);
  std::uint32_t const magnitude = x & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) { return {static_cast<std::uint16_t>(sign | 0x7E00U | ((magnitude >> 13U) & 0x1FFU))}; }
  if (magnitude >= 0x477FF000U) { return {static_cast<std::uint16_t>(sign | 0x7C00U)}; }
  if (magnitude < 0x38800000U) {
    // Adding 0.5 aligns the last kept bit with 2^-24, so the sum's own rounding is the rounding we want.
    float const shifted = __builtin_bit_cast(float, magnitude) + 0.5F;
    return {static_cast<std::uint16_t>(sign | (__builtin_bit_cast(std::uint32_t, shifted) - 0x3F000000U))};
  }
  std::uint32_t const rounded = magnitude + 0xFFFU + ((magnitude >> 13U) & 1U);
  return {static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13U))};
}

/// The same spelling for scalars that are already wide.
[[nodiscard]] ACCRETE_HD constexpr float to_float(float value) { return value; }

}  // namespace accrete
