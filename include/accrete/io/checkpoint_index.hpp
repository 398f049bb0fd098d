#pragma once

#include <accrete/io/safetensors_header.hpp>
#include <accrete/io/strict_json.hpp>

#include <map>
#include <string>
#include <string_view>

namespace accrete {

/// What the index of a sharded checkpoint says: which file holds which tensor.
struct CheckpointIndex {
  std::map<std::string, std::string> files;  ///< tensor → name of a file beside the index

  /// Reads `{"metadata": {...}, "weight_map": {"tensor": "file", ...}}`.
  /// @throws FileError  when it is not such JSON, names no tensor, or names a file that is not a plain sibling
  [[nodiscard]] static CheckpointIndex parse(std::string_view text, std::string const& source) {
    auto const json = parse_strict_json(text, source);
    auto const map = json.is_object() ? json.find("weight_map") : json.end();
    if (map == json.end() || !map->is_object() || map->empty()) { fail<FileError>(source, "is not the index of a sharded checkpoint: it has no weight_map that names tensors"); }
    CheckpointIndex index;
    for (auto const& entry : map->items()) {
      auto const* const file = entry.value().get_ptr<std::string const*>();
      if (file == nullptr || !is_sibling(*file)) {
        auto const said = entry.value().dump(-1, ' ', true);
        fail<FileError>(source, "puts tensor ", detail::quoted_text(entry.key()), " into ", said.substr(0, 120), ", which is not the name of a file beside it");
      }
      index.files.emplace(entry.key(), *file);
    }
    return index;
  }

 private:
  /// Nothing that could lead out of the folder.
  static bool is_sibling(std::string_view file) {
    return !file.empty() && file != "." && file.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos && file.find("..") == std::string_view::npos;
  }
};

}  // namespace accrete
