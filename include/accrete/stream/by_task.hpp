#pragma once

#include <accrete/core/task.hpp>
#include <accrete/data/examples.hpp>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace accrete {

/// The examples task after task, inside a task in the order of the sequence: as the test batches of published numbers came in which pictures decide together.
/// @param[in] classes  says which task the class of each example came with
/// @throws ValueError  for an example of a class that is not among them
[[nodiscard]] inline Examples by_task(Examples const& examples, ClassMap const& classes) {
  std::vector<Index> tasks;
  for (Index i = 0; i < examples.size(); ++i) { tasks.push_back(classes.task(classes.at(examples.class_names()[static_cast<std::size_t>(examples.label(i))]))); }
  std::vector<Index> order(tasks.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return tasks[static_cast<std::size_t>(a)] < tasks[static_cast<std::size_t>(b)]; });
  return examples.subset(std::move(order));
}

}  // namespace accrete
