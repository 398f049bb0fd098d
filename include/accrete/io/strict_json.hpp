#pragma once

#include <accrete/core/error.hpp>

#include <nlohmann/json.hpp>

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Reads untrusted JSON text as one tree, refusing what a tree would hide or what would make it explode.
/// @param[in] source  name of the file, for messages
/// @throws FileError  for invalid JSON or UTF-8, a repeated key, more than 64 levels, a NUL or a byte order mark
[[nodiscard]] inline nlohmann::json parse_strict_json(std::string_view text, std::string const& source) {
  using Event = nlohmann::json::parse_event_t;
  // The parser takes a NUL for the end of its input and swallows a byte order mark.
  if (text.find('\0') != std::string_view::npos || text.substr(0, 3) == "\xEF\xBB\xBF") { fail<FileError>(source, "is not valid JSON (a NUL or a byte order mark)"); }
  constexpr int deepest = 64;
  std::vector<std::set<std::string>> keys;
  auto const check = [&](int depth, Event event, nlohmann::json const& value) {
    if (depth > deepest) { fail<FileError>(source, "nests JSON deeper than ", deepest, " levels"); }
    if (event == Event::object_start) { keys.emplace_back(); }
    if (event == Event::object_end) { keys.pop_back(); }
    if (event == Event::key && !keys.back().insert(value.get<std::string>()).second) { fail<FileError>(source, "repeats the JSON key ", value.dump(-1, ' ', true)); }
    return true;
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), check);
  } catch (nlohmann::json::parse_error const& error) {
    fail<FileError>(source, "is not valid JSON (byte ", error.byte, ")");
  } catch (nlohmann::json::exception const&) {  // such as a number no double can hold
    fail<FileError>(source, "is not valid JSON");
  }
}

}  // namespace accrete
