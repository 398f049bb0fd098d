#pragma once

#include <accrete/io/json_text.hpp>

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace accrete {

/// A JSON value. Objects keep the order of their members; numbers are written so that they read back to the same bits.
/// Small on purpose: what a header costs to compile is paid by everyone who includes the library.
class Json {
 public:
  using List = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;  ///< null
  template <std::same_as<bool> Bool>
  Json(Bool value) : value_(value) {}  // a template, so that no pointer becomes a truth value
  template <std::integral Number>
    requires(!std::same_as<Number, bool>)
  Json(Number value) {
    if (value < 0) {
      value_ = static_cast<std::int64_t>(value);
    } else {
      value_ = static_cast<std::uint64_t>(value);
    }
  }
  template <std::floating_point Number>
  Json(Number value) : value_(static_cast<double>(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(char const* value) : value_(std::string(value)) {}
  Json(List value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}
  template <class Element>
  Json(std::vector<Element> const& values) : value_(List(values.begin(), values.end())) {}

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  [[nodiscard]] bool is_number() const { return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_) || std::holds_alternative<double>(value_); }
  [[nodiscard]] std::string const* text() const { return std::get_if<std::string>(&value_); }
  [[nodiscard]] List const* list() const { return std::get_if<List>(&value_); }
  [[nodiscard]] List* list() { return std::get_if<List>(&value_); }
  [[nodiscard]] Object const* object() const { return std::get_if<Object>(&value_); }
  [[nodiscard]] Object* object() { return std::get_if<Object>(&value_); }

  /// The member of that name; nothing where there is none or this is no object.
  [[nodiscard]] Json const* find(std::string_view name) const {
    if (auto const* const members = object()) {
      for (auto const& [known, value] : *members) {
        if (known == name) { return &value; }
      }
    }
    return nullptr;
  }

  /// The value as a `T`, where that loses nothing: a truth value, a text, a whole number in the range of `T`, any number as a floating one, or a vector of those.
  template <class T>
  [[nodiscard]] std::optional<T> as() const {
    if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
      auto const* const value = std::get_if<T>(&value_);
      return value != nullptr ? std::optional<T>(*value) : std::nullopt;
    } else if constexpr (std::is_arithmetic_v<T>) {
      auto const taken = [](auto number) {
        if constexpr (std::is_integral_v<T>) {
          if (!std::in_range<T>(number)) { return std::optional<T>(); }
        }
        return std::optional<T>(static_cast<T>(number));
      };
      if (auto const* const value = std::get_if<std::uint64_t>(&value_)) { return taken(*value); }
      if (auto const* const value = std::get_if<std::int64_t>(&value_)) { return taken(*value); }
      auto const* const value = std::get_if<double>(&value_);
      return std::is_floating_point_v<T> && value != nullptr ? std::optional<T>(static_cast<T>(*value)) : std::nullopt;
    } else {
      auto const* const values = list();
      if (values == nullptr) { return std::nullopt; }
      T result;
      for (Json const& value : *values) {
        auto element = value.as<typename T::value_type>();
        if (!element) { return std::nullopt; }
        result.push_back(std::move(*element));
      }
      return result;
    }
  }

  /// Whether every number and text in it can be written and read back: JSON has no NaN and no infinity, and only UTF-8.
  [[nodiscard]] bool can_be_written() const {
    if (auto const* const number = std::get_if<double>(&value_)) { return std::isfinite(*number); }
    if (auto const* const said = text()) { return is_utf8(*said); }
    if (auto const* const values = list()) {
      for (Json const& value : *values) {
        if (!value.can_be_written()) { return false; }
      }
    }
    if (auto const* const members = object()) {
      for (auto const& [name, value] : *members) {
        if (!is_utf8(name) || !value.can_be_written()) { return false; }
      }
    }
    return true;
  }

  /// The value as text: on one line, or with `indent` spaces a level. A number that is not finite becomes null, a byte that is not UTF-8 becomes U+FFFD.
  [[nodiscard]] std::string dump(std::size_t indent = 0) const {
    std::string out;
    append(out, indent, 0);
    return out;
  }

 private:
  void append(std::string& out, std::size_t indent, std::size_t depth) const {
    if (auto const* const said = text()) {
      out += json_quoted(*said);
    } else if (auto const* const values = list()) {
      append_all(out, '[', ']', *values, indent, depth, [&](Json const& value) { value.append(out, indent, depth + 1); });
    } else if (auto const* const members = object()) {
      append_all(out, '{', '}', *members, indent, depth, [&](auto const& member) {
        out += json_quoted(member.first) + (indent > 0 ? ": " : ":");
        member.second.append(out, indent, depth + 1);
      });
    } else if (auto const* const truth = std::get_if<bool>(&value_)) {
      out += *truth ? "true" : "false";
    } else if (auto const* const negative = std::get_if<std::int64_t>(&value_)) {
      append_number(out, *negative);
    } else if (auto const* const whole = std::get_if<std::uint64_t>(&value_)) {
      append_number(out, *whole);
    } else if (auto const* const number = std::get_if<double>(&value_); number != nullptr && std::isfinite(*number)) {
      auto const first = out.size();
      append_number(out, *number);
      if (out.find_first_of(".e", first) == std::string::npos) { out += ".0"; }  // it stays a floating number to whoever reads it
    } else {
      out += "null";
    }
  }

  template <class Items, class Append>
  static void append_all(std::string& out, char open, char close, Items const& items, std::size_t indent, std::size_t depth, Append append_one) {
    auto const new_line = [&](std::size_t level) {
      if (indent > 0) { out.append(1, '\n').append(level * indent, ' '); }
    };
    out += open;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) { out += ','; }
      new_line(depth + 1);
      append_one(items[i]);
    }
    if (!items.empty()) { new_line(depth); }
    out += close;
  }

  template <class Number>
  static void append_number(std::string& out, Number number) {
    char buffer[32];
    out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
  }

  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, List, Object> value_;
};

}  // namespace accrete
