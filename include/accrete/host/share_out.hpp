#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/threads.hpp>

#include <algorithm>
#include <atomic>

namespace accrete::host {

/// Calls body(i) for every i in [0, count); each thread takes the next index when it is done with its last one.
/// For items of unequal cost. Which thread runs an index never changes what body(i) computes. `body` must not throw.
template <class Body>
void share_out(int threads, Index count, Body const& body) {
  int const team = static_cast<int>(std::min<Index>(threads, count));
  if (team <= 1) {
    for (Index i = 0; i < count; ++i) { body(i); }
    return;
  }
  std::atomic<Index> next{0};
  parallel_for(team, team, [&](Index /*member*/) {
    for (Index i = next.fetch_add(1, std::memory_order_relaxed); i < count; i = next.fetch_add(1, std::memory_order_relaxed)) { body(i); }
  });
}

}  // namespace accrete::host
