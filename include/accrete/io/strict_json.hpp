#pragma once

#include <accrete/core/error.hpp>
#include <accrete/io/json.hpp>

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

namespace detail {

/// Builds the tree of what a JSON text holds.
class JsonTree {
 public:
  JsonTree(Json& root, std::string_view source) : source_(source), places_{&root} {}

  void null() { put({}); }
  void boolean(bool value) { put(value); }
  void number_integer(std::int64_t value) { put(value); }
  void number_unsigned(std::uint64_t value) { put(value); }
  void number_float(double value) { put(value); }
  void string(std::string value) { put(std::move(value)); }
  void start_array() { places_.push_back(&put(Json::List())); }
  void end_array() { places_.pop_back(); }
  void start_object() {
    places_.push_back(&put(Json::Object()));
    keys_.emplace_back();
  }
  void end_object() {
    places_.pop_back();
    keys_.pop_back();
  }
  void key(std::string name) {
    if (!keys_.back().insert(name).second) { fail<FileError>(source_, "repeats the JSON key ", json_quoted(name, JsonText::ascii)); }
    key_ = std::move(name);
  }

 private:
  /// Puts a value where it belongs. A place stays where it is while values are put below it: its own list grows only when it is complete.
  Json& put(Json value) {
    Json& place = *places_.back();
    if (auto* const values = place.list()) { return values->emplace_back(std::move(value)); }
    if (auto* const members = place.object()) { return members->emplace_back(std::move(key_), std::move(value)).second; }
    return place = std::move(value);
  }

  std::string_view source_;
  std::vector<Json*> places_;
  std::vector<std::set<std::string>> keys_;
  std::string key_;
};

}  // namespace detail

/// Reads untrusted JSON text as one tree, refusing what a tree would hide.
/// @param[in] source  name of the file, for messages
/// @throws FileError  for what `read_json` refuses, and for a repeated key
[[nodiscard]] inline Json parse_strict_json(std::string_view text, std::string_view source) {
  Json root;
  detail::JsonTree tree(root, source);
  read_json(text, source, tree);
  return root;
}

}  // namespace accrete
