#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

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
#if defined(__linux__)
  // Not getrusage: what it tells includes the process that started this one.
  if (std::FILE* const status = std::fopen("/proc/self/status", "r")) {
    char line[256];
    long long kilobytes = 0;
    while (std::fgets(line, sizeof line, status) != nullptr && std::sscanf(line, "VmHWM: %lld kB", &kilobytes) != 1) {}  // NOLINT(cert-err34-c): what is no number leaves 0
    static_cast<void>(std::fclose(status));
    if (kilobytes > 0) { return std::int64_t{kilobytes} * 1024; }
  }
#endif
  struct rusage usage {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) { return 0; }
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

}  // namespace accrete
