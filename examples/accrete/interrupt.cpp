#include "interrupt.hpp"

#include <accrete/train/checkpoint.hpp>

#include <csignal>

namespace accrete::tool {
namespace {

volatile std::sig_atomic_t asked = 0;

extern "C" void remember_the_signal(int /*signal*/) { asked = 1; }

void handle(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;  // the second one ends the program
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  asked = 0;
  handle(remember_the_signal);
}
InterruptGuard::~InterruptGuard() { handle(SIG_DFL); }

bool InterruptGuard::wants_to_stop() { return asked != 0; }

void InterruptGuard::stop_here(std::string const& where) {
  if (wants_to_stop()) { fail<Interrupted>(where, "stopped"); }
}

}  // namespace accrete::tool
