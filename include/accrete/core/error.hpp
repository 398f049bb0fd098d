#pragma once

#include <cstddef>
#include <cstdio>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

namespace accrete {

/// What every exception of the library is. The message is one sentence with the function, the rule and the numbers that came.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Extents that do not fit each other, or a size out of its range.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A setting, label or option outside of what is allowed.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A file that is missing, unreadable, truncated or not what it says it is. The message names the file.
class FileError : public Error {
 public:
  using Error::Error;
};

/// A failed call of the device's runtime.
class DeviceError : public Error {
 public:
  using Error::Error;
};

namespace detail {

/// One part of a message. Not a stream: resolving `<<` for every part of every message was a tenth of what the library cost to compile.
class MessagePart {
 public:
  MessagePart(std::string_view text) : text_(text) {}
  MessagePart(std::string const& text) : text_(text) {}
  MessagePart(char const* text) : text_(text) {}
  MessagePart(char letter) : buffer_{letter}, text_(buffer_, 1) {}
  MessagePart(bool value) : MessagePart(static_cast<int>(value)) {}
  MessagePart(int value) : MessagePart(static_cast<long long>(value)) {}
  MessagePart(long value) : MessagePart(static_cast<long long>(value)) {}
  MessagePart(long long value) { print("%lld", value); }
  MessagePart(unsigned value) : MessagePart(static_cast<unsigned long long>(value)) {}
  MessagePart(unsigned long value) : MessagePart(static_cast<unsigned long long>(value)) {}
  MessagePart(unsigned long long value) { print("%llu", value); }
  MessagePart(double value) { print("%g", value); }
  MessagePart(MessagePart const&) = delete;  // the text may lie in the buffer
  MessagePart& operator=(MessagePart const&) = delete;
  ~MessagePart() = default;

  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  template <class Number>
  void print(char const* format, Number value) {
    int const length = std::snprintf(buffer_, sizeof buffer_, format, value);
    text_ = std::string_view(buffer_, static_cast<std::size_t>(length));
  }

  char buffer_[32] = {};
  std::string_view text_;
};

[[nodiscard]] inline std::string join(std::initializer_list<MessagePart> parts, std::string_view separator = {}) {
  std::string out;
  for (MessagePart const& part : parts) {
    if (&part != parts.begin()) { out += separator; }
    out += part.text();
  }
  return out;
}

[[noreturn]] inline void refuse_shape(std::string_view function, std::string_view rule, std::initializer_list<MessagePart> came) {
  throw ShapeError(join({function, ": ", rule, came.size() > 0 ? " (came: " : "", join(came, ", "), came.size() > 0 ? ")" : ""}));
}

}  // namespace detail

/// Joins its parts, texts and numbers, into one message; floating numbers have six digits.
template <class... Parts>
[[nodiscard]] std::string message(Parts const&... parts) {
  return detail::join({parts...});
}

/// Throws `Failure` with `function: parts...`.
template <class Failure, class... Parts>
[[noreturn]] void fail(std::string_view function, Parts const&... parts) {
  throw Failure(detail::join({function, ": ", parts...}));
}

/// Checks a rule about shapes; a constant expression where the rule holds.
/// @throws ShapeError  `function: rule (came: a, b, ...)` when `holds` is false
template <class... Numbers>
constexpr void expects(bool holds, std::string_view function, std::string_view rule, Numbers const&... came) {
  if (!holds) { detail::refuse_shape(function, rule, {came...}); }
}

}  // namespace accrete
