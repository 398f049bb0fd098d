#include <accrete/core/scratch.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

namespace accrete {
namespace {

/// Host memory that counts what is taken and given back.
struct CountedMemory {
  static inline std::atomic<int> allocations{0};
  static inline std::atomic<int> alive{0};

  static void* allocate(std::size_t bytes) {
    ++allocations;
    ++alive;
    return HostMemory::allocate(bytes);
  }
  static void release(void* pointer, std::size_t bytes) noexcept {
    --alive;
    HostMemory::release(pointer, bytes);
  }
};

TEST_CASE("a step that ran once allocates nothing the next time") {
  ScratchPool<CountedMemory> const pool;
  auto const step = [&] {
    auto const tokens = pool.lease<float>(Shape<3>{4, 17, 48});
    auto const hidden = pool.lease<double>(Shape<2>{17, 192});
    auto const small = pool.lease<std::uint8_t>(Shape<1>{7});
    tokens.view()(3, 16, 47) = 1.0F;
    hidden.view()(16, 191) = 2.0;
    small.view()[6] = 3;
  };
  step();
  int const before = CountedMemory::allocations;
  for (int i = 0; i < 10; ++i) { step(); }
  CHECK(CountedMemory::allocations == before);
  CHECK(pool.bytes() == 4 * 17 * 48 * 4 + 17 * 192 * 8 + 7);
}

TEST_CASE("two leases that live together never share memory, and the smallest buffer that fits is lent") {
  ScratchPool<> const pool;
  float const* large_data = nullptr;
  {
    auto const large = pool.lease<float>(Shape<1>{1000});
    auto const small = pool.lease<float>(Shape<1>{10});
    CHECK(large.data() != small.data());
    large_data = large.data();
  }
  auto const small = pool.lease<float>(Shape<1>{9});
  auto const large = pool.lease<float>(Shape<1>{999});
  CHECK(small.data() != large_data);
  CHECK(large.data() == large_data);
  CHECK(reinterpret_cast<std::uintptr_t>(large.data()) % HostMemory::alignment == 0);
}

TEST_CASE("a lease may outlive its pool and nothing leaks") {
  int const before = CountedMemory::alive;
  {
    std::optional<ScratchPool<CountedMemory>> pool(std::in_place);
    auto lease = pool->lease<float>(Shape<2>{3, 5});
    auto moved = std::move(lease);
    pool.reset();
    moved.view()(2, 4) = 1.0F;
    CHECK(CountedMemory::alive == before + 1);
  }
  CHECK(CountedMemory::alive == before);
}

TEST_CASE("an empty shape needs no memory and a negative one is refused") {
  ScratchPool<CountedMemory> const pool;
  int const before = CountedMemory::allocations;
  CHECK(pool.lease<float>(Shape<2>{0, 5}).view().size() == 0);
  CHECK(CountedMemory::allocations == before);
  CHECK_THROWS_AS(static_cast<void>(pool.lease<float>(Shape<1>{-1})), ShapeError);
}

TEST_CASE("threads may lend and give back at once") {
  ScratchPool<> const pool;
  std::atomic<int> clashes{0};
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < 2000; ++i) {
        auto const lease = pool.lease<int>(Shape<1>{1 + (i * 7 + id) % 50});
        for (int& value : lease.view()) { value = id; }
        std::this_thread::yield();
        for (int const value : lease.view()) { clashes += value == id ? 0 : 1; }
      }
    });
  }
  for (auto& thread : threads) { thread.join(); }
  CHECK(clashes == 0);
}

}  // namespace
}  // namespace accrete
