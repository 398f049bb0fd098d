#pragma once

#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

namespace accrete {

/// What a selector knows beside the similarities.
struct SlotContext {
  Index task = 0;                      ///< the task at hand while learning, the last one begun otherwise
  bool learning = false;               ///< whether the sample is learned from, so that its task is known
  std::span<double const> usage = {};  ///< [M] how often each slot was chosen while earlier tasks were learned
};

/// Chooses the slots of a pool for one sample.
///   per_sample()        how many slots a sample gets
///   needed(task)        how many slots the pool must have for a task
///   slots_of_tasks      whether each task has slots of its own, which alone learn in it: the last per_sample() that it needs
///   select(similarity [M], context, chosen [per_sample])   slots by rank
template <class S>
concept SlotSelector = std::copyable<S> && requires(S const& selector, Index task, std::span<double const> similarity, SlotContext const& context, std::span<Index> chosen) {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::slots_of_tasks } -> std::convertible_to<bool>;
  { selector.per_sample() } -> std::same_as<Index>;
  { selector.needed(task) } -> std::same_as<Index>;
  selector.select(similarity, context, chosen);
};

namespace detail {
/// The slots with the largest scores among the first `eligible`, largest first; of equal ones the smaller number.
/// @param[out] chosen [k], k <= eligible
inline void top_slots(std::span<double const> scores, Index eligible, std::span<Index> chosen) {
  std::size_t kept = 0;
  for (Index slot = 0; slot < eligible; ++slot) {
    double const score = scores[static_cast<std::size_t>(slot)];
    std::size_t place = kept;
    while (place > 0 && scores[static_cast<std::size_t>(chosen[place - 1])] < score) { --place; }
    if (place == chosen.size()) { continue; }
    kept = std::min(kept + 1, chosen.size());
    for (std::size_t i = kept - 1; i > place; --i) { chosen[i] = chosen[i - 1]; }
    chosen[place] = slot;
  }
}
}  // namespace detail

}  // namespace accrete
