#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/train/kept_moments.hpp>
#include <accrete/train/loss/columns.hpp>
#include <accrete/train/protocol.hpp>

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// Pictures of one earlier task that a stage looks at again.
struct ReplayedTask {
  Examples pictures;
  std::vector<Index> columns;  ///< class of each: a column of the head that is trained
};

/// What a merge rule does behind every step of a stage; what is empty does nothing.
struct StepMerge {
  std::function<void(VectorView<float>)> change = {};             ///< moves what learns of the backbone once more
  std::function<void(ParameterStore<float> const&)> follow = {};  ///< looks at what learns, of the prompt or of the backbone
  bool of_prompt = false;                                         ///< which of the two
  std::function<void(ModelWriter const&)> write = {};             ///< what came together so far, which an interrupted stage must find again
  std::function<void(ModelReader const&)> read = {};
};

/// What a stage of learning by gradient is asked to tell apart.
struct TrainingTask {
  Index number = 0;                         ///< of the task: a part of every random key
  std::vector<Index> columns;               ///< [N] class of each sample: a column of the head that is trained
  ColumnRange competing;                    ///< the columns that the loss compares
  std::string fingerprint;                  ///< names everything the stage begins with
  std::vector<ReplayedTask> memories = {};  ///< for gradient policies that look back
  Matrix<double> means = {};                ///< [K, L] of the features of earlier classes, for losses that judge features
  StepMerge merge = {};
  Index first_column = 0;          ///< what column 0 of the trained head is to the learner
  ColumnRange earlier = {};        ///< of the trained head: classes known before the task
  KeptMoments* moments = nullptr;  ///< those to go on with, and to leave behind; null: fresh ones
};

/// What a task will make true once it is learned.
struct TaskPlan {
  ClassMap classes;            ///< those known before, and the new ones
  std::vector<Index> columns;  ///< [N] column of each sample
  TaskInfo task;

  /// The columns from the first that occurs on: those of the new classes, and where known ones come again, what lies between.
  [[nodiscard]] ColumnRange own_range() const {
    Index const first = *std::min_element(columns.begin(), columns.end());
    return {first, classes.size() - first};
  }

  /// For a head over all classes.
  [[nodiscard]] TrainingTask all_columns(Competing competing, std::string fingerprint) const {
    TrainingTask all{task.index, columns, competing == Competing::of_task ? own_range() : ColumnRange{0, classes.size()}, std::move(fingerprint)};
    all.earlier = {0, task.first_class};
    return all;
  }

  /// For a head over the columns of `own_range` alone.
  [[nodiscard]] TrainingTask own_columns(std::string fingerprint) const {
    ColumnRange const own = own_range();
    TrainingTask local{task.index, columns, {0, own.count}, std::move(fingerprint)};
    for (Index& column : local.columns) { column -= own.first; }
    local.first_column = own.first;
    return local;
  }

  /// Leaves out samples that could not be read.
  /// @param[in] positions  ascending positions of those that could
  void keep(std::vector<Index> const& positions) {
    std::vector<Index> kept;
    for (Index const position : positions) { kept.push_back(columns[static_cast<std::size_t>(position)]); }  // NOLINT(performance-inefficient-vector-operation): once a task
    columns = std::move(kept);
  }
};

/// Gives every sample its column; nothing is changed yet.
/// @param[in] labels [N] class names
/// @throws ValueError  for a task without samples
[[nodiscard]] inline TaskPlan plan_task(ClassMap const& known, Index number, std::span<std::string const> labels) {
  if (labels.empty()) { fail<ValueError>("Learner::observe", "a task must have at least one sample"); }
  TaskPlan plan{known, {}, {}};
  plan.columns.reserve(labels.size());
  for (std::string const& label : labels) { plan.columns.push_back(plan.classes.add(label, number)); }
  plan.task = {.index = number, .first_class = known.size(), .classes = plan.classes.size() - known.size()};
  return plan;
}

namespace detail {
/// Class names of the examples at `positions`.
[[nodiscard]] inline std::vector<std::string> labels_of(Examples const& examples, std::vector<Index> const& positions) {
  std::vector<std::string> labels;
  labels.reserve(positions.size());
  for (Index const position : positions) { labels.push_back(examples.class_names()[static_cast<std::size_t>(examples.label(position))]); }
  return labels;
}
[[nodiscard]] inline std::vector<std::string> labels_of(Examples const& examples) {
  std::vector<std::string> labels;
  for (Index i = 0; i < examples.size(); ++i) { labels.push_back(examples.class_names()[static_cast<std::size_t>(examples.label(i))]); }
  return labels;
}
}  // namespace detail

}  // namespace accrete
