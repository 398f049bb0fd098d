#include <accrete/metric/resources.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

namespace accrete {
namespace {

TEST_CASE("a stopwatch runs forward in seconds") {
  Stopwatch const watch;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  double const first = watch.seconds();
  CHECK(first >= 0.02);
  CHECK(first < 20.0);
  CHECK(watch.seconds() >= first);
}

TEST_CASE("the peak of memory grows with what is touched and stays when it is given back") {
  std::size_t const bytes = std::size_t{64} << 20U;
  auto const before = peak_rss_bytes();
  CHECK(before > 0);
  std::int64_t during = 0;
  {
    std::vector<char> block(static_cast<std::size_t>(before) + bytes, '\1');
    during = peak_rss_bytes();
    CHECK(block[bytes / 2] == '\1');
  }
  CHECK(during >= before + static_cast<std::int64_t>(bytes) / 2);
  CHECK(peak_rss_bytes() >= during - (std::int64_t{1} << 20U));  // the kernel counts pages per processor and adds up now and then
}

}  // namespace
}  // namespace accrete
