#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdint>

namespace accrete {

/// Seconds since it was made, by a clock that never jumps.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// The most memory this process ever had in RAM, in bytes, mapped files included; 0 where the system does not tell.
[[nodiscard]] inline std::int64_t peak_rss_bytes() {
  struct rusage usage {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) { return 0; }
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

}  // namespace accrete
