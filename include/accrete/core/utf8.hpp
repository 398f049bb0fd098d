#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace accrete {

/// A code point of UTF-8 text and the bytes it takes; no bytes where none begins.
struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;
};

/// The code point that begins at `at`. Overlong forms, surrogates and numbers beyond U+10FFFF are none.
/// @pre at < text.size()
[[nodiscard]] constexpr CodePoint code_point_at(std::string_view text, std::size_t at) {
  auto const lead = static_cast<unsigned char>(text[at]);
  std::size_t const bytes = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
  if (bytes == 0 || bytes > text.size() - at) { return {}; }
  std::uint32_t value = bytes == 1 ? lead : lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    auto const next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xC0U) != 0x80) { return {}; }
    value = value << 6U | (next & 0x3FU);
  }
  bool const overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  if (overlong || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) { return {}; }
  return {value, bytes};
}

/// Whether every byte belongs to a code point.
[[nodiscard]] constexpr bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    std::size_t const bytes = code_point_at(text, i).bytes;
    if (bytes == 0) { return false; }
    i += bytes;
  }
  return true;
}

}  // namespace accrete
