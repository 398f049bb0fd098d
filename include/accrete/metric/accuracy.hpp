#pragma once

#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace accrete {

/// Right answers out of answers.
struct Tally {
  Index correct = 0;
  Index total = 0;

  /// NaN when there was nothing to answer.
  [[nodiscard]] double percent() const { return total == 0 ? std::numeric_limits<double>::quiet_NaN() : 100.0 * static_cast<double>(correct) / static_cast<double>(total); }
};

/// What one stage scored, in percent.
struct TaskScores {
  double top1 = 0.0;
  double top5 = 0.0;                  ///< label among the five best; every answer is right while there are five classes or fewer
  std::vector<double> per_task_top1;  ///< by task; NaN for a task without test pictures
};

/// In how many rows the label is among the k largest scores. Equal scores rank the lower column first; NaN ranks behind everything; k may exceed C.
/// @param[in] scores [N, C];  @param[in] labels [N] in [0, C)
/// @throws ShapeError  when the lengths differ, k < 1, or a label is not a column
[[nodiscard]] inline Index hits_among_best(MatrixView<float const> scores, std::span<Index const> labels, Index k) {
  Index const classes = scores.extent(1);
  expects(static_cast<Index>(labels.size()) == scores.extent(0), "hits_among_best", "one label per row", labels.size(), scores.extent(0));
  expects(k >= 1, "hits_among_best", "k must be positive", k);
  Index hits = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    Index const label = labels[row];
    expects(label >= 0 && label < classes, "hits_among_best", "a label must be a column", label, classes);
    float const* const score = scores.data() + static_cast<Index>(row) * classes;
    Index before = 0;
    for (Index column = 0; column < classes; ++column) {
      bool const larger = score[column] > score[label] || (std::isnan(score[label]) && !std::isnan(score[column]));
      bool const equal = score[column] == score[label] || (std::isnan(score[label]) && std::isnan(score[column]));
      before += larger || (equal && column < label) ? 1 : 0;
    }
    hits += before < k ? 1 : 0;
  }
  return hits;
}

/// Which of the two customs a measure follows.
enum class Custom {
  literature,  ///< the common definition
  toolbox,     ///< as the PILOT toolbox computes it, for comparison with tables made by it: accuracies rounded to two decimals first
};

