#pragma once

#include <accrete/core/task.hpp>
#include <accrete/data/examples.hpp>

#include <functional>
#include <utility>
#include <vector>

namespace accrete {

/// One step of a stream: what to learn from and what to be judged by. Pictures are found when they are asked for.
class Task {
 public:
  using Find = std::function<Examples()>;

  TaskInfo info;
  std::vector<Index> labels;  ///< dataset labels that occur, in the order of the stream

  /// @param[in] test  finds the test pictures of this task;  @param[in] seen  finds those to judge by after it
  Task(TaskInfo task, std::vector<Index> task_labels, Examples train, Find test, Find seen)
      : info(task), labels(std::move(task_labels)), train_(std::move(train)), test_(std::move(test)), seen_(std::move(seen)) {}

  [[nodiscard]] Examples const& train() const { return train_; }
  /// Test pictures of this task alone.
  [[nodiscard]] Examples test() const { return test_(); }
  /// Test pictures of everything seen up to here, this task included.
  [[nodiscard]] Examples seen() const { return seen_(); }

 private:
  Examples train_;
  Find test_;
  Find seen_;
};

}  // namespace accrete
