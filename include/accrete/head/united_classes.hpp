#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/task.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/merge/models.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// The classes of two models, united by name: those that only the second knows follow the first's in the second's order, with a new task for each task of the second that has some.
struct UnitedClasses {
  ClassMap classes;
  Index known = 0;               ///< classes of the first
  std::vector<Index> columns;    ///< [C of the second] column of each; -1: left out
  std::vector<TaskInfo> tasks;   ///< the new ones
  std::vector<Index> of_second;  ///< the second's number of each new one

  [[nodiscard]] Index added() const { return classes.size() - known; }
  /// How many classes both know.
  [[nodiscard]] Index both() const {
    return static_cast<Index>(std::count_if(columns.begin(), columns.end(), [this](Index column) { return column >= 0 && column < known; }));
  }
};

/// @param[in] tasks_seen  of the first model: the first new task's number
/// @param[in] how         rows of a new task are left out when it does not take them
[[nodiscard]] inline UnitedClasses unite_classes(ClassMap const& first, Index tasks_seen, ClassMap const& second, ModelMerge const& how) {
  UnitedClasses united{first, first.size(), {}, {}, {}};
  for (Index j = 0; j < second.size(); ++j) {
    if (auto const column = first.find(second.name(j))) {
      united.columns.push_back(*column);
      continue;
    }
    if (united.of_second.empty() || united.of_second.back() != second.task(j)) {
      Index const task = tasks_seen + static_cast<Index>(united.tasks.size());
      if (!how.takes({.name = HeadBlock::weight_name(task), .shape = {1}, .role = std::string(HeadBlock::role), .task = task})) {
        united.columns.push_back(-1);
        continue;
      }
      united.tasks.push_back({.index = task, .first_class = united.classes.size(), .classes = 0});
      united.of_second.push_back(second.task(j));
    }
    ++united.tasks.back().classes;
    united.columns.push_back(united.classes.add(second.name(j), united.tasks.back().index));
  }
  return united;
}

/// For prompts with slots of tasks: which slots a task has follows from its number.
/// @throws ValueError  unless one model's classes begin with the other's, in the same tasks; the first difference is named
inline void check_same_tasks(ClassMap const& first, ClassMap const& second) {
  for (Index c = 0; c < std::min(first.size(), second.size()); ++c) {
    if (first.name(c) != second.name(c) || first.task(c) != second.task(c)) {
      fail<ValueError>("Learner::merge", "the slots of this prompt belong to tasks, so that one model must have learned the tasks of the other: class ", c, " is '", first.name(c), "' of task ",
                       first.task(c), " in one and '", second.name(c), "' of task ", second.task(c), " in the other");
    }
  }
}

/// How often each class was met, so that the n-th model is weighed 1/n: class by class, since not every model knows all.
class MeanWeights {
 public:
  explicit MeanWeights(ClassMap const& first) { count(first); }

  /// The merge of the next model.
  [[nodiscard]] ModelMerge next(ModelMerge how, ClassMap const& second) {
    how.weight = 1.0 / static_cast<double>(++models_);
    how.class_weights.clear();
    count(second);
    for (std::string const& name : second.names()) { how.class_weights.push_back(1.0 / static_cast<double>(met_[static_cast<std::size_t>(*classes_.find(name))])); }
    return how;
  }

 private:
  void count(ClassMap const& classes) {
    for (std::string const& name : classes.names()) {
      auto const column = static_cast<std::size_t>(classes_.add(name, 0));
      met_.resize(std::max(met_.size(), column + 1), 0);
      ++met_[column];
    }
  }

  Index models_ = 1;
  ClassMap classes_;
  std::vector<Index> met_;
};

namespace detail {

/// Rows [row, row + 1) of a segment.
[[nodiscard]] inline ParameterSpan row_span(ParameterStore<float> const& store, std::string const& name, Index row) {
  ParameterSegment const& segment = store.segment(name);
  Index const each = segment.elements() / segment.shape[0];
  return {0, store.offset(name) + row * each, each};
}

/// The block of each column and the row in it.
[[nodiscard]] inline std::vector<std::pair<HeadBlock, Index>> rows_by_column(ParameterStore<float> const& store) {
  std::vector<std::pair<HeadBlock, Index>> rows;
  for (HeadBlock const& block : head_blocks(store)) {
    for (Index row = 0; row < block.classes; ++row) { rows.emplace_back(block, row); }
  }
  return rows;
}

}  // namespace detail

