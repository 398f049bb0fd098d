#pragma once

#include <accrete/config.hpp>
#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#if ACCRETE_WITH_FMA
#include <immintrin.h>
#endif

/// Vectors as g++ and clang both spell them: arithmetic on `Vec<T>` acts lane by lane. One width for the whole build.
namespace accrete::host::simd {

namespace detail {
template <class T>
struct VectorOf;

#define ACCRETE_VECTOR_OF(scalar)                                           \
  template <>                                                               \
  struct VectorOf<scalar> {                                                 \
    typedef scalar type __attribute__((vector_size(ACCRETE_VECTOR_BYTES))); \
  }
ACCRETE_VECTOR_OF(float);
ACCRETE_VECTOR_OF(double);
ACCRETE_VECTOR_OF(std::int32_t);
ACCRETE_VECTOR_OF(std::uint32_t);
ACCRETE_VECTOR_OF(std::int64_t);
ACCRETE_VECTOR_OF(std::uint64_t);
#undef ACCRETE_VECTOR_OF

/// Half a vector of 16-bit words: as many as a `Vec<float>` has lanes.
struct Words {
  typedef std::uint16_t type __attribute__((vector_size(ACCRETE_VECTOR_BYTES / 2)));
};
}  // namespace detail

template <class T>
using Vec = typename detail::VectorOf<T>::type;

template <class T>
inline constexpr int lanes = ACCRETE_VECTOR_BYTES / static_cast<int>(sizeof(T));

/// The value in each lane. A difference from zero keeps all bits, also those of -0, and compilers make a plain broadcast of it; of a sum they cannot.
template <class T>
[[nodiscard]] inline Vec<T> broadcast(T value) {
  return value - Vec<T>{};
}

/// Unaligned load of `lanes<T>` elements.
template <class T>
[[nodiscard]] inline Vec<T> load(T const* from) {
  Vec<T> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class T>
inline void store(T* to, Vec<T> v) {
  std::memcpy(to, &v, sizeof v);
}

/// The first `count` elements; the other lanes are zero.
template <class T>
[[nodiscard]] inline Vec<T> load_part(T const* from, Index count) {
  Vec<T> v{};
  std::memcpy(&v, from, static_cast<std::size_t>(count) * sizeof(T));
  return v;
}
template <class T>
inline void store_part(T* to, Vec<T> v, Index count) {
  std::memcpy(to, &v, static_cast<std::size_t>(count) * sizeof(T));
}

/// a * b + c; all kernels go through here, so that equal sums are rounded equally. Fused where the target can.
/// On x86 by name: tuned for some processors (znver2 and znver3), g++ leaves a product and a sum apart where they form the chain
/// of a loop and fuses them elsewhere, so that the bits would depend on how a loop is unrolled.
#if ACCRETE_WITH_FMA && ACCRETE_VECTOR_BYTES == 64
[[nodiscard]] inline Vec<float> multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm512_fmadd_ps(a, b, c); }
[[nodiscard]] inline Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a, b, c); }
#elif ACCRETE_WITH_FMA && ACCRETE_VECTOR_BYTES == 32
[[nodiscard]] inline Vec<float> multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm256_fmadd_ps(a, b, c); }
[[nodiscard]] inline Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a, b, c); }
#else
template <class V>
[[nodiscard]] inline V multiply_add(V a, V b, V c) {
  return a * b + c;
}
#endif

/// The larger or the smaller of two lanes; NaN in `b` stays.
template <class V>
[[nodiscard]] inline V larger(V a, V b) {
  return a > b ? a : b;
}
template <class V>
[[nodiscard]] inline V smaller(V a, V b) {
  return a < b ? a : b;
}
#if ACCRETE_WITH_FMA && ACCRETE_VECTOR_BYTES == 64  // one instruction that means just this, where compilers make two of the choice; g++ 12 warns of the forms without a mask
[[nodiscard]] inline Vec<float> larger(Vec<float> a, Vec<float> b) { return _mm512_maskz_max_ps(0xFFFF, a, b); }
[[nodiscard]] inline Vec<float> smaller(Vec<float> a, Vec<float> b) { return _mm512_maskz_min_ps(0xFFFF, a, b); }
#elif ACCRETE_WITH_FMA && ACCRETE_VECTOR_BYTES == 32
[[nodiscard]] inline Vec<float> larger(Vec<float> a, Vec<float> b) { return _mm256_max_ps(a, b); }
[[nodiscard]] inline Vec<float> smaller(Vec<float> a, Vec<float> b) { return _mm256_min_ps(a, b); }
#endif

/// The same bits as lanes of another type.
template <class To, class From>
[[nodiscard]] inline Vec<To> as_bits(Vec<From> v) {
  return std::bit_cast<Vec<To>>(v);
}

/// |v|
[[nodiscard]] inline Vec<float> magnitude(Vec<float> v) { return as_bits<float, std::uint32_t>(as_bits<std::uint32_t, float>(v) & 0x7FFFFFFFU); }

/// {0, 1, 2, ...}
template <class T>
[[nodiscard]] inline Vec<T> lane_numbers() {
  Vec<T> v{};
  for (int i = 0; i < lanes<T>; ++i) { v[i] = static_cast<T>(i); }
  return v;
}

namespace detail {
/// The lanes in another order: lane i comes from lane i ^ Distance.
template <int Distance, class V, int... Lane>
[[nodiscard]] inline V exchange(V v, std::integer_sequence<int, Lane...>) {
  return __builtin_shufflevector(v, v, (Lane ^ Distance)...);
}

/// Folds the lanes in halves; the order depends on the width alone.
template <class T, int Distance = lanes<T> / 2, class Fold>
[[nodiscard]] inline T fold_lanes(Vec<T> v, Fold const& fold) {
  if constexpr (Distance == 0) {
    return v[0];
  } else {
    return fold_lanes<T, Distance / 2>(fold(v, exchange<Distance>(v, std::make_integer_sequence<int, lanes<T>>{})), fold);
  }
}
}  // namespace detail

