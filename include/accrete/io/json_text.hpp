#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/utf8.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

namespace accrete {

/// Which characters a quoted text keeps as they are.
enum class JsonText { utf8, ascii };

/// A text between quotes as JSON writes it: control characters escaped, and all but ASCII where `kept` says so. A byte that belongs to no code point becomes U+FFFD.
[[nodiscard]] inline std::string json_quoted(std::string_view text, JsonText kept = JsonText::utf8) {
  constexpr std::uint32_t replacement = 0xFFFD;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  auto const escape = [&](std::uint32_t unit) {
    out += "\\u";
    for (unsigned shift = 16; shift > 0;) { out += digits[unit >> (shift -= 4) & 0xFU]; }
  };
  for (std::size_t i = 0; i < text.size();) {
    CodePoint point = code_point_at(text, i);
    std::string_view const bytes = point.bytes > 0 ? text.substr(i, point.bytes) : "\xEF\xBF\xBD";
    if (point.bytes == 0) { point = {replacement, 1}; }
    i += point.bytes;
    constexpr std::string_view named = "\b\t\n\f\r\"\\";
    if (auto const name = point.value < 0x80 ? named.find(static_cast<char>(point.value)) : std::string_view::npos; name != std::string_view::npos) {
      out += {'\\', std::string_view("btnfr\"\\")[name]};
    } else if (point.value >= 0x20 && (point.value < 0x7F || kept == JsonText::utf8)) {
      out += bytes;
    } else if (point.value < 0x10000) {
      escape(point.value);
    } else {
      escape(0xD800U + ((point.value - 0x10000U) >> 10U));
      escape(0xDC00U + ((point.value - 0x10000U) & 0x3FFU));
    }
  }
  return out + '"';
}

namespace detail {

/// Reads JSON and tells what it meets, as it meets it. The grammar is that of RFC 8259, nothing more: no comments, no byte order mark, one value.
template <class Events>
class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view source, Events& events) : text_(text), source_(source), events_(events) {}

  void read() {
    skip_space();
    value(0);
    skip_space();
    if (at_ != text_.size()) { refuse(); }
  }

 private:
  static constexpr int deepest = 64;

