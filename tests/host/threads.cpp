#include <accrete/host/eigen_products.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/threads.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace accrete::test::threads_test {

static_assert(Executor<HostExecutor<EigenProducts>>);

TEST_CASE("a parallel loop visits every index once, whatever the number of threads") {
  for (int const threads : {1, 2, 5}) {
    for (Index const count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      host::parallel_for(threads, count, [&](Index i) { ++visits[static_cast<std::size_t>(i)]; });
      for (auto const& n : visits) { CHECK(n == 1); }
    }
  }
}

TEST_CASE("ranges cover everything once and small work stays on one thread") {
  for (int const threads : {1, 2, 5}) {
    for (Index const cost : {1, 100000}) {
      std::vector<std::atomic<int>> visits(997);
      std::atomic<int> ranges = 0;
      host::parallel_ranges(threads, 997, cost, [&](Index first, Index last) {
        ++ranges;
        for (Index i = first; i < last; ++i) { ++visits[static_cast<std::size_t>(i)]; }
      });
      for (auto const& n : visits) { CHECK(n == 1); }
      CHECK(ranges == (cost == 1 ? 1 : threads));
    }
  }
  host::parallel_ranges(2, 0, 1, [](Index, Index) { FAIL("an empty range was visited"); });
}

TEST_CASE("a thread scope sets what OpenMP tells others and puts it back") {
  int const before = host::available_threads();
  {
    host::ThreadScope const scope(3);
    CHECK(host::available_threads() == (ACCRETE_WITH_OPENMP != 0 ? 3 : 1));
  }
  CHECK(host::available_threads() == before);
  CHECK(HostExecutor<EigenProducts>{}.thread_count() == before);
  CHECK(HostExecutor<EigenProducts>{.threads = 7}.thread_count() == 7);
}

namespace {
struct Here;
struct There;
}  // namespace

TEST_CASE("scratch is aligned, stays where it is while it suffices, and belongs to one thread and one purpose") {
  auto* const first = host::ThreadScratch<Here>::get<float>(1000);
  CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
  CHECK(host::ThreadScratch<Here>::get<double>(100) == static_cast<void*>(first));
  CHECK(host::ThreadScratch<There>::get<float>(10) != first);
  float* elsewhere = nullptr;
  std::thread other([&] { elsewhere = host::ThreadScratch<Here>::get<float>(10); });
  other.join();
  CHECK(elsewhere != first);
}

}  // namespace accrete::test::threads_test
