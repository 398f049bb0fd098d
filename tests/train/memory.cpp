#include "support/files.hpp"

#include <accrete/io/model_file.hpp>
#include <accrete/train/batch_order.hpp>
#include <accrete/train/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace accrete::test::memory_test {
namespace {

static_assert(MemoryRule<BalancedMemory> && MemoryRule<RingMemory> && !MemoryRule<EpisodicMemory>);

/// `counts` samples of classes a, b, c, ..., taking turns.
std::vector<MemorySample> samples_of(std::vector<Index> counts) {
  std::vector<MemorySample> samples;
  for (bool any = true; any;) {
    any = false;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c]-- <= 0) { continue; }
      samples.push_back({static_cast<Index>(100 + samples.size()), std::string(1, static_cast<char>('a' + c))});
      any = true;
    }
  }
  return samples;
}

std::map<std::string, Index> count_by_class(std::vector<MemorySample> const& samples) {
  std::map<std::string, Index> counts;
  for (auto const& sample : samples) { ++counts[sample.class_name]; }
  return counts;
}

std::vector<MemorySample> balanced(std::vector<MemorySample> const& samples, Index size, std::uint64_t seed = 1, Index task = 0) {
  EpisodicMemory memory;
  BalancedMemory{.per_task = size, .seed = seed}.offer(memory, task, samples);
  return memory.samples(task);
}

}  // namespace

TEST_CASE("a balanced memory shares its places among the classes") {
  using Counts = std::map<std::string, Index>;
  CHECK(count_by_class(balanced(samples_of({50, 50, 50}), 9)) == Counts{{"a", 3}, {"b", 3}, {"c", 3}});
  CHECK(count_by_class(balanced(samples_of({50, 50, 50}), 11)) == Counts{{"a", 4}, {"b", 4}, {"c", 3}});
  CHECK(count_by_class(balanced(samples_of({50, 2, 50}), 12)) == Counts{{"a", 5}, {"b", 2}, {"c", 5}});
  CHECK(balanced(samples_of({3, 2}), 12) == samples_of({3, 2}));
  CHECK(balanced({}, 12).empty());
  CHECK(balanced(samples_of({3, 2}), 0).empty());
}

TEST_CASE("a balanced memory depends on the seed, the task and a class's own samples alone, and keeps each at most once") {
  auto const samples = samples_of({40, 40});
  auto const kept = balanced(samples, 20);
  CHECK(balanced(samples, 20) == kept);
  CHECK(balanced(samples, 20, 2) != kept);
  CHECK(balanced(samples, 20, 1, 1) != kept);
  CHECK(std::is_sorted(kept.begin(), kept.end(), [](auto const& a, auto const& b) { return a.position < b.position; }));
  std::set<Index> positions;
  for (auto const& sample : kept) { positions.insert(sample.position); }
  CHECK(positions.size() == 20);

  // Class b alone, with the same positions.
  std::vector<MemorySample> alone;
  std::copy_if(samples.begin(), samples.end(), std::back_inserter(alone), [](auto const& sample) { return sample.class_name == "b"; });
  std::vector<MemorySample> of_b;
  std::copy_if(kept.begin(), kept.end(), std::back_inserter(of_b), [](auto const& sample) { return sample.class_name == "b"; });
  CHECK(balanced(alone, 10) == of_b);
}

TEST_CASE("every sample has the same chance to be kept") {
  auto const samples = samples_of({10});
  std::vector<double> times(10, 0.0);
  constexpr int trials = 4000;
  for (int seed = 0; seed < trials; ++seed) {
    for (auto const& sample : balanced(samples, 3, static_cast<std::uint64_t>(seed))) { ++times[static_cast<std::size_t>(sample.position - 100)]; }
  }
  for (double const count : times) { CHECK(std::abs(count / trials - 0.3) <= 5.0 * std::sqrt(0.3 * 0.7 / trials)); }  // five standard errors
}

TEST_CASE("a ring keeps the newest of each task, however they are offered") {
  auto const samples = samples_of({5, 5});
  EpisodicMemory memory;
  RingMemory const ring{.per_task = 4};
  for (auto const& sample : samples) { ring.offer(memory, 0, {&sample, 1}); }
  std::set<Index> kept;
  for (auto const& sample : memory.samples(0)) { kept.insert(sample.position); }
  CHECK(kept == std::set<Index>{106, 107, 108, 109});
  EpisodicMemory at_once;
  ring.offer(at_once, 0, samples);
  CHECK(at_once == memory);
  ring.offer(memory, 2, std::span(samples).first(3));  // fewer than places: no garbage
  CHECK(memory.samples(2).size() == 3);
  CHECK(memory.samples(1).empty());
  CHECK(memory.samples(0) == at_once.samples(0));
  CHECK(memory.tasks() == 3);
  CHECK(memory.samples(7).empty());
}

TEST_CASE("a memory goes through a model file, and a ring goes on where it was") {
  auto const samples = samples_of({7, 6});
  RingMemory const ring{.per_task = 5};
  EpisodicMemory memory;
  BalancedMemory{.per_task = 6}.offer(memory, 0, samples);
  ring.offer(memory, 2, std::span(samples).first(8));
  TemporaryFolder const folder;
  ModelWriter const writer("test");
  memory.write(writer.scope("memory"));
  writer.write(folder / "model.safetensors");
  auto read = EpisodicMemory::read(ModelReader::open(folder / "model.safetensors").scope("memory"));
  CHECK(read == memory);
  ring.offer(memory, 2, std::span(samples).subspan(8));
  ring.offer(read, 2, std::span(samples).subspan(8));
  CHECK(read == memory);
}

TEST_CASE("memories without sense are refused") {
  EpisodicMemory memory;
  CHECK_THROWS_AS(BalancedMemory{.per_task = -1}.offer(memory, 0, {}), ValueError);
  CHECK_THROWS_AS(RingMemory{.per_task = 0}.offer(memory, 0, {}), ValueError);
  CHECK_THROWS_AS(RingMemory{}.offer(memory, -1, {}), ShapeError);
  CHECK(memory == EpisodicMemory());
}

TEST_CASE("the order of an epoch is a permutation of its own") {
  BatchOrder const order{.samples = 103, .batch = 10, .seed = 5, .task = 1, .epoch = 2};
  CHECK(order.batches() == 11);
  auto const positions = order.positions();
  auto sorted = positions;
  std::sort(sorted.begin(), sorted.end());
  std::vector<Index> all(103);
  std::iota(all.begin(), all.end(), Index{0});
  CHECK(sorted == all);
  CHECK(positions != all);
  CHECK(order.positions() == positions);
  for (BatchOrder const& other : {BatchOrder{103, 10, 6, 1, 2}, BatchOrder{103, 10, 5, 0, 2}, BatchOrder{103, 10, 5, 1, 3}}) { CHECK(other.positions() != positions); }
  CHECK(BatchOrder{103, 99, 5, 1, 2}.positions() == positions);  // the size of a batch does not matter to it
  CHECK(BatchOrder{.samples = 0, .batch = 3}.batches() == 0);
  CHECK_THROWS_AS(static_cast<void>(BatchOrder{.samples = 1, .batch = 0}.positions()), ValueError);
}

}  // namespace accrete::test::memory_test
