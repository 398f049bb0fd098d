#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/prompt/concept.hpp>

#include <algorithm>
#include <concepts>
#include <vector>

namespace accrete {

/// May let only the classes of a task win for a picture that it takes for that task.
template <class P>
concept RestrictsClasses = ChoosesSlots<P> && requires(P const& prompt) {
  { prompt.restricts_classes() } -> std::same_as<bool>;
};

/// What a class scores that may not win, as in the release of DAP.
inline constexpr float ruled_out = -1e11F;

/// Rules out the classes of all tasks that a picture does not have a slot of.
/// @param[in] slots [N, k] numbers of tasks;  @param[in] tasks [C] of the classes;  @param[in,out] scores [N, C]
/// @throws ShapeError  when the extents differ
/// @source Jung et al., DAP, ICCV 2023, the authors' release for ImageNet-R; specification: prompt-methods.md §6.4
inline void rule_out_other_tasks(MatrixView<Index const> slots, std::vector<Index> const& tasks, MatrixView<float> scores) {
  expects(slots.extent(0) == scores.extent(0) && static_cast<Index>(tasks.size()) == scores.extent(1), "rule_out_other_tasks", "there must be slots for every row and a task for every column",
          slots.extent(0), scores.extent(0), tasks.size(), scores.extent(1));
  for (Index i = 0; i < scores.extent(0); ++i) {
    for (Index column = 0; column < scores.extent(1); ++column) {
      if (std::find(slots[i].begin(), slots[i].end(), tasks[static_cast<std::size_t>(column)]) == slots[i].end()) { scores(i, column) = ruled_out; }
    }
  }
}

}  // namespace accrete
