#pragma once

#include <accrete/host/executor.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/kernels/parts.hpp>

#include <algorithm>
#include <exception>
#include <mutex>

namespace accrete::host {
namespace detail {
/// Keeps the first of the exceptions of several threads; OpenMP lets none out of a parallel loop.
class FirstException {
 public:
  template <class Action>
  void guard(Action const& action) noexcept {
    try {
      action();
    } catch (...) {
      std::lock_guard const lock(mutex_);
      if (first_ == nullptr) { first_ = std::current_exception(); }
    }
  }
  void rethrow() const {
    if (first_ != nullptr) { std::rethrow_exception(first_); }
  }

 private:
  std::mutex mutex_;
  std::exception_ptr first_;
};
}  // namespace detail

/// Every thread takes part after part. Items that do not divide by the threads come last, with all threads inside each kernel.
template <class Products, class Body>
void for_parts_on(HostExecutor<Products> const& exec, Index total, Index most, Body const& body) {
  auto const threads = static_cast<Index>(exec.thread_count());
  Index const shared = threads > 1 ? total - total % threads : 0;
  if (shared > 0) {
    Index const rounds = (shared / threads + most - 1) / most;
    Index const parts = rounds * threads;
    HostExecutor<Products> alone = exec;
    alone.threads = 1;
    detail::FirstException failure;
    share_out(exec.thread_count(), parts, [&](Index part) {
      Index const first = shared * part / parts;
      failure.guard([&] { body(alone, first, shared * (part + 1) / parts - first); });
    });
    failure.rethrow();
  }
  for (Index first = shared; first < total; first += most) { body(exec, first, std::min(most, total - first)); }
}

}  // namespace accrete::host
