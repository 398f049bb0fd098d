#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/task.hpp>
#include <accrete/head/alignment.hpp>
#include <accrete/head/block_state.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/class_moments.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/linear.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// What becomes of the rows an alignment gives.
///   scored  they score until the next task; training goes on from the learned ones, and every alignment begins with those (SLCA)
///   kept    training goes on from them (MOS)
enum class AlignedRows { scored, kept };

/// A head learned by gradient that is aligned after each task but the first: `observe` adds features to the moments of the task's classes, `fit` aligns.
/// Moments are those of the features as the backbone gave them at the end of a class's task; they are never updated when the backbone moves on.
/// @tparam Head  LearnsByGradient
template <class Head = LinearHead>
struct AlignedHead {
  static_assert(LearnsByGradient<Head>, "the argument of AlignedHead must be a LearnsByGradient");
  static constexpr std::string_view name = "aligned";

  Head head;
  Alignment alignment;
  AlignedRows rows = AlignedRows::scored;
  SecondMoment moments = SecondMoment::full;

  class State : public BlockState {
   public:
    [[nodiscard]] ClassMoments const& moments() const { return moments_; }
    /// The task each class came with.
    [[nodiscard]] std::vector<Index> const& tasks() const { return tasks_; }

   private:
    friend struct AlignedHead;
    ClassMoments moments_;
    std::vector<Index> tasks_;
  };

  /// Adds the rows of a task and lets only them learn.
  /// @throws ShapeError, ValueError  as the head's `admit`; nothing is changed then
  void admit(State& state, TaskInfo const& task, Index width) const {
    head.admit(state, task, width);
    if (state.tasks_.empty()) { state.moments_ = ClassMoments(moments); }
    state.moments_.admit(state.classes());
    state.tasks_.resize(static_cast<std::size_t>(state.classes()), task.index);
  }
  [[nodiscard]] Index classes(State const& state) const { return state.classes(); }

  /// Takes in the rows of another model, and the moments of its classes. Moments of features in two networks do not add up: those of classes that both know stay as they are.
  /// Nothing is aligned anew; what scores is what both score with, united.
  /// @throws ShapeError, ValueError  as the head's `unite`, or when the moments are of different kinds or widths; nothing is changed then
  void unite(State& state, State const& other, UnitedClasses const& united, ModelMerge const& how) const requires UnitesRows<Head> {
    State next = state;
    head.unite(next, other, united, how);
    next.moments_.admit(next.classes());
    ClassMoments fresh = other.moments_;
    std::vector<Index> columns;
    for (auto j = static_cast<Index>(united.columns.size()) - 1; j >= 0; --j) {
      Index const column = united.columns[static_cast<std::size_t>(j)];
      if (column < united.known) {
        fresh.forget(j);
      } else {
        columns.insert(columns.begin(), column);
      }
    }
    next.moments_.merge(fresh, columns);
    for (TaskInfo const& task : united.tasks) { next.tasks_.resize(next.tasks_.size() + static_cast<std::size_t>(task.classes), task.index); }
    state = std::move(next);
  }

  template <class Exec, class T>
  void logits(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T>> logits) const {
    head.logits(exec, store, features, logits);
  }
  /// @param how  what of the head's own backward stands behind the gradients, such as `Accumulates`
  template <class Exec, class T, class... How>
  void backward(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T const>> d_logits, NonDeduced<MatrixView<T>> d_features,
                ParameterStore<T>& gradients, How... how) const {
    head.backward(exec, store, features, d_logits, d_features, gradients, how...);
  }

  /// Adds labelled features to the moments of their classes.
  /// @throws ShapeError, ValueError  as detail::check_labelled says; the state is unchanged then
  template <class Exec>
  void observe(Exec const& exec, State& state, MatrixView<float const> features, std::span<Index const> columns) const {
    detail::check_labelled("AlignedHead::observe", features, columns, state.classes(), state.width());
    state.moments_.add(exec, features, columns);
  }

