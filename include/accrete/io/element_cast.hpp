#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/io/scalar_type.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

namespace accrete {
namespace detail {

/// Elements of type `From`, aligned or not, into `out`, each through `cast`.
template <class From, class T, class Cast>
void cast_each(std::byte const* from, VectorView<T> out, Cast cast) {
  T* const to = out.data();
  Index const count = out.size();
  for (Index i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, from + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
    to[i] = cast(value);
  }
}

template <class From, class T>
void cast_integers(std::byte const* from, VectorView<T> out) {
  cast_each<From>(from, out, [](From value) {
    if (!std::in_range<T>(value)) { fail<ValueError>("element_cast", "the value ", +value, " does not fit the wanted type"); }
    return static_cast<T>(value);
  });
}

template <class T>
bool cast_to_integer(ScalarType type, std::byte const* from, VectorView<T> out) {
  switch (type) {
    case ScalarType::i64: cast_integers<std::int64_t>(from, out); return true;
    case ScalarType::u64: cast_integers<std::uint64_t>(from, out); return true;
    case ScalarType::i32: cast_integers<std::int32_t>(from, out); return true;
    case ScalarType::u32: cast_integers<std::uint32_t>(from, out); return true;
    case ScalarType::i16: cast_integers<std::int16_t>(from, out); return true;
    case ScalarType::u16: cast_integers<std::uint16_t>(from, out); return true;
    case ScalarType::i8: cast_integers<std::int8_t>(from, out); return true;
    case ScalarType::u8:
    case ScalarType::boolean: cast_integers<std::uint8_t>(from, out); return true;
    default: return false;
  }
}

template <class T>
bool cast_to_float(ScalarType type, std::byte const* from, VectorView<T> out) {
  switch (type) {
    case ScalarType::f64: cast_each<double>(from, out, [](double value) { return static_cast<T>(value); }); return true;
    case ScalarType::f32: cast_each<float>(from, out, [](float value) { return static_cast<T>(value); }); return true;
    case ScalarType::f16: cast_each<float16>(from, out, [](float16 value) { return static_cast<T>(to_float(value)); }); return true;
    case ScalarType::bf16: cast_each<bfloat16>(from, out, [](bfloat16 value) { return static_cast<T>(to_float(value)); }); return true;
    default: return false;
  }
}

}  // namespace detail

/// Reads stored elements as `T`: equal types bit for bit, floating types into float and double (rounding to nearest), integers into integers.
/// @param[in]  bytes  the elements, at any alignment
/// @param[out] out    [n] one per stored element
/// @returns false, with `out` untouched, when `T` cannot be read from that type
/// @throws ValueError  when an integer does not fit `T`; ShapeError when the byte count is not that of n elements
template <class T>
[[nodiscard]] bool element_cast(ScalarType type, std::span<std::byte const> bytes, VectorView<T> out) {
  expects(bytes.size() * 8 == static_cast<std::size_t>(out.size()) * info(type).bits, "element_cast", "bytes must match the number of elements", bytes.size(), out.size());
  if (type == scalar_type_of<T>() && !std::is_same_v<T, bool>) {
    if (!bytes.empty()) { std::memcpy(static_cast<void*>(out.data()), bytes.data(), bytes.size()); }
    return true;
  }
  if constexpr (std::is_same_v<T, bool>) {
    if (type != ScalarType::boolean) { return false; }
    detail::cast_each<std::uint8_t>(bytes.data(), out, [](std::uint8_t value) { return value != 0; });  // a bool object must be 0 or 1
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    return detail::cast_to_float(type, bytes.data(), out);
  } else if constexpr (std::is_integral_v<T>) {
    return detail::cast_to_integer(type, bytes.data(), out);
  } else {
    return false;
  }
}

}  // namespace accrete
