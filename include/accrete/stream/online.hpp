#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/stream/class_incremental.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace accrete {

struct OnlineSettings {
  StreamSettings order = {};  ///< which classes come when; `tasks = 1` lets all come mixed
  Index chunk = 10;           ///< training pictures that come at once; the last chunk of a task takes what is left
  std::uint64_t seed = 1993;  ///< of the order of the pictures inside each task
};

/// Every training picture once, a few at a time: the tasks of `class_incremental` are shuffled inside and cut into chunks, each a task of its own.
/// A class that comes again brings no new column. `test` holds the classes of the chunk, `seen` those of all chunks so far.
/// @throws ValueError  when chunk < 1, or as `class_incremental`
/// @source Aljundi et al., "Gradient based sample selection for online continual learning", NeurIPS 2019, arXiv:1903.08671v5, section 3 (the setting)
[[nodiscard]] inline std::vector<Task> online(DataSet const& data, OnlineSettings const& settings = {}) {
  if (settings.chunk < 1) { fail<ValueError>("online", "a chunk needs at least one picture (came: ", settings.chunk, ")"); }
  auto const test = std::make_shared<Examples const>(data.test);
  auto const order = std::make_shared<std::vector<Index>>();  // labels as they come first; a chunk knows its own prefix of it
  std::vector<Task> chunks;
  for (Task const& task : class_incremental(data, settings.order)) {
    Examples const& all = task.train();
    auto const shuffled = Rng({.seed = settings.seed, .purpose = Purpose::shuffle, .task = static_cast<std::uint32_t>(task.info.index)}).permutation(all.size());
    for (Index first = 0; first < all.size(); first += settings.chunk) {
      Index const end = std::min(all.size(), first + settings.chunk);
      Examples part = all.subset({shuffled.begin() + first, shuffled.begin() + end});
      std::vector<Index> labels;
      auto const known = static_cast<Index>(order->size());
      for (Index i = 0; i < part.size(); ++i) {
        auto const note = [label = part.label(i)](std::vector<Index>& list) {
          if (std::find(list.begin(), list.end(), label) == list.end()) { list.push_back(label); }
        };
        note(labels);
        note(*order);
      }
      auto const seen = static_cast<Index>(order->size());
      auto const this_chunk = [test, labels] { return test->of_classes(labels); };
      auto const so_far = [test, order, seen] { return test->of_classes({order->begin(), order->begin() + seen}); };
      chunks.emplace_back(TaskInfo{static_cast<Index>(chunks.size()), known, seen - known}, labels, std::move(part), this_chunk, so_far);
    }
  }
  return chunks;
}

}  // namespace accrete
