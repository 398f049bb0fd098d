#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

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

/// Joins its parts into one message, as a stream would print them.
template <class... Parts>
[[nodiscard]] std::string message(Parts const&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

/// Throws `Failure` with `function: parts...`.
template <class Failure, class... Parts>
[[noreturn]] void fail(std::string_view function, Parts const&... parts) {
  throw Failure(message(function, ": ", parts...));
}

namespace detail {
template <class... Numbers>
[[noreturn]] void refuse_shape(std::string_view function, std::string_view rule, Numbers const&... came) {
  std::ostringstream out;
  out << function << ": " << rule;
  if constexpr (sizeof...(came) > 0) {
    char const* separator = " (came: ";
    ((out << separator << came, separator = ", "), ...);
    out << ')';
  }
  throw ShapeError(std::move(out).str());
}
}  // namespace detail

/// Checks a rule about shapes; a constant expression where the rule holds.
/// @throws ShapeError  `function: rule (came: a, b, ...)` when `holds` is false
template <class... Numbers>
constexpr void expects(bool holds, std::string_view function, std::string_view rule, Numbers const&... came) {
  if (!holds) { detail::refuse_shape(function, rule, came...); }
}

}  // namespace accrete
