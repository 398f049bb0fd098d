#include "support/golden.hpp"

#include <accrete/core/bfloat16.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>

namespace accrete {
namespace {

// Bit patterns from numpy (half) and ml_dtypes (bfloat16).
TEST_CASE("widening is exact") {
  auto const casts = test::golden("casts");
  auto const bits = casts.read<std::uint16_t, 1>("widen.bits");
  auto const from_half = casts.read<std::uint32_t, 1>("widen.f16");
  auto const from_brain = casts.read<std::uint32_t, 1>("widen.bf16");
  for (Index i = 0; i < bits.size(); ++i) {
    CAPTURE(bits[i]);
    auto const check = [](float got, std::uint32_t want) {
      float const wanted = std::bit_cast<float>(want);
      CHECK((std::isnan(wanted) ? std::isnan(got) && std::signbit(got) == std::signbit(wanted) : std::bit_cast<std::uint32_t>(got) == want));
    };
    check(to_float(float16{bits[i]}), from_half[i]);
    check(to_float(bfloat16{bits[i]}), from_brain[i]);
  }
}

TEST_CASE("narrowing rounds to nearest even, and NaN stays NaN with its sign") {
  auto const casts = test::golden("casts");
  auto const bits = casts.read<std::uint32_t, 1>("narrow.bits");
  auto const to_half = casts.read<std::uint16_t, 1>("narrow.f16");
  auto const to_brain = casts.read<std::uint16_t, 1>("narrow.bf16");
  auto const is_nan = casts.read<std::uint8_t, 1>("narrow.nan");
  for (Index i = 0; i < bits.size(); ++i) {
    float const value = std::bit_cast<float>(bits[i]);
    CAPTURE(bits[i]);
    if (is_nan[i] != 0) {
      CHECK(std::isnan(to_float(to_float16(value))));
      CHECK(std::isnan(to_float(to_bfloat16(value))));
      CHECK(std::signbit(to_float(to_float16(value))) == std::signbit(value));
      CHECK(std::signbit(to_float(to_bfloat16(value))) == std::signbit(value));
    } else {
      CHECK(to_float16(value).bits == to_half[i]);
      CHECK(to_bfloat16(value).bits == to_brain[i]);
    }
  }
}

TEST_CASE("every half survives a trip through float") {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    float16 const half{static_cast<std::uint16_t>(bits)};
    bfloat16 const brain{static_cast<std::uint16_t>(bits)};
    bool const half_kept = std::isnan(to_float(half)) || to_float16(to_float(half)) == half;
    bool const brain_kept = std::isnan(to_float(brain)) || to_bfloat16(to_float(brain)) == brain;
    if (!half_kept || !brain_kept) { FAIL_CHECK("bits ", bits); }
  }
}

}  // namespace
}  // namespace accrete
