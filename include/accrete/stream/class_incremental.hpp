#pragma once

#include <accrete/data/data_set.hpp>
#include <accrete/stream/class_order.hpp>
#include <accrete/stream/task.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

namespace accrete {

/// Number of new classes in each task.
struct ClassesPerTask {
  Index value;
  explicit constexpr ClassesPerTask(Index number) : value(number) {}
};

/// How classes are ordered and cut into tasks. Either `tasks`, or `initial` and `increment`; with neither, ten tasks, or five for fewer than twenty classes.
struct StreamSettings {
  std::vector<Index> classes = {};  ///< dataset labels: subset and order; empty: `legacy_permutation` of all classes by `seed`
  std::uint32_t seed = 1993;
  Index tasks = 0;            ///< so many tasks of equal size; the first ones get one class more when it does not divide
  Index initial = 0;          ///< classes of the first task; 0: as `increment`
  Index increment = 0;        ///< classes of every later task; the last one takes what is left. 0 beside an `initial`: all that is left
  Index train_per_class = 0;  ///< the first so many training pictures of each class in file order; 0: all
};

/// Task sizes that begin with `first`, go on with `step`, and end with what is left: (100, 10, 7) gives 10, twelve times 7, and 6.
/// @throws ValueError  when total < 1, first < 1, step < 1, or first > total
[[nodiscard]] inline std::vector<Index> increments(Index total, Index first, Index step) {
  if (total < 1 || first < 1 || step < 1 || first > total) { fail<ValueError>("increments", "tasks of ", first, " and then ", step, " classes cannot be cut from ", total, " classes"); }
  std::vector<Index> sizes{first};
  for (Index left = total - first; left > 0; left -= sizes.back()) { sizes.push_back(std::min(step, left)); }
  return sizes;
}

/// Task sizes as the settings say.
/// @throws ValueError  when they contradict each other or do not fit the number of classes
[[nodiscard]] inline std::vector<Index> task_sizes(Index classes, StreamSettings const& settings) {
  auto const [tasks, initial, increment] = std::tuple(settings.tasks, settings.initial, settings.increment);
  if (tasks < 0 || initial < 0 || increment < 0) { fail<ValueError>("task_sizes", "tasks, initial and increment must not be negative (came: ", tasks, ", ", initial, ", ", increment, ")"); }
  if (tasks > 0 && (initial > 0 || increment > 0)) { fail<ValueError>("task_sizes", "give either tasks, or initial and increment (came: ", tasks, ", ", initial, ", ", increment, ")"); }
  if (initial > 0 || increment > 0) { return increments(classes, initial > 0 ? initial : increment, increment > 0 ? increment : std::max<Index>(classes - initial, 1)); }
  Index const count = tasks > 0 ? tasks : std::min<Index>(classes, classes < 20 ? 5 : 10);
  if (count < 1 || count > classes) { fail<ValueError>("task_sizes", count, " tasks cannot be cut from ", classes, " classes"); }
  std::vector<Index> sizes(static_cast<std::size_t>(count), classes / count);
  for (Index i = 0; i < classes % count; ++i) { ++sizes[static_cast<std::size_t>(i)]; }
  return sizes;
}

/// The classes of a stream in order.
/// @throws ValueError  when an explicit label is not one of the data set, comes twice, or has no training picture
[[nodiscard]] inline std::vector<Index> class_order(DataSet const& data, StreamSettings const& settings) {
  auto const& names = data.train.class_names();
  auto const known = static_cast<Index>(names.size());
  if (data.test.class_names() != names) { fail<ValueError>("class_order", "the training and test pictures of ", data.name, " must have the same class names"); }
  std::vector<Index> order = settings.classes.empty() ? legacy_permutation(known, settings.seed) : settings.classes;
  std::vector<bool> has_pictures(names.size(), false);
  for (Index i = 0; i < data.train.size(); ++i) { has_pictures[static_cast<std::size_t>(data.train.label(i))] = true; }
  std::vector<bool> used(names.size(), false);
  for (Index const label : order) {
    if (label < 0 || label >= known) { fail<ValueError>("class_order", "there is no class ", label, "; ", data.name, " has the labels 0 to ", known - 1); }
    auto const place = static_cast<std::size_t>(label);
    if (used[place]) { fail<ValueError>("class_order", "class ", label, " comes twice"); }
    if (!has_pictures[place]) { fail<ValueError>("class_order", "class ", label, " (", names[place], ") has no training picture"); }
    used[place] = true;
  }
  return order;
}

/// New classes in every task, each class in one task.
/// @throws ValueError  when the settings contradict each other or do not fit the data set
/// @source Rebuffi et al., "iCaRL", CVPR 2017, section 4 (the protocol); Zhou et al., PILOT, arXiv:2309.07117 (order and cuts)
[[nodiscard]] inline std::vector<Task> class_incremental(DataSet const& data, StreamSettings const& settings) {
  if (settings.train_per_class < 0) { fail<ValueError>("class_incremental", "train_per_class must not be negative (came: ", settings.train_per_class, ")"); }
  auto const order = std::make_shared<std::vector<Index> const>(class_order(data, settings));
  auto const test = std::make_shared<Examples const>(data.test);
  Examples const train = settings.train_per_class > 0 ? data.train.first_per_class(settings.train_per_class) : data.train;
  std::vector<Task> tasks;
  Index first = 0;
  for (Index const size : task_sizes(static_cast<Index>(order->size()), settings)) {
    TaskInfo const info{static_cast<Index>(tasks.size()), first, size};
    first += size;
    std::vector<Index> const labels(order->begin() + info.first_class, order->begin() + first);
    auto const this_task = [test, labels] { return test->of_classes(labels); };
    auto const so_far = [test, order, first] { return test->of_classes({order->begin(), order->begin() + first}); };
    tasks.emplace_back(info, labels, train.of_classes(labels), this_task, so_far);
  }
  return tasks;
}

/// The same with equal tasks; the last one takes what is left.
/// @throws ValueError  as above
[[nodiscard]] inline std::vector<Task> class_incremental(DataSet const& data, ClassesPerTask size) {
  if (size.value < 1) { fail<ValueError>("class_incremental", "a task needs at least one class (came: ", size.value, ")"); }
  StreamSettings settings;
  settings.increment = size.value;
  return class_incremental(data, settings);
}

}  // namespace accrete
