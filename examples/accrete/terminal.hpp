#pragma once

#include <accrete/core/tensor.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace accrete::tool {

/// Whether a progress bar may be drawn: standard error is a terminal and the user did not ask for quiet.
[[nodiscard]] bool draws_bars(bool quiet);

/// A bar with rate and remaining time on a terminal; nothing where there is none, so that logs stay plain.
class ProgressBar {
 public:
  ProgressBar(std::string label, bool visible);
  ProgressBar(ProgressBar const&) = delete;
  ProgressBar& operator=(ProgressBar const&) = delete;
  ~ProgressBar();

  void update(Index done, Index total);

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  bool visible_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

/// Rows of text with aligned columns, numbers to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : rows_{std::move(header)} {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// A number with a fixed count of digits behind the point.
[[nodiscard]] std::string fixed(double value, int digits);

}  // namespace accrete::tool