  /// [K, L] means of the classes that have samples, in the order of their columns.
  [[nodiscard]] Matrix<double> class_means(State const& state) const {
    std::vector<Index> known;
    for (Index c = 0; c < state.moments_.classes(); ++c) {
      if (state.moments_.count(c) > 0) { known.push_back(c); }
    }
    Matrix<double> means({static_cast<Index>(known.size()), state.moments_.width()});
    for (std::size_t i = 0; i < known.size(); ++i) {
      auto const mean = state.moments_.mean(known[i]);
      std::copy(mean.begin(), mean.end(), means.view()[static_cast<Index>(i)].begin());
    }
    return means;
  }

  /// Aligns once there are two tasks.
  /// @throws ShapeError, ValueError  as `Alignment`; the state is unchanged then
  template <class Exec>
  void fit(Exec const& exec, State& state) const {
    state.moments_.settle(exec);
    if (state.tasks_.empty() || state.tasks_.front() == state.tasks_.back()) { return; }
    auto aligned = alignment(exec, head, std::as_const(state).parameters(), state.moments_, state.tasks_);
    if (alignment.ageing > 0.0) { age(aligned, state.tasks_.back()); }
    if (rows == AlignedRows::kept) {
      let_learn(aligned, LearningBlocks::newest);
      state.parameters() = std::move(aligned);
    } else {
      state.align(std::move(aligned));
    }
  }

  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    head.scores(exec, state, features, scores);
  }

  template <class Writer>
  void write(State const& state, Writer& writer) const {
    auto rows_writer = writer.scope("rows");
    head.write(state, rows_writer);
    state.moments_.write(writer.scope("moments"));
    writer.setting("tasks", state.tasks_);
  }
  /// @throws FileError  when something is missing or does not fit; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    head.read(fresh, reader.scope("rows"));
    fresh.moments_ = ClassMoments::read(reader.scope("moments"));
    fresh.tasks_ = reader.template setting<std::vector<Index>>("tasks");
    bool const ordered = std::is_sorted(fresh.tasks_.begin(), fresh.tasks_.end()) && (fresh.tasks_.empty() || fresh.tasks_.front() >= 0);
    if (!ordered || fresh.moments_.classes() != fresh.classes() || static_cast<Index>(fresh.tasks_.size()) != fresh.classes()) {
      fail<FileError>(reader.path().string(), "holds rows of ", fresh.classes(), " classes, moments of ", fresh.moments_.classes(), " and tasks of ", fresh.tasks_.size());
    }
    state = std::move(fresh);
  }

  /// Rows times a factor are features times that factor.
  void age(ParameterStore<float>& aligned, Index latest) const {
    for (HeadBlock const& block : head_blocks(aligned)) {
      double const factor = alignment.age_factor(block.task, latest);
      for (float& w : aligned.view<2>(block.weight)) { w = static_cast<float>(factor * static_cast<double>(w)); }
    }
  }

  [[nodiscard]] static std::vector<Setting<AlignedHead>> settings() {
    auto all = part_settings(&AlignedHead::head);
    for (auto& setting : part_settings(&AlignedHead::alignment, Alignment::settings(), "align-")) { all.push_back(std::move(setting)); }
    all.push_back(choice_setting("aligned_rows", "whether training goes on from aligned rows", &AlignedHead::rows,
                                 std::vector<std::pair<std::string, AlignedRows>>{{"scored", AlignedRows::scored}, {"kept", AlignedRows::kept}}));
    all.push_back(choice_setting("moments", "what is kept of the covariances", &AlignedHead::moments,
                                 std::vector<std::pair<std::string, SecondMoment>>{{"full", SecondMoment::full}, {"diagonal", SecondMoment::diagonal}}));
    return all;
  }
};
static_assert(LearnsByGradient<AlignedHead<>> && LearnsFromFeatures<AlignedHead<>>);

}  // namespace accrete
