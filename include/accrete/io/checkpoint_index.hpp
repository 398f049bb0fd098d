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
    Json const* const map = json.find("weight_map");
    Json::Object const* const names = map != nullptr ? map->object() : nullptr;
    if (names == nullptr || names->empty()) { fail<FileError>(source, "is not the index of a sharded checkpoint: it has no weight_map that names tensors"); }
    CheckpointIndex index;
    for (auto const& [tensor, place] : *names) {
      auto const* const file = place.text();
      if (file == nullptr || !is_sibling(*file)) {
        auto const said = file != nullptr ? detail::quoted_text(*file) : std::string("something that is no text");
        fail<FileError>(source, "puts tensor ", detail::quoted_text(tensor), " into ", said, ", which is not the name of a file beside it");
      }
      index.files.emplace(tensor, *file);
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
