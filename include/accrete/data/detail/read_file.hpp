#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>

namespace accrete::detail {

/// The bytes of a tensor of bytes, for parsers.
[[nodiscard]] inline std::span<std::byte const> as_bytes(VectorView<std::uint8_t const> bytes) {
  return std::as_bytes(std::span<std::uint8_t const>(bytes.data(), static_cast<std::size_t>(bytes.size())));
}

/// A whole file in memory.
/// @throws FileError  naming the file: missing, a folder or device, unreadable, changed while being read, or longer than `limit` bytes
[[nodiscard]] inline Tensor<std::uint8_t, 1> read_file(std::string_view function, std::filesystem::path const& path, std::uintmax_t limit) {
  std::error_code problem;
  auto const status = std::filesystem::status(path, problem);
  if (!std::filesystem::exists(status)) { fail<FileError>(function, path.string(), " does not exist"); }
  if (!std::filesystem::is_regular_file(status)) { fail<FileError>(function, path.string(), " is not a file"); }
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file(std::fopen(path.string().c_str(), "rb"), &std::fclose);
  if (!file) { fail<FileError>(function, path.string(), " cannot be opened: ", std::strerror(errno)); }
  auto const size = std::filesystem::file_size(path, problem);
  if (problem) { fail<FileError>(function, path.string(), " cannot be measured: ", problem.message()); }
  if (size > limit) { fail<FileError>(function, path.string(), " has ", size, " bytes, more than the ", limit, " allowed here"); }
  Tensor<std::uint8_t, 1> bytes({static_cast<Index>(size)});
  if (size > 0 && std::fread(bytes.data(), 1, static_cast<std::size_t>(size), file.get()) != size) { fail<FileError>(function, path.string(), " cannot be read to its end"); }
  return bytes;
}

}  // namespace accrete::detail
