#pragma once

#include <accrete/core/bfloat16.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace accrete {

/// The element types a safetensors file can name. All are parsed; F8, F6, F4 and C64 cannot be read as values.
enum class ScalarType {
  f64,
  i64,
  u64,
  c64,
  f32,
  i32,
  u32,
  f16,
  bf16,
  i16,
  u16,
  boolean,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e5m2fnuz,
  f8_e4m3fnuz,
  f8_e8m0,
  f6_e2m3,
  f6_e3m2,
  f4,
};

/// How a type is spelled in a file and how many bits an element takes.
struct ScalarTypeInfo {
  std::string_view name;
  std::uint64_t bits;
};

/// By `ScalarType`, wide types first: the order in which writers lay tensors out.
inline constexpr std::array<ScalarTypeInfo, 22> scalar_types{{{"F64", 64},        {"I64", 64},        {"U64", 64},    {"C64", 64},    {"F32", 32},    {"I32", 32}, {"U32", 32},    {"F16", 16},
                                                              {"BF16", 16},       {"I16", 16},        {"U16", 16},    {"BOOL", 8},    {"U8", 8},      {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
                                                              {"F8_E5M2FNUZ", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}}};

[[nodiscard]] constexpr ScalarTypeInfo const& info(ScalarType type) { return scalar_types[static_cast<std::size_t>(type)]; }
[[nodiscard]] constexpr std::string_view name_of(ScalarType type) { return info(type).name; }

/// The type of that name; names are case-sensitive.
[[nodiscard]] constexpr std::optional<ScalarType> find_scalar_type(std::string_view name) {
  for (std::size_t i = 0; i < scalar_types.size(); ++i) {
    if (scalar_types[i].name == name) { return static_cast<ScalarType>(i); }
  }
  return std::nullopt;
}

/// The type whose bits are those of `T` in memory.
template <class T>
[[nodiscard]] constexpr ScalarType scalar_type_of() {
  if constexpr (std::is_same_v<T, double>) {
    return ScalarType::f64;
  } else if constexpr (std::is_same_v<T, float>) {
    return ScalarType::f32;
  } else if constexpr (std::is_same_v<T, float16>) {
    return ScalarType::f16;
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    return ScalarType::bf16;
  } else if constexpr (std::is_same_v<T, bool>) {
    return ScalarType::boolean;
  } else {
    static_assert(std::is_integral_v<T>, "safetensors has no type for this scalar");
    constexpr bool is_signed = std::is_signed_v<T>;
    if constexpr (sizeof(T) == 8) {
      return is_signed ? ScalarType::i64 : ScalarType::u64;
    } else if constexpr (sizeof(T) == 4) {
      return is_signed ? ScalarType::i32 : ScalarType::u32;
    } else if constexpr (sizeof(T) == 2) {
      return is_signed ? ScalarType::i16 : ScalarType::u16;
    } else {
      return is_signed ? ScalarType::i8 : ScalarType::u8;
    }
  }
}

}  // namespace accrete