/// R[t][j]: accuracy on the test pictures of task j after stage t, predictions over all classes seen. Kept as counts, so every measure is exact; all in percent.
/// @source Lopez-Paz, Ranzato, "Gradient Episodic Memory", NeurIPS 2017 (transfer); Chaudhry et al., ECCV 2018 (forgetting); Rebuffi et al., CVPR 2017 (average)
class AccuracyMatrix {
 public:
  /// Adds a stage out of ranked answers.
  /// @param[in] ranked         [N, k] columns, best first; top-5 needs k = min(5, classes)
  /// @param[in] labels         [N] true columns
  /// @param[in] task_of_class  [C] number of the task each column came with
  /// @throws ShapeError  when the lengths differ or a label is not a column;  ValueError  when there is no answer to judge;  nothing is added then
  TaskScores add(MatrixView<Index const> ranked, std::span<Index const> labels, std::span<Index const> task_of_class) {
    expects(ranked.extent(0) == static_cast<Index>(labels.size()) && ranked.extent(1) >= 1, "AccuracyMatrix::add", "one row of at least one column per label", ranked.extent(0), ranked.extent(1),
            labels.size());
    Index tasks = 0;
    for (Index const task : task_of_class) { tasks = std::max(tasks, task + 1); }
    std::vector<Tally> row(static_cast<std::size_t>(tasks));
    Index among_five = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      expects(labels[i] >= 0 && labels[i] < static_cast<Index>(task_of_class.size()), "AccuracyMatrix::add", "a label must be a column", labels[i], task_of_class.size());
      auto const best = ranked[static_cast<Index>(i)].slice(0, std::min<Index>(5, ranked.extent(1)));
      Tally& tally = row[static_cast<std::size_t>(task_of_class[static_cast<std::size_t>(labels[i])])];
      ++tally.total;
      tally.correct += best[0] == labels[i] ? 1 : 0;
      among_five += std::find(best.begin(), best.end(), labels[i]) != best.end() ? 1 : 0;
    }
    add(row, tasks);
    TaskScores scores{stage(stages() - 1), 100.0 * static_cast<double>(among_five) / static_cast<double>(labels.size()), {}};
    for (Tally const& tally : row) { scores.per_task_top1.push_back(tally.percent()); }
    return scores;
  }

  /// Adds a stage out of counts.
  /// @param[in] tasks  [>= seen] by task; those behind `seen` are tasks to come, which only forward transfer looks at
  /// @param[in] seen   number of tasks learned so far
  /// @throws ShapeError  when `seen` is smaller than before or larger than the row;  ValueError  when there is no answer to judge
  void add(std::vector<Tally> tasks, Index seen) {
    Index const before = stages_.empty() ? 1 : stages_.back().seen;
    expects(seen >= before && seen <= static_cast<Index>(tasks.size()), "AccuracyMatrix::add", "tasks seen must not shrink and must have an entry each", seen, before, tasks.size());
    Stage next{std::move(tasks), seen};
    if (next.judged().total == 0) { fail<ValueError>("AccuracyMatrix::add", "there is no answer to judge"); }
    stages_.push_back(std::move(next));
  }

  [[nodiscard]] Index stages() const { return static_cast<Index>(stages_.size()); }

  /// R[t][j]; NaN when the task has no entry after that stage or no test pictures.
  /// @throws ShapeError  when there is no such stage
  [[nodiscard]] double at(Index t, Index j, Custom custom = Custom::literature) const {
    auto const& tasks = checked(t).tasks;
    if (j < 0 || j >= static_cast<Index>(tasks.size())) { return std::numeric_limits<double>::quiet_NaN(); }
    return rounded(tasks[static_cast<std::size_t>(j)].percent(), custom);
  }

  /// The counts of a stage by task, as `add` takes them.
  /// @throws ShapeError  when there is no such stage
  [[nodiscard]] std::vector<Tally> const& tallies(Index t) const { return checked(t).tasks; }

  /// A_t: top-1 over all test pictures of the tasks seen, every picture counting once.
  /// @throws ShapeError  when there is no such stage
  [[nodiscard]] double stage(Index t, Custom custom = Custom::literature) const { return rounded(checked(t).judged().percent(), custom); }

  /// A_(T-1).
  /// @throws ShapeError  when there is no stage
  [[nodiscard]] double last(Custom custom = Custom::literature) const { return stage(stages() - 1, custom); }

  /// Mean of A_t over the stages.
  /// @throws ShapeError  when there is no stage
  [[nodiscard]] double average(Custom custom = Custom::literature) const {
    expects(!stages_.empty(), "AccuracyMatrix", "there must be a stage", stages());
    double sum = 0.0;
    for (Index t = 0; t < stages(); ++t) { sum += stage(t, custom); }
    return sum / static_cast<double>(stages());
  }

  /// Mean over the tasks seen before the last stage of  max over t < T-1 of R[t][j]  -  R[T-1][j];  0 when there are none.
  /// The toolbox takes the last stage into the maximum, so it is never negative; the 0 it has for stages before the task came changes nothing.
  /// @throws ShapeError  when there is no stage
  [[nodiscard]] double forgetting(Custom custom = Custom::literature) const {
    Index const end = stages() - (custom == Custom::toolbox ? 0 : 1);
    return mean_over_old_tasks([&](Index j, Index first) {
      double best = -std::numeric_limits<double>::infinity();
      for (Index t = first; t < end; ++t) { best = std::fmax(best, at(t, j, custom)); }
      return best - at(stages() - 1, j, custom);
    });
  }

  /// Mean over the tasks seen before the last stage of  R[T-1][j] - R[j][j],  R[j][j] being the first stage that knows the task;  0 when there are none.
  /// @throws ShapeError  when there is no stage
  [[nodiscard]] double backward_transfer() const {
    return mean_over_old_tasks([&](Index j, Index first) { return at(stages() - 1, j) - at(first, j); });
  }

  /// Mean over the tasks but the first of  R[j-1][j] - baseline_j;  needs rows that judge tasks to come.
  /// @param[in] baseline  [T] accuracy in percent of a model that learned nothing
  /// @throws ShapeError  when a task has no baseline or was not judged before it was learned
  [[nodiscard]] double forward_transfer(std::span<double const> baseline) const {
    expects(!stages_.empty() && stages_.back().seen > 1, "AccuracyMatrix::forward_transfer", "there must be two tasks", stages());
    double sum = 0.0;
    Index const tasks = stages_.back().seen;
    expects(static_cast<Index>(baseline.size()) >= tasks, "AccuracyMatrix::forward_transfer", "one baseline per task", baseline.size(), tasks);
    for (Index j = 1; j < tasks; ++j) {
      Index const first = first_stage(j);
      double const before = first == 0 ? std::numeric_limits<double>::quiet_NaN() : at(first - 1, j);
      expects(!std::isnan(before), "AccuracyMatrix::forward_transfer", "a task must be judged before it is learned", j);
      sum += before - baseline[static_cast<std::size_t>(j)];
    }
    return sum / static_cast<double>(tasks - 1);
  }

 private:
  struct Stage {
    std::vector<Tally> tasks;
    Index seen = 0;

    [[nodiscard]] Tally judged() const {
      Tally sum;
      for (auto task = tasks.begin(); task != tasks.begin() + seen; ++task) {
        sum.correct += task->correct;
        sum.total += task->total;
      }
      return sum;
    }
  };

  /// Two decimals, halves to even, as numpy rounds.
  static double rounded(double percent, Custom custom) { return custom == Custom::toolbox ? std::nearbyint(percent * 100.0) / 100.0 : percent; }

  [[nodiscard]] Stage const& checked(Index t) const {
    expects(t >= 0 && t < stages(), "AccuracyMatrix", "there must be such a stage", t, stages());
    return stages_[static_cast<std::size_t>(t)];
  }

  [[nodiscard]] Index first_stage(Index task) const {
    return std::find_if(stages_.begin(), stages_.end(), [task](Stage const& stage) { return stage.seen > task; }) - stages_.begin();
  }

  template <class Measure>
  [[nodiscard]] double mean_over_old_tasks(Measure measure) const {
    expects(!stages_.empty(), "AccuracyMatrix", "there must be a stage", stages());
    double sum = 0.0;
    Index tasks = 0;
    Index const old = stages_.size() < 2 ? 0 : stages_[stages_.size() - 2].seen;
    for (Index j = 0; j < old; ++j) {
      double const value = measure(j, first_stage(j));
      if (!std::isnan(value)) {  // a task without test pictures has nothing to forget
        sum += value;
        ++tasks;
      }
    }
    return tasks == 0 ? 0.0 : sum / static_cast<double>(tasks);
  }

  std::vector<Stage> stages_;
};

}  // namespace accrete
