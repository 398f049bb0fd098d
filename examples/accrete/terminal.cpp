#include "terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace accrete::tool {

bool draws_bars(bool quiet) { return !quiet && isatty(STDERR_FILENO) == 1; }

ProgressBar::ProgressBar(std::string label, bool visible) : label_(std::move(label)), visible_(visible) {}

ProgressBar::~ProgressBar() {
  if (drawn_) { std::cerr << "\r\033[K" << std::flush; }
}

void ProgressBar::update(Index done, Index total) {
  if (!visible_ || total <= 0) { return; }
  auto const now = Clock::now();
  constexpr auto redraw = std::chrono::milliseconds(100);
  if (drawn_ && now - last_ < redraw && done < total) { return; }
  last_ = now;
  drawn_ = true;

  double const seconds = std::chrono::duration<double>(now - start_).count();
  double const rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  double const remaining = rate > 0 ? static_cast<double>(total - done) / rate : 0.0;
  constexpr Index width = 28;
  auto const filled = static_cast<std::size_t>(width * std::min(done, total) / total);
  std::cerr << "\r\033[K" << label_ << " [" << std::string(filled, '#') << std::string(static_cast<std::size_t>(width) - filled, '.') << "] " << done << '/' << total << "  " << fixed(rate, 0)
            << "/s  " << fixed(remaining, 0) << " s left" << std::flush;
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths;
  for (auto const& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) { widths[i] = std::max(widths[i], row[i].size()); }
  }
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t i = 0; i < rows_[r].size(); ++i) {
      out += i == 0 ? "" : "  ";
      out += std::string(widths[i] - rows_[r][i].size(), ' ') + rows_[r][i];
    }
    out += '\n';
    if (r == 0) {
      for (std::size_t i = 0; i < widths.size(); ++i) { out += (i == 0 ? "" : "  ") + std::string(widths[i], '-'); }
      out += '\n';
    }
  }
  return out;
}

std::string fixed(double value, int digits) {
  char buffer[64];
  int const length = std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return {buffer, static_cast<std::size_t>(std::max(length, 0))};
}

}  // namespace accrete::tool
