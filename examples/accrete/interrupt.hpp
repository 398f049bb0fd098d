#pragma once

#include <string>

namespace accrete::tool {

/// While it lives, Ctrl-C (SIGINT) and SIGTERM ask the command to stop at the next good moment instead of ending it. A second Ctrl-C ends it at once.
class InterruptGuard {
 public:
  InterruptGuard();
  InterruptGuard(InterruptGuard const&) = delete;
  InterruptGuard& operator=(InterruptGuard const&) = delete;
  ~InterruptGuard();

  [[nodiscard]] static bool wants_to_stop();
  /// @throws Interrupted  when it does
  static void stop_here(std::string const& where);
};

}  // namespace accrete::tool