/// Sum of the lanes, always in the same tree.
template <class T>
[[nodiscard]] inline T sum_of_lanes(Vec<T> v) {
  return detail::fold_lanes<T>(v, [](Vec<T> a, Vec<T> b) { return a + b; });
}

template <class T>
[[nodiscard]] inline T largest_lane(Vec<T> v) {
  return detail::fold_lanes<T>(v, [](Vec<T> a, Vec<T> b) { return larger(a, b); });
}

/// Loads scalars of either width as the kernel's arithmetic type.
[[nodiscard]] inline Vec<float> load_wide(float const* from) { return load(from); }
[[nodiscard]] inline Vec<double> load_wide(double const* from) { return load(from); }
[[nodiscard]] inline Vec<float> load_wide(bfloat16 const* from) {
  detail::Words::type words;
  std::memcpy(&words, from, sizeof words);
  return as_bits<float, std::uint32_t>(__builtin_convertvector(words, Vec<std::uint32_t>) << 16U);
}

/// Rounds to nearest even; a NaN stays one. The bits `to_bfloat16` gives.
[[nodiscard]] inline Vec<std::uint32_t> round_to_bfloat16(Vec<float> v) {
  auto const x = as_bits<std::uint32_t, float>(v);
  auto const rounded = (x + 0x7FFFU + ((x >> 16U) & 1U)) >> 16U;
  auto const quiet = (x >> 16U) | 0x0040U;
  return (x & 0x7FFFFFFFU) > 0x7F800000U ? quiet : rounded;
}

/// Stores the arithmetic type as scalars of either width.
inline void store_narrow(float* to, Vec<float> v) { store(to, v); }
inline void store_narrow(double* to, Vec<double> v) { store(to, v); }
inline void store_narrow(bfloat16* to, Vec<float> v) {
#if ACCRETE_WITH_BFLOAT16_ROUNDING
  // The instruction takes subnormal numbers for zeros; where a lane holds one, the long way gives its bits.
  constexpr int subnormal = 0x20;
  if (_mm512_fpclass_ps_mask(v, subnormal) == 0) {
    __m256bh const rounded = _mm512_cvtneps_pbh(v);
    std::memcpy(static_cast<void*>(to), &rounded, sizeof rounded);
    return;
  }
#endif
  auto const words = __builtin_convertvector(round_to_bfloat16(v), detail::Words::type);
  std::memcpy(static_cast<void*>(to), &words, sizeof words);
}

/// The first `count` scalars, fewer than the lanes, in the arithmetic type; the other lanes are zero.
template <class T>
[[nodiscard]] inline auto load_wide_part(T const* from, Index count) {
  T part[sizeof(decltype(load_wide(from))) / sizeof(load_wide(from)[0])] = {};
  std::memcpy(static_cast<void*>(part), from, static_cast<std::size_t>(count) * sizeof(T));
  return load_wide(static_cast<T const*>(part));
}
/// Stores the first `count` lanes, fewer than there are.
template <class T, class V>
inline void store_narrow_part(T* to, V v, Index count) {
  T part[sizeof(V) / sizeof(v[0])];
  store_narrow(static_cast<T*>(part), v);
  std::memcpy(static_cast<void*>(to), part, static_cast<std::size_t>(count) * sizeof(T));
}

namespace detail {
/// Lanes 0, 0', 1, 1', ... of the lower halves of two vectors, or of the upper ones.
/// Spelled out, since nvcc does not expand a pack inside of this builtin.
template <bool Upper, class V>
[[nodiscard]] inline V interleave(V a, V b) {
  constexpr int width = static_cast<int>(sizeof(V) / sizeof(a[0]));
  static_assert(width == 2 || width == 4 || width == 8 || width == 16, "a vector has 2, 4, 8 or 16 lanes");
  if constexpr (width == 2 && !Upper) {
    return __builtin_shufflevector(a, b, 0, 2);
  } else if constexpr (width == 2 && Upper) {
    return __builtin_shufflevector(a, b, 1, 3);
  } else if constexpr (width == 4 && !Upper) {
    return __builtin_shufflevector(a, b, 0, 4, 1, 5);
  } else if constexpr (width == 4 && Upper) {
    return __builtin_shufflevector(a, b, 2, 6, 3, 7);
  } else if constexpr (width == 8 && !Upper) {
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  } else if constexpr (width == 8 && Upper) {
    return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  } else if constexpr (width == 16 && !Upper) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  } else {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}
}  // namespace detail

/// Transposes `lanes<T>` rows of as many lanes in registers.
/// Each round interleaves row i with row i + lanes / 2; after log2(lanes) rounds the bits of row and lane number have changed places.
template <class T>
inline void transpose(Vec<T> (&rows)[static_cast<std::size_t>(lanes<T>)]) {
  constexpr int width = lanes<T>;
  Vec<T> other[static_cast<std::size_t>(width)];
  ACCRETE_UNROLL
  for (int distance = 1; distance < width; distance *= 2) {
    ACCRETE_UNROLL
    for (int i = 0; i < width / 2; ++i) {
      other[2 * i] = detail::interleave<false>(rows[i], rows[i + width / 2]);
      other[2 * i + 1] = detail::interleave<true>(rows[i], rows[i + width / 2]);
    }
    ACCRETE_UNROLL
    for (int i = 0; i < width; ++i) { rows[i] = other[i]; }
  }
}

}  // namespace accrete::host::simd
