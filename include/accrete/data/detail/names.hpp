#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/detail/read_file.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::detail {

/// Class names "0", "1", ... for data that comes without any.
[[nodiscard]] inline std::vector<std::string> numbered_names(Index count) {
  std::vector<std::string> names;
  for (Index i = 0; i < count; ++i) { names.push_back(std::to_string(i)); }
  return names;
}

/// Class names from a text file, one a line; blank lines do not count.
/// @throws FileError  naming the file when there are not `count` names or a name comes twice
[[nodiscard]] inline std::vector<std::string> read_names(std::string_view function, std::filesystem::path const& path, Index count) {
  constexpr std::size_t longest_file = 1 << 20;
  auto const bytes = read_file(function, path, longest_file);
  std::string_view text(reinterpret_cast<char const*>(bytes.data()), static_cast<std::size_t>(bytes.size()));
  std::vector<std::string> names;
  while (!text.empty()) {
    auto const end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) { line.remove_suffix(1); }
    if (!line.empty()) { names.emplace_back(line); }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (static_cast<Index>(names.size()) != count) { fail<FileError>(function, path.string(), " has ", names.size(), " class names instead of ", count); }
  auto sorted = names;
  std::sort(sorted.begin(), sorted.end());
  auto const twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) { fail<FileError>(function, path.string(), " has the class name '", *twice, "' twice"); }
  return names;
}

}  // namespace accrete::detail
