#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/metric/slot_usage.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/prompt/measures.hpp>

#include <algorithm>
#include <cmath>
#include <span>

namespace accrete {

/// Gives tasks slots of their own, so that a choice is right or wrong.
template <class P>
concept HasSlotsOfTasks = ChoosesSlots<P> && requires(P const& prompt, std::span<Index const> tasks) {
  prompt.slots_of(tasks);
};

/// Weighs components for pictures, block by block.
template <class P>
concept WeighsComponents = AsksForQueries<P> && requires(P const& prompt, detail::AnyExecutor const& exec, typename P::State const& state, MatrixView<float const> queries, Index block) {
  prompt.component_weights(exec, state, queries, block);
  prompt.placement.blocks;
  prompt.per_task;
};

/// The slots that pictures get when they are judged; where those of a batch decide together, `batch` neighbours at a time.
/// @param[in] queries [N, D] host memory;  @returns [N, k]
template <class Exec, class Prompt>
[[nodiscard]] Matrix<Index> chosen_in_batches(Exec const& exec, Prompt const& prompt, typename Prompt::State const& state, MatrixView<float const> queries, Index batch) {
  if constexpr (!Prompt::batch_dependent) {
    return prompt.chosen_slots(exec, state, queries);
  } else {
    Matrix<Index> all;
    for (Index first = 0; first < queries.extent(0); first += batch) {
      auto const part = prompt.chosen_slots(exec, state, queries.slice(first, std::min(batch, queries.extent(0) - first)));
      if (first == 0) { all = Matrix<Index>({queries.extent(0), part.extent(1)}); }
      std::copy(part.begin(), part.end(), all.view()[first].begin());
    }
    return all;
  }
}

/// What a prompt does with pictures that are judged:
///   usage entropy, slots used   how evenly the slots are chosen (1: all alike), and how many get more than one choice in a hundred
///   slot-task information       in nats: how much a slot says about the task of the picture
///   slot accuracy               share of the choices that are slots of the picture's own task, where tasks have slots of their own
///   support, own mass           mean number of components with a weight, and the share of absolute weight on those of the picture's own task
/// @param[in] queries [N, D] host memory;  @param[in] tasks [N] of the pictures' classes;  @param batch  how many neighbours decide together, where they do
template <class Exec, class Prompt>
[[nodiscard]] Measures diagnose(Exec const& exec, Prompt const& prompt, typename Prompt::State const& state, MatrixView<float const> queries, std::span<Index const> tasks, Index batch) {
  Measures all;
  Index const known = tasks.empty() ? 0 : *std::max_element(tasks.begin(), tasks.end()) + 1;
  if constexpr (ChoosesSlots<Prompt>) {
    auto const chosen = chosen_in_batches(exec, prompt, state, queries, batch);
    SlotUsage usage(state.slots(), known);
    for (Index b = 0; b < chosen.extent(0); ++b) {
      for (Index const slot : chosen.cview()[b]) { usage.add(slot, tasks[static_cast<std::size_t>(b)]); }
    }
    all.emplace_back("usage entropy", usage.entropy());
    all.emplace_back("slots used", static_cast<double>(usage.used_slots()));
    all.emplace_back("slot-task information", usage.information());
    if constexpr (HasSlotsOfTasks<Prompt>) {
      auto const own = prompt.slots_of(tasks);
      Index right = 0;
      for (Index b = 0; b < chosen.extent(0); ++b) {
        auto const mine = own.cview()[b];
        right += std::count_if(chosen.cview()[b].begin(), chosen.cview()[b].end(), [&](Index slot) { return std::find(mine.begin(), mine.end(), slot) != mine.end(); });
      }
      all.emplace_back("slot accuracy", static_cast<double>(right) / static_cast<double>(chosen.size()));
    }
  }
  if constexpr (WeighsComponents<Prompt>) {
    double support = 0.0;
    double own = 0.0;
    double mass = 0.0;
    for (Index block = 0; block < prompt.placement.blocks; ++block) {
      auto const weights = prompt.component_weights(exec, state, queries, block);
      support += mean_support(weights.cview()) / static_cast<double>(prompt.placement.blocks);
      for (Index b = 0; b < weights.extent(0); ++b) {
        for (Index m = 0; m < weights.extent(1); ++m) {
          double const weight = std::abs(static_cast<double>(weights(b, m)));
          mass += weight;
          if (m / prompt.per_task == tasks[static_cast<std::size_t>(b)]) { own += weight; }
        }
      }
    }
    all.emplace_back("support", support);
    all.emplace_back("own mass", own / mass);
  }
  return all;
}

}  // namespace accrete
