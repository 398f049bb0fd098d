#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/prompt/place.hpp>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::test {

/// A matrix written down by rows.
template <class T = float>
[[nodiscard]] Matrix<T> rows_of(std::vector<std::vector<T>> const& values) {
  Matrix<T> rows({static_cast<Index>(values.size()), static_cast<Index>(values.front().size())});
  for (Index i = 0; i < rows.extent(0); ++i) { std::copy(values[static_cast<std::size_t>(i)].begin(), values[static_cast<std::size_t>(i)].end(), rows[i].begin()); }
  return rows;
}

/// The numbers of a segment side by side.
template <class Store>
[[nodiscard]] auto numbers_of(Store& store, std::string_view segment) {
  return store.values(segment);
}

/// Whether all numbers are 0.
template <class Array>
[[nodiscard]] bool all_zero(Array const& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](auto value) { return value == 0; });
}

/// A prompt in a place, and the tasks it began.
template <class Prompt>
struct Placed {
  Prompt prompt;
  typename Prompt::State state;

  /// @param[in] tasks  how many it begins at once
  Placed(Prompt given, PromptPlace const& place, Index tasks = 0) : prompt(std::move(given)) {
    prompt.fit_place(state, place);
    for (Index task = 0; task < tasks; ++task) { begin(task); }
  }

  /// Two classes each.
  [[nodiscard]] static TaskInfo info(Index task) { return {.index = task, .first_class = 2 * task, .classes = 2}; }
  void begin(Index task) { prompt.begin_task(state, info(task)); }
  void end(Index task) { prompt.end_task(state, info(task)); }
  [[nodiscard]] ParameterStore<float>& store() { return state.parameters(); }
};

}  // namespace accrete::test