/// How many classes that both know have rows which `how` takes.
/// @param[in] a  the first's rows
[[nodiscard]] inline Index merged_rows(ParameterStore<float> const& a, UnitedClasses const& united, ModelMerge const& how) {
  auto const rows = detail::rows_by_column(a);
  return static_cast<Index>(std::count_if(united.columns.begin(), united.columns.end(),
                                          [&](Index column) { return column >= 0 && column < united.known && how.takes(a.segment(rows[static_cast<std::size_t>(column)].first.weight)); }));
}

/// Rows of classes that both know by the rule, those of new classes as the second has them, in blocks of their own; what belongs to no task, such as a common scale, by the rule.
/// @param[in] a, b  of one width, with a block of rows for each task
/// @throws ValueError  when the widths differ or only one has biases; nothing is changed then
[[nodiscard]] inline ParameterStore<float> united_blocks(ParameterStore<float> const& a, ParameterStore<float> const& b, UnitedClasses const& united, ModelMerge const& how) {
  auto const from = detail::rows_by_column(b);
  auto const before = detail::rows_by_column(a);
  expects(static_cast<Index>(from.size()) == static_cast<Index>(united.columns.size()) && static_cast<Index>(before.size()) == united.known && !from.empty() && !before.empty(), "united_blocks",
          "there must be a row for every class of both", before.size(), united.known, from.size(), united.columns.size());
  ParameterSegment const& known = a.segment(before.front().first.weight);
  ParameterSegment const& other = b.segment(from.front().first.weight);
  bool const biases = !from.front().first.bias.empty();
  if (known.shape[1] != other.shape[1] || biases == before.front().first.bias.empty()) {
    fail<ValueError>("Learner::merge", "the heads differ: rows of ", known.shape[1], biases ? " numbers without bias and of " : " numbers and of ", other.shape[1], biases ? " with one" : "");
  }
  ParameterStore<float> result = a;
  for (TaskInfo const& task : united.tasks) {
    auto const add = [&](std::string name, std::vector<Index> shape, bool decays) {
      result.add({.name = std::move(name), .shape = std::move(shape), .role = std::string(HeadBlock::role), .task = task.index, .decays = decays});
    };
    add(HeadBlock::weight_name(task.index), {task.classes, known.shape[1]}, known.decays);
    if (biases) { add(HeadBlock::bias_name(task.index), {task.classes}, a.segment(before.front().first.bias).decays); }
  }
  auto const to = detail::rows_by_column(result);
  for (std::size_t j = 0; j < from.size(); ++j) {
    Index const column = united.columns[j];
    if (column < 0) { continue; }
    auto const& [block, block_row] = to[static_cast<std::size_t>(column)];
    auto const& [source, block_source_row] = from[j];
    Index const row = block_row;  // clang 14 captures no binding
    Index const source_row = block_source_row;
    auto const merge = [&](std::string const& name, std::string const& source_name) {
      if (column < united.known && !how.takes(result.segment(name))) { return; }
      double const weight = column < united.known ? how.weight_of(static_cast<Index>(j)) : 1.0;
      interpolate_models(result.view(detail::row_span(result, name, row)), b.view(detail::row_span(b, source_name, source_row)), weight);
    };
    merge(block.weight, source.weight);
    if (biases) { merge(block.bias, source.bias); }
  }
  for (ParameterSegment const& segment : a.segments()) {
    if (segment.task >= 0 || !how.takes(segment) || !b.contains(segment.name) || b.segment(segment.name).shape != segment.shape) { continue; }
    interpolate_models(result.values(segment.name), b.values(segment.name), how.weight);
  }
  let_learn(result, LearningBlocks::newest);
  return result;
}

}  // namespace accrete
