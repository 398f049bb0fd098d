#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace accrete::detail {

/// A gzip stream in memory that is unpacked piece by piece, so that its reader decides how much to hold.
class Inflater {
 public:
  /// @throws FileError  when zlib cannot start
  Inflater(std::span<std::byte const> packed, std::string_view name) : rest_(packed), name_(name) {
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, gzip_only) != Z_OK) { fail<FileError>("inflate", name_, " cannot be unpacked: zlib could not start"); }
  }
  Inflater(Inflater const&) = delete;
  Inflater& operator=(Inflater const&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  [[nodiscard]] static bool is_gzip(std::span<std::byte const> bytes) { return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B}; }

  /// Fills `out` from the stream.
  /// @returns the number of bytes given, fewer than asked only at the end of the stream
  /// @throws FileError  when the stream is damaged or cut off
  Index read(std::span<std::uint8_t> out) {
    std::size_t given = 0;
    while (given < out.size() && !ended_) {
      uInt const room = piece(out.size() - given);
      uInt const available = piece(rest_.size());
      stream_.next_out = out.data() + given;
      stream_.avail_out = room;
      stream_.next_in = const_cast<Bytef*>(reinterpret_cast<Bytef const*>(rest_.data()));  // NOLINT: zlib only reads
      stream_.avail_in = available;
      int const result = inflate(&stream_, Z_NO_FLUSH);
      given += room - stream_.avail_out;
      rest_ = rest_.subspan(available - stream_.avail_in);
      ended_ = result == Z_STREAM_END;
      if (result == Z_BUF_ERROR) { fail<FileError>("inflate", name_, " ends too early"); }
      if (result != Z_OK && !ended_) { fail<FileError>("inflate", name_, " is damaged: ", stream_.msg != nullptr ? stream_.msg : "bad gzip data"); }
    }
    return static_cast<Index>(given);
  }

  /// Checks that the stream ends here, with its checksum right and nothing behind it.
  /// @throws FileError  when it does not
  void expect_end() {
    std::uint8_t more = 0;
    if (read({&more, 1}) != 0) { fail<FileError>("inflate", name_, " unpacks to more bytes than its header says"); }
    if (!rest_.empty()) { fail<FileError>("inflate", name_, " has ", rest_.size(), " bytes behind its end"); }
  }

 private:
  static uInt piece(std::size_t bytes) { return static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max())); }

  std::span<std::byte const> rest_;
  std::string name_;
  z_stream stream_{};
  bool ended_ = false;
};

}  // namespace accrete::detail
