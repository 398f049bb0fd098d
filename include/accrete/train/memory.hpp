#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/hash.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// A sample that is kept, by the place where it is found again and the name of its class. The place is what the caller counts by, such as a position in
/// a task's examples.
struct MemorySample {
  Index position = 0;
  std::string class_name;

  friend bool operator==(MemorySample const&, MemorySample const&) = default;
};

/// Which samples of each task are kept. The pictures themselves stay where they are.
class EpisodicMemory {
 public:
  /// Number of tasks of which something was kept, or a later one's.
  [[nodiscard]] Index tasks() const { return static_cast<Index>(tasks_.size()); }

  /// What is kept of a task; empty for one that kept nothing.
  [[nodiscard]] std::vector<MemorySample> const& samples(Index task) const {
    static std::vector<MemorySample> const nothing;
    return task >= 0 && task < tasks() ? tasks_[static_cast<std::size_t>(task)].samples : nothing;
  }

  /// Samples of the task that have been offered, kept or not.
  [[nodiscard]] Index offered(Index task) const { return task >= 0 && task < tasks() ? tasks_[static_cast<std::size_t>(task)].offered : 0; }

  /// Replaces what is kept of a task.
  /// @throws ShapeError  for a negative task
  void keep(Index task, std::vector<MemorySample> samples, Index offered) {
    expects(task >= 0, "EpisodicMemory::keep", "the task must not be negative", task);
    if (task >= tasks()) { tasks_.resize(static_cast<std::size_t>(task) + 1); }
    tasks_[static_cast<std::size_t>(task)] = {std::move(samples), offered};
  }

  /// Per task: tensor `positions` [n] and `classes`, the name of each.
  /// @tparam Writer  `ModelWriter`
  template <class Writer>
  void write(Writer const& writer) const {
    writer.setting("tasks", tasks());
    for (Index task = 0; task < tasks(); ++task) {
      auto const& samples = this->samples(task);
      Vector<Index> positions({static_cast<Index>(samples.size())});
      std::vector<std::string> names;
      for (std::size_t i = 0; i < samples.size(); ++i) {
        positions(static_cast<Index>(i)) = samples[i].position;
        names.push_back(samples[i].class_name);
      }
      auto const scope = writer.scope("task" + std::to_string(task));
      scope.tensor("positions", std::move(positions));
      scope.setting("classes", names);
      scope.setting("offered", offered(task));
    }
  }

  /// @tparam Reader  `ModelReader`
  /// @throws FileError  when something is missing;  ShapeError  when there is not one class per position
  template <class Reader>
  [[nodiscard]] static EpisodicMemory read(Reader const& reader) {
    EpisodicMemory memory;
    auto const count = reader.template setting<Index>("tasks");
    for (Index task = 0; task < count; ++task) {
      auto const scope = reader.scope("task" + std::to_string(task));
      auto const positions = scope.template tensor<Index, 1>("positions");
      auto names = scope.template setting<std::vector<std::string>>("classes");
      expects(static_cast<Index>(names.size()) == positions.size(), "EpisodicMemory::read", "there must be one class per position", names.size(), positions.size());
      std::vector<MemorySample> samples;
      for (std::size_t i = 0; i < names.size(); ++i) { samples.push_back({positions(static_cast<Index>(i)), std::move(names[i])}); }
      memory.keep(task, std::move(samples), scope.template setting<Index>("offered"));
    }
    return memory;
  }

  friend bool operator==(EpisodicMemory const& a, EpisodicMemory const& b) { return a.tasks_ == b.tasks_; }

 private:
  struct TaskMemory {
    std::vector<MemorySample> samples;
    Index offered = 0;

    friend bool operator==(TaskMemory const&, TaskMemory const&) = default;
  };
  std::vector<TaskMemory> tasks_;
};

/// Decides which samples of a task are kept. `offer` is given samples of one task in the order in which they came.
template <class M>
concept MemoryRule = std::copyable<M> && requires(M const& rule, EpisodicMemory& memory, Index task, std::span<MemorySample const> samples) {
  rule.offer(memory, task, samples);
};

/// Keeps a random subset in which the classes differ by one sample at most, as far as they have that many; for a task that is over.
/// Which samples of a class are kept depends on the seed, the task, the name of the class and the order of its samples alone.
struct BalancedMemory {
  static constexpr std::string_view name = "balanced";

  Index per_task = 256;       ///< samples
  std::uint64_t seed = 1993;  ///< draws the subset

