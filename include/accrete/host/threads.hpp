#pragma once

#include <accrete/config.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>

#if ACCRETE_WITH_OPENMP
#include <omp.h>
#endif

namespace accrete::host {

/// Threads a parallel loop gets when nobody says otherwise: OpenMP's setting, 1 without OpenMP.
[[nodiscard]] inline int available_threads() {
#if ACCRETE_WITH_OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

/// For its lifetime, libraries that ask OpenMP for the number of threads get this one. A no-op without OpenMP.
class ThreadScope {
 public:
#if ACCRETE_WITH_OPENMP
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) { set(threads); }
  ~ThreadScope() { set(before_); }
#else
  explicit ThreadScope(int /*threads*/) {}
  ~ThreadScope() = default;
#endif
  ThreadScope(ThreadScope const&) = delete;
  ThreadScope& operator=(ThreadScope const&) = delete;

 private:
#if ACCRETE_WITH_OPENMP
  static void set(int threads) {
    if (threads != omp_get_max_threads()) { omp_set_num_threads(threads); }
  }
  int before_;
#endif
};

/// Calls body(i) for every i in [0, count), split over at most `threads` threads in contiguous ranges. `body` must not throw.
/// Which thread runs an index never changes what body(i) computes, as long as the bodies write to different places.
template <class Body>
void parallel_for(int threads, Index count, Body const& body) {
  int const team = static_cast<int>(std::min<Index>(threads, count));
  if (team <= 1) {
    for (Index i = 0; i < count; ++i) { body(i); }
    return;
  }
  ACCRETE_PARALLEL_FOR(team)
  for (Index i = 0; i < count; ++i) { body(i); }
}

/// Calls body(first, last) for ranges that cover [0, count). A range costs `cost_per_item` elements per index; below
/// a few thousand elements waking the other threads takes longer than the work, so one thread does it all.
template <class Body>
void parallel_ranges(int threads, Index count, Index cost_per_item, Body const& body) {
  constexpr Index worth_a_thread = 16384;
  Index const useful = std::max<Index>(1, count * std::max<Index>(1, cost_per_item) / worth_a_thread);
  Index const parts = std::min<Index>({static_cast<Index>(threads), count, useful});
  if (parts <= 1) {
    if (count > 0) { body(Index{0}, count); }
    return;
  }
  parallel_for(static_cast<int>(parts), parts, [&](Index part) { body(count * part / parts, count * (part + 1) / parts); });
}

}  // namespace accrete::host
