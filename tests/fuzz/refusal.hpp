#pragma once

#include <accrete/core/error.hpp>

#include <cstdlib>
#include <string_view>

namespace accrete::fuzz {

/// Runs a reader on what the fuzzer made up. It may succeed, or refuse by a FileError that names the file; anything else ends the run.
template <class Read>
void expect_result_or_refusal(std::string_view file, Read read) {
  try {
    read();
  } catch (FileError const& error) {
    if (std::string_view(error.what()).find(file) == std::string_view::npos) { std::abort(); }
  }
}

/// Keeps a result from being optimised away, and makes the sanitizers see every byte of it.
template <class Range>
void touch(Range const& range) {
  unsigned sum = 0;
  for (auto const value : range) { sum += static_cast<unsigned>(value); }
  unsigned volatile sink = sum;
  static_cast<void>(sink);
}

}  // namespace accrete::fuzz