  /// Replaces what was kept of the task by a subset of all its samples. Where the classes cannot share evenly, those that came first keep one more.
  /// The subset is in the order of `samples`.
  /// @throws ShapeError  for a negative task;  ValueError  for a negative size;  the memory is unchanged then
  void offer(EpisodicMemory& memory, Index task, std::span<MemorySample const> samples) const {
    if (per_task < 0) { fail<ValueError>("BalancedMemory", "the number of samples must not be negative (came: ", per_task, ")"); }
    std::vector<std::vector<std::size_t>> members = by_class(samples);
    std::vector<std::size_t> const quota = quotas(members);
    std::vector<std::size_t> kept;
    for (std::size_t c = 0; c < members.size(); ++c) {
      std::string const& class_name = samples[members[c].front()].class_name;
      Rng const rng({seed, Purpose::class_sampling, static_cast<std::uint32_t>(task), 0, hash64(std::as_bytes(std::span(class_name)))});
      auto const order = rng.permutation(static_cast<Index>(members[c].size()));
      for (std::size_t i = 0; i < quota[c]; ++i) { kept.push_back(members[c][static_cast<std::size_t>(order[i])]); }
    }
    std::sort(kept.begin(), kept.end());
    std::vector<MemorySample> subset;
    for (std::size_t const i : kept) { subset.push_back(samples[i]); }  // NOLINT(performance-inefficient-vector-operation): once a task
    memory.keep(task, std::move(subset), static_cast<Index>(samples.size()));
  }

  [[nodiscard]] static std::vector<Setting<BalancedMemory>> settings() {
    return {number_setting("per_task", "samples kept of each task", &BalancedMemory::per_task, Index{0}, Index{1} << 32U),
            number_setting("memory_seed", "draws the samples that are kept", &BalancedMemory::seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max())};
  }

 private:
  /// Positions in `samples`, by class, in the order in which the classes came.
  [[nodiscard]] static std::vector<std::vector<std::size_t>> by_class(std::span<MemorySample const> samples) {
    std::vector<std::vector<std::size_t>> members;
    std::vector<std::pair<std::string_view, std::size_t>> known;  // sorted by name
    for (std::size_t i = 0; i < samples.size(); ++i) {
      std::string_view const class_name = samples[i].class_name;
      auto place = std::lower_bound(known.begin(), known.end(), class_name, [](auto const& entry, std::string_view wanted) { return entry.first < wanted; });
      if (place == known.end() || place->first != class_name) {
        place = known.insert(place, {class_name, members.size()});
        members.emplace_back();
      }
      members[place->second].push_back(i);
    }
    return members;
  }

  /// One sample to each class in turn, until all are given or no class has more.
  [[nodiscard]] std::vector<std::size_t> quotas(std::vector<std::vector<std::size_t>> const& members) const {
    std::vector<std::size_t> quota(members.size(), 0);
    auto left = static_cast<std::size_t>(per_task);
    for (bool given = true; given;) {
      given = false;
      for (std::size_t c = 0; c < members.size() && left > 0; ++c) {
        if (quota[c] == members[c].size()) { continue; }
        ++quota[c];
        --left;
        given = true;
      }
    }
    return quota;
  }
};

/// Keeps the newest samples of the stream, task by task; may be offered every batch as it comes.
/// @source Lopez-Paz, Ranzato, NIPS 2017, arXiv:1706.08840, the authors' release. There the ring's cursor runs on from task to task, which changes the order
/// of what is kept but not which, and a task with fewer samples than places trains on memory that was never written; here it keeps what it has.
struct RingMemory {
  static constexpr std::string_view name = "ring";

  Index per_task = 256;  ///< samples

  /// Writes samples over the oldest ones of the same task.
  /// @throws ShapeError  for a negative task;  ValueError  for a size below one;  the memory is unchanged then
  void offer(EpisodicMemory& memory, Index task, std::span<MemorySample const> samples) const {
    if (per_task < 1) { fail<ValueError>("RingMemory", "there must be room for at least one sample (came: ", per_task, ")"); }
    std::vector<MemorySample> ring = memory.samples(task);
    Index offered = memory.offered(task);
    for (MemorySample const& sample : samples) {
      if (static_cast<Index>(ring.size()) < per_task) {
        ring.push_back(sample);
      } else {
        ring[static_cast<std::size_t>(offered % per_task)] = sample;
      }
      ++offered;
    }
    memory.keep(task, std::move(ring), offered);
  }

  [[nodiscard]] static std::vector<Setting<RingMemory>> settings() { return {number_setting("per_task", "samples kept of each task", &RingMemory::per_task, Index{1}, Index{1} << 32U)}; }
};
static_assert(MemoryRule<BalancedMemory> && MemoryRule<RingMemory>);

}  // namespace accrete