  [[noreturn]] void refuse() const { fail<FileError>(source_, "is not valid JSON (byte ", at_ + 1, ")"); }

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }  // a NUL is no part of any JSON text
  [[nodiscard]] bool digit() const { return peek() >= '0' && peek() <= '9'; }

  void expect(char wanted) {
    if (peek() != wanted) { refuse(); }
    ++at_;
  }
  void expect(std::string_view word) {
    for (char const wanted : word) { expect(wanted); }
  }
  void skip_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') { ++at_; }
  }

  void value(int depth) {
    switch (peek()) {
      case '{': return object(depth + 1);
      case '[': return array(depth + 1);
      case '"': return events_.string(string());
      case 't': return expect("true"), events_.boolean(true);
      case 'f': return expect("false"), events_.boolean(false);
      case 'n': return expect("null"), events_.null();
      default: number();
    }
  }

  void deeper(int depth) {
    if (depth > deepest) { fail<FileError>(source_, "nests deeper than ", deepest, " levels"); }
    ++at_;
    skip_space();
  }

  void object(int depth) {
    deeper(depth);
    events_.start_object();
    for (bool first = true; peek() != '}'; first = false) {
      if (!first) {
        expect(',');
        skip_space();
      }
      if (peek() != '"') { refuse(); }
      events_.key(string());
      skip_space();
      expect(':');
      skip_space();
      value(depth);
      skip_space();
    }
    ++at_;
    events_.end_object();
  }

  void array(int depth) {
    deeper(depth);
    events_.start_array();
    for (bool first = true; peek() != ']'; first = false) {
      if (!first) {
        expect(',');
        skip_space();
      }
      value(depth);
      skip_space();
    }
    ++at_;
    events_.end_array();
  }

  [[nodiscard]] std::string string() {
    expect('"');
    std::string out;
    while (peek() != '"') {
      if (peek() == '\\') {
        escape(out);
        continue;
      }
      auto const point = at_ < text_.size() ? code_point_at(text_, at_) : CodePoint{};
      if (point.bytes == 0 || point.value < 0x20) { refuse(); }
      out.append(text_, at_, point.bytes);
      at_ += point.bytes;
    }
    ++at_;
    return out;
  }

  void escape(std::string& out) {
    ++at_;
    char const name = peek();
    if (name == 'u') { return append(out, escaped_point()); }
    auto const known = std::string_view("\"\\/bfnrt").find(name);
    if (name == '\0' || known == std::string_view::npos) { refuse(); }
    out += "\"\\/\b\f\n\r\t"[known];
    ++at_;
  }

  [[nodiscard]] std::uint32_t escaped_point() {
    std::uint32_t const first = escaped_unit();
    if (first < 0xD800 || first > 0xDFFF) { return first; }
    if (first > 0xDBFF || peek() != '\\') { refuse(); }
    ++at_;
    if (peek() != 'u') { refuse(); }
    std::uint32_t const second = escaped_unit();
    if (second < 0xDC00 || second > 0xDFFF) { refuse(); }
    return 0x10000U + ((first - 0xD800U) << 10U) + (second - 0xDC00U);
  }

  [[nodiscard]] std::uint32_t escaped_unit() {
    ++at_;
    std::uint32_t unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char const c = peek();
      unsigned const nibble = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                              : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                              : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A') + 10
                                                     : 16;
      if (nibble > 15) { refuse(); }
      unit = unit << 4U | nibble;
    }
    return unit;
  }

  static void append(std::string& out, std::uint32_t point) {
    auto const add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    auto const tail = [&](unsigned shift) { add(0x80U | (point >> shift & 0x3FU)); };
    if (point < 0x80) { return add(point); }
    if (point < 0x800) {
      add(0xC0U | point >> 6U);
    } else if (point < 0x10000) {
      add(0xE0U | point >> 12U);
      tail(6);
    } else {
      add(0xF0U | point >> 18U);
      tail(12);
      tail(6);
    }
    tail(0);
  }

  void digits() {
    if (!digit()) { refuse(); }
    while (digit()) { ++at_; }
  }

  void number() {
    auto const first = at_;
    bool const negative = peek() == '-';
    if (negative) { ++at_; }
    if (peek() == '0') {
      ++at_;
    } else {
      digits();
    }
    bool whole = true;
    if (peek() == '.') {
      whole = false;
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      whole = false;
      ++at_;
      if (peek() == '+' || peek() == '-') { ++at_; }
      digits();
    }
    auto const text = text_.substr(first, at_ - first);
    auto const read = [&](auto& number) { return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc{}; };
    // Whole numbers too long for 64 bits are numbers with a rounded value, as everywhere.
    if (std::uint64_t number = 0; whole && !negative && read(number)) { return events_.number_unsigned(number); }
    if (std::int64_t number = 0; whole && negative && read(number)) { return events_.number_integer(number); }
    double number = 0.0;
    if (!read(number)) { fail<FileError>(source_, "is not valid JSON here: no double can hold the number at byte ", first + 1); }
    events_.number_float(number);
  }

  std::string_view text_;
  std::string_view source_;
  Events& events_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// Reads one JSON text from an untrusted file, telling `events` what comes, in order; nothing of it is kept.
///   null()  boolean(bool)  number_integer(int64, negative)  number_unsigned(uint64)  number_float(double)  string(std::string)
///   start_object()  key(std::string)  end_object()  start_array()  end_array()
/// @param[in] source  name of the file, for messages
/// @throws FileError  for invalid JSON or UTF-8, more than 64 levels, or a number that no double can hold; and what the events throw
/// @source RFC 8259
template <class Events>
void read_json(std::string_view text, std::string_view source, Events& events) {
  detail::JsonReader<Events>(text, source, events).read();
}

}  // namespace accrete
