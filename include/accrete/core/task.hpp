#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace accrete {

/// One task of a stream: its number and the columns it brings.
struct TaskInfo {
  Index index = 0;
  Index first_class = 0;  ///< first new column
  Index classes = 0;      ///< number of new columns; 0 when the task only repeats known classes

  friend constexpr bool operator==(TaskInfo const&, TaskInfo const&) = default;
};

/// Which column of the scores a class has and which task it came with. The only place that knows; nobody divides class ids.
class ClassMap {
 public:
  /// The column of `name`; a new class gets the next one, a known class keeps its column and its task.
  Index add(std::string name, Index task) {
    auto const [place, is_new] = columns_.try_emplace(name, size());
    if (is_new) {
      names_.push_back(std::move(name));
      tasks_.push_back(task);
    }
    return place->second;
  }

  [[nodiscard]] std::optional<Index> find(std::string const& name) const {
    auto const place = columns_.find(name);
    return place == columns_.end() ? std::nullopt : std::optional<Index>(place->second);
  }

  /// @throws ValueError  for an unknown name; the nearest known one is named
  [[nodiscard]] Index at(std::string const& name) const {
    if (auto const column = find(name)) { return *column; }
    if (names_.empty()) { fail<ValueError>("ClassMap", "there is no class yet (came: '", name, "')"); }
    fail<ValueError>("ClassMap", "there is no class '", name, "'; did you mean '", nearest_name(name, names_), "'?");
  }

  /// @throws ShapeError  for a column outside of [0, size)
  [[nodiscard]] std::string const& name(Index column) const { return names_[checked(column)]; }
  /// Number of the task the class came with first.
  /// @throws ShapeError  for a column outside of [0, size)
  [[nodiscard]] Index task(Index column) const { return tasks_[checked(column)]; }

  /// Removes a class; the columns behind it move up by one.
  /// @throws ShapeError  for a column outside of [0, size); nothing is changed then
  void remove(Index column) {
    auto const place = checked(column);
    columns_.erase(names_[place]);
    names_.erase(names_.begin() + column);
    tasks_.erase(tasks_.begin() + column);
    for (std::size_t later = place; later < names_.size(); ++later) { --columns_.at(names_[later]); }
  }

  [[nodiscard]] Index size() const { return static_cast<Index>(names_.size()); }
  /// By column.
  [[nodiscard]] std::vector<std::string> const& names() const { return names_; }
  /// By column.
  [[nodiscard]] std::vector<Index> const& tasks() const { return tasks_; }

  friend bool operator==(ClassMap const& a, ClassMap const& b) { return a.names_ == b.names_ && a.tasks_ == b.tasks_; }

 private:
  [[nodiscard]] std::size_t checked(Index column) const {
    expects(column >= 0 && column < size(), "ClassMap", "the column must be that of a class", column, size());
    return static_cast<std::size_t>(column);
  }

  std::vector<std::string> names_;
  std::vector<Index> tasks_;
  std::unordered_map<std::string, Index> columns_;
};

}  // namespace accrete
