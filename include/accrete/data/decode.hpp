#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/decode_limits.hpp>
#include <accrete/data/detail/jpeg.hpp>
#include <accrete/data/detail/png.hpp>
#include <accrete/data/detail/read_file.hpp>
#include <accrete/data/image.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace accrete {

namespace detail {

/// What the first bytes say a file is, for a message that helps; empty when unknown.
[[nodiscard]] inline std::string_view picture_format(std::span<std::byte const> bytes) {
  struct Signature {
    std::size_t offset;
    std::string_view bytes;
    std::string_view format;
  };
  static constexpr Signature known[] = {
      {0, "\xFF\xD8\xFF", "JPEG"},
      {0, "\x89PNG\r\n\x1A\n", "PNG"},
      {8, "WEBP", "WebP"},
      {0, "II*", "TIFF"},
      {0, "MM", "TIFF"},
      {0, "GIF8", "GIF"},
      {0, "BM", "BMP"},
      {0, "P5", "PGM"},
      {0, "P6", "PPM"},
      {4, "ftyp", "HEIF or MP4"},
  };
  std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  for (Signature const& signature : known) {
    if (text.size() >= signature.offset && text.substr(signature.offset).starts_with(signature.bytes)) { return signature.format; }
  }
  return {};
}

}  // namespace detail

/// Decodes a JPEG or PNG file in memory to 8-bit RGB, with the pixels Pillow's convert("RGB") gives.
/// Grey is replicated, a palette expanded, alpha dropped, CMYK turned to RGB by  n = 255 - K, R = n - round(C n / 255);  EXIF orientation is not applied.
/// @param name  how messages call the picture: a path, usually
/// @throws FileError  when the bytes are empty, of another format, truncated, damaged or beyond the limits
/// @source specification: backbone.md §6.1; pixels checked against Pillow
[[nodiscard]] inline Image decode_image(std::span<std::byte const> bytes, std::string_view name, DecodeLimits const& limits = {}) {
  if (bytes.empty()) { fail<FileError>("decode_image", name, " is empty"); }
  std::string_view const format = detail::picture_format(bytes);
  if (format == "JPEG") { return detail::JpegDecoder(bytes, name, limits).decode(); }
  if (format == "PNG") { return detail::PngDecoder(bytes, name, limits).decode(); }
  if (format.empty()) { fail<FileError>("decode_image", name, " is neither a JPEG nor a PNG file"); }
  fail<FileError>("decode_image", name, " is a ", format, " file; JPEG and PNG are supported");
}

/// Reads and decodes a JPEG or PNG file; the format is told by its content, not by its name.
/// @throws FileError  naming the file, as `decode_image` or when it cannot be read
[[nodiscard]] inline Image read_image(std::filesystem::path const& path, DecodeLimits const& limits = {}) {
  auto const bytes = detail::read_file("read_image", path, static_cast<std::uintmax_t>(limits.file_bytes));
  return decode_image(detail::as_bytes(bytes), path.string(), limits);
}

}  // namespace accrete
