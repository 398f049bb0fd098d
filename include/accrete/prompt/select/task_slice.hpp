#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/prompt/select/concept.hpp>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Every task has k slots of its own: while it is learned all samples take them; afterwards the k most similar of the slots of all tasks begun.
/// A slice may begin as a copy of the one before.
/// @source Wang et al., "DualPrompt", ECCV 2022, arXiv:2204.04799, section 4.2 (k = 1); L2P's release for 5-datasets (k = 4)
struct TaskSlice {
  static constexpr std::string_view name = "task-slice";
  static constexpr bool slots_of_tasks = true;

  Index count = 1;           ///< k
  bool copy_prompts = true;  ///< from the slice of the task before
  bool copy_keys = false;

  [[nodiscard]] Index per_sample() const { return count; }
  [[nodiscard]] Index needed(Index task) const { return (task + 1) * count; }

  void select(std::span<double const> similarity, SlotContext const& context, std::span<Index> chosen) const {
    if (context.learning) { return std::iota(chosen.begin(), chosen.end(), context.task * count); }
    detail::top_slots(similarity, std::min(static_cast<Index>(similarity.size()), needed(context.task)), chosen);
  }

  [[nodiscard]] static std::vector<Setting<TaskSlice>> settings() {
    std::vector<std::pair<std::string, bool>> const yes_or_no{{"no", false}, {"yes", true}};
    return {number_setting("select", "prompts of one picture, and of one task", &TaskSlice::count, Index{1}, Index{10000}),
            choice_setting("copy-prompts", "the prompts of a task begin as those of the task before", &TaskSlice::copy_prompts, yes_or_no),
            choice_setting("copy-keys", "so do the keys", &TaskSlice::copy_keys, yes_or_no)};
  }
};
static_assert(SlotSelector<TaskSlice>);

}  // namespace accrete
