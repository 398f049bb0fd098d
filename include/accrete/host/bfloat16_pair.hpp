#pragma once

#include <accrete/config.hpp>
#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/simd.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#if ACCRETE_WITH_BFLOAT16_DOT
#include <immintrin.h>
#endif

namespace accrete::host {

/// Two neighbours of a sum's index, the first in the lower half: what one lane of a bfloat16 dot product takes.
struct bfloat16_pair {
  std::uint32_t bits = 0;
};

namespace simd {

/// As many pairs as a vector of floats has lanes, from `count` scalars; missing ones are zero.
[[nodiscard]] inline Vec<std::uint32_t> load_pairs(bfloat16 const* from, Index count) {
  constexpr Index whole = 2 * lanes<float>;
  Vec<std::uint32_t> v{};
  std::memcpy(&v, from, static_cast<std::size_t>(std::clamp<Index>(count, 0, whole)) * sizeof(bfloat16));
  return v;
}

/// Pairs (first, second) of `lanes<float>` scalars each; missing ones are zero.
[[nodiscard]] inline Vec<std::uint32_t> zip_pairs(bfloat16 const* first, bfloat16 const* second, Index count) {
  std::array<std::uint16_t, static_cast<std::size_t>(lanes<float>)> words{};
  auto const widened = [&](bfloat16 const* from) {
    if (from == nullptr) { return Vec<std::uint32_t>{}; }
    detail::Words::type v;
    if (count >= lanes<float>) {
      std::memcpy(&v, from, sizeof v);
    } else {
      std::memcpy(words.data(), from, static_cast<std::size_t>(count) * sizeof(bfloat16));
      std::memcpy(&v, words.data(), sizeof v);
    }
    return __builtin_convertvector(v, Vec<std::uint32_t>);
  };
  return widened(first) | (widened(second) << 16U);
}

#if ACCRETE_WITH_BFLOAT16_DOT
/// sum + first * first + second * second in each lane, products and sums in float.
[[nodiscard]] inline Vec<float> multiply_add_pairs(Vec<std::uint32_t> a, Vec<std::uint32_t> b, Vec<float> sum) {
  __m512bh left;
  __m512bh right;
  __m512 total;
  std::memcpy(&left, &a, sizeof a);
  std::memcpy(&right, &b, sizeof b);
  std::memcpy(&total, &sum, sizeof sum);
  total = _mm512_dpbf16_ps(total, left, right);
  std::memcpy(&sum, &total, sizeof sum);
  return sum;
}
#endif

}  // namespace simd
}  // namespace accrete::host
