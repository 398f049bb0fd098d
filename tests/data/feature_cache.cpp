#include "support/files.hpp"

#include <accrete/data/feature_cache.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace accrete::test {
namespace {

FeatureKey const key{"weights", "height=32", "host/float32"};

std::array<float, 3> feature_of(std::uint64_t id) { return {static_cast<float>(id), 0.1F * static_cast<float>(id), -1.0F}; }

void put(FeatureCache& cache, FeatureKey const& where, std::uint64_t id) {
  auto const feature = feature_of(id);
  cache.insert(where, id, VectorView<float const>(feature.data(), {3}));
}

bool has(FeatureCache& cache, FeatureKey const& where, std::uint64_t id) {
  std::array<float, 3> row{7, 7, 7};
  bool const found = cache.find(where, id, VectorView<float>(row.data(), {3}));
  CHECK(row == (found ? feature_of(id) : std::array<float, 3>{7, 7, 7}));
  return found;
}

}  // namespace

TEST_CASE("a feature is found under its own key and id only") {
  FeatureCache cache;
  put(cache, key, 5);
  CHECK(has(cache, key, 5));
  CHECK_FALSE(has(cache, key, 6));
  for (FeatureKey const& other :
       {FeatureKey{"other", key.preprocessing, key.execution}, FeatureKey{key.weights, "height=64", key.execution}, FeatureKey{key.weights, key.preprocessing, "host/bfloat16"}}) {
    CHECK_FALSE(has(cache, other, 5));
  }
  CHECK(cache.size(key) == 1);
  CHECK(cache.path(key).empty());
  cache.flush();
}

TEST_CASE("the first feature of an id stays, and widths do not mix") {
  FeatureCache cache;
  put(cache, key, 5);
  std::array<float, 3> const other{9, 9, 9};
  cache.insert(key, 5, VectorView<float const>(other.data(), {3}));
  CHECK(has(cache, key, 5));
  std::array<float, 2> narrow{};
  CHECK_FALSE(cache.find(key, 5, VectorView<float>(narrow.data(), {2})));
  CHECK_THROWS_AS(cache.insert(key, 6, VectorView<float const>(narrow.data(), {2})), ShapeError);
  CHECK_THROWS_AS(cache.insert(key, 6, VectorView<float const>()), ShapeError);
}

TEST_CASE("what was flushed is there for the next cache, each key in a file of its own") {
  TemporaryFolder const folder;
  FeatureKey const second{"w2", "", ""};
  {
    FeatureCache cache(folder / "made" / "later");
    put(cache, key, 1);
    put(cache, key, UINT64_MAX);
    put(cache, second, 2);
    cache.flush();
    put(cache, key, 3);  // never flushed
  }
  FeatureCache again(folder / "made" / "later");
  CHECK(has(again, key, 1));
  CHECK(has(again, key, UINT64_MAX));
  CHECK_FALSE(has(again, key, 3));
  CHECK_FALSE(has(again, key, 2));
  CHECK(has(again, second, 2));
  put(again, key, 3);
  again.flush();
  FeatureCache third(folder / "made" / "later");
  CHECK(third.size(key) == 3);
}

TEST_CASE("a file damaged in any byte is never believed, and is written anew") {
  TemporaryFolder const folder;
  FeatureCache cache(folder.path());
  put(cache, key, 1);
  put(cache, key, 2);
  cache.flush();
  auto const path = cache.path(key);
  std::string const whole = read_file(path);
  for (std::size_t place = 0; place < whole.size(); ++place) {
    CAPTURE(place);
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 0x10);
    write_file(path, damaged);
    FeatureCache reader(folder.path());
    has(reader, key, 1);  // checks the value, if there is one
    has(reader, key, 2);
  }
  for (std::string const& foreign : {std::string(), whole.substr(0, whole.size() - 1), whole + "x", std::string("hello, world")}) {
    write_file(path, foreign);
    FeatureCache reader(folder.path());
    CHECK_FALSE(has(reader, key, 1));
    put(reader, key, 1);
    put(reader, key, 2);
    reader.flush();
    CHECK(read_file(path) == whole);
  }
  write_file(path, "hello");
  FeatureCache empty(folder.path());
  CHECK(empty.size(key) == 0);
  empty.flush();
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("the file of another key under this name is not believed") {
  TemporaryFolder const folder;
  FeatureCache cache(folder.path());
  FeatureKey const other{"elsewhere", "", ""};
  put(cache, other, 1);
  cache.flush();
  std::filesystem::rename(cache.path(other), cache.path(key));
  FeatureCache reader(folder.path());
  CHECK_FALSE(has(reader, key, 1));
}

TEST_CASE("a folder that cannot be made is an error that leaves the memory as it was") {
  TemporaryFolder const folder;
  write_file(folder / "file", "x");
  FeatureCache cache(folder / "file" / "below");
  put(cache, key, 1);
  CHECK_THROWS_AS(cache.flush(), FileError);
  CHECK(has(cache, key, 1));
}

TEST_CASE("many threads may look up and insert at once") {
  FeatureCache cache;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      std::array<float, 3> row{};
      for (std::uint64_t id = 0; id < 500; ++id) {
        auto const feature = feature_of(id);
        cache.insert(key, id, VectorView<float const>(feature.data(), {3}));
        static_cast<void>(cache.find(key, (id * 7 + t) % 500, VectorView<float>(row.data(), {3})));
      }
    });
  }
  for (auto& thread : threads) { thread.join(); }
  CHECK(cache.size(key) == 500);
  for (std::uint64_t id = 0; id < 500; ++id) { REQUIRE(has(cache, key, id)); }
}

}  // namespace accrete::test
