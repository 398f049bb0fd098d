#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/detail/inflate.hpp>
#include <accrete/data/detail/read_file.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace accrete {

/// The contents of an IDX file of unsigned bytes.
struct IdxArray {
  std::vector<Index> shape;
  Tensor<std::uint8_t, 1> values;  ///< row-major
};

namespace detail {

/// Reads plain bytes as `Inflater` reads packed ones.
class PlainBytes {
 public:
  PlainBytes(std::span<std::byte const> bytes, std::string_view name) : rest_(bytes), name_(name) {}

  Index read(std::span<std::uint8_t> out) {
    auto const given = std::min(out.size(), rest_.size());
    std::transform(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(given), out.begin(), [](std::byte b) { return static_cast<std::uint8_t>(b); });
    rest_ = rest_.subspan(given);
    return static_cast<Index>(given);
  }

  void expect_end() const {
    if (!rest_.empty()) { fail<FileError>("parse_idx", name_, " has ", rest_.size(), " bytes behind its end"); }
  }

 private:
  std::span<std::byte const> rest_;
  std::string_view name_;
};

/// @param most_bytes  that the stream can hold at all: nothing larger is allocated, whatever the header says
template <class Stream>
[[nodiscard]] IdxArray parse_idx(Stream stream, std::string_view name, Index most_bytes) {
  std::array<std::uint8_t, 4> magic{};
  if (stream.read(magic) < 4) { fail<FileError>("parse_idx", name, " ends inside of its header"); }
  if (magic[0] != 0 || magic[1] != 0) { fail<FileError>("parse_idx", name, " is not an IDX file"); }
  if (magic[2] != 0x08) { fail<FileError>("parse_idx", name, " holds values of type ", int{magic[2]}, "; only unsigned bytes (8) are supported"); }
  if (magic[3] < 1 || magic[3] > 4) { fail<FileError>("parse_idx", name, " has ", int{magic[3]}, " dimensions; 1 to 4 are supported"); }
  IdxArray array;
  Index count = 1;
  for (int axis = 0; axis < magic[3]; ++axis) {
    std::array<std::uint8_t, 4> extent{};
    if (stream.read(extent) < 4) { fail<FileError>("parse_idx", name, " ends inside of its header"); }
    array.shape.push_back(Index{extent[0]} << 24U | Index{extent[1]} << 16U | Index{extent[2]} << 8U | Index{extent[3]});
    if (array.shape.back() == 0) { fail<FileError>("parse_idx", name, " is empty"); }
    if (count > most_bytes / array.shape.back()) { fail<FileError>("parse_idx", name, " is too short for the extents in its header"); }
    count *= array.shape.back();
  }
  array.values = Tensor<std::uint8_t, 1>({count});
  Index const given = stream.read({array.values.data(), static_cast<std::size_t>(count)});
  if (given < count) { fail<FileError>("parse_idx", name, " holds ", given, " values instead of the ", count, " its header says"); }
  stream.expect_end();
  return array;
}

}  // namespace detail

/// Reads an IDX file of unsigned bytes, plain or packed by gzip (told by its first bytes).
/// Never allocates more than the file can hold: its own size, or 1032 times that when packed.
/// @param name  how messages call the file
/// @throws FileError  when it is empty, of another format or type, cut off, damaged, or longer than its header says
/// @source LeCun, Cortes, Burges, "The MNIST database": the IDX file format
[[nodiscard]] inline IdxArray parse_idx(std::span<std::byte const> bytes, std::string_view name) {
  auto const size = static_cast<Index>(bytes.size());
  if (bytes.empty()) { fail<FileError>("parse_idx", name, " is empty"); }
  if (detail::Inflater::is_gzip(bytes)) { return detail::parse_idx<detail::Inflater&&>(detail::Inflater(bytes, name), name, size * 1032); }
  return detail::parse_idx(detail::PlainBytes(bytes, name), name, size);
}

/// Reads an IDX file from disk.
/// @throws FileError  naming the file, as `parse_idx` or when it cannot be read
[[nodiscard]] inline IdxArray read_idx(std::filesystem::path const& path) {
  constexpr std::uintmax_t largest_file = std::uintmax_t{1} << 34U;
  auto const bytes = detail::read_file("read_idx", path, largest_file);
  return parse_idx(detail::as_bytes(bytes), path.string());
}

}  // namespace accrete
