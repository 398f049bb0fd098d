#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/policy_name.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/blocks.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/train/loss/columns.hpp>
#include <accrete/vote/energy.hpp>
#include <accrete/vote/task_vote.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// Classifiers that never see each other's classes, one for each task, and a vote that says which of them answers:
///   score_c = softmax(z_k)_c - r_k,   k the task of c, r_k its place among the tasks by votes, ties by number; 0 is the one that answers
/// A classifier learns from the features of its own task, [B, L], and scores the part [B, L] of the features that belongs to its task, or the only one where there is one.
/// @tparam Head  LearnsByGradient, in blocks;  @tparam Vote  TaskVote
/// @source Wang et al., "Isolation and Impartial Aggregation", AAAI 2023, arXiv:2211.15969; specification: mixture-methods.md §5.3
template <class Head = LinearHead, class Vote = EnergyVote>
struct TaskVotingHead {
  static_assert(LearnsByGradient<Head>, "the first argument of TaskVotingHead must be a LearnsByGradient");
  static_assert(TaskVote<Vote>, "the second argument of TaskVotingHead must be a TaskVote");
  [[nodiscard]] static std::string composition() { return "task-voting<" + policy_name<Head>() + ", " + policy_name<Vote>() + ">"; }
  static constexpr bool new_classes_only = true;

  Head head;
  Vote vote;

  class State {
   public:
    [[nodiscard]] typename Head::State const& rows() const { return rows_; }
    [[nodiscard]] typename Vote::State const& votes() const { return votes_; }

    [[nodiscard]] ParameterStore<float>& parameters() { return rows_.parameters(); }
    [[nodiscard]] ParameterStore<float> const& parameters() const { return rows_.parameters(); }
    [[nodiscard]] ParameterStore<float> const& scoring() const { return rows_.scoring(); }
    void align(ParameterStore<float> aligned) { rows_.align(std::move(aligned)); }

   private:
    friend struct TaskVotingHead;
    typename Head::State rows_;
    typename Vote::State votes_;
  };

  /// Adds the rows of a task and lets only these learn.
  /// @param[in] width L of the features of one task
  /// @throws ShapeError, ValueError  as the head's `admit`; nothing is changed then
  void admit(State& state, TaskInfo const& task, Index width) const {
    head.admit(state.rows_, task, width);
    if (task.classes > 0) { vote.begin_task(state.votes_); }
  }
  [[nodiscard]] Index classes(State const& state) const { return head.classes(state.rows_); }

  /// @param[in] features [B, L] of the newest task; what the other classifiers make of them has no meaning
  template <class Exec, class T>
  void logits(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T>> logits) const {
    head.logits(exec, store, features, logits);
  }
  template <class Exec, class T>
  void backward(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T const>> d_logits, NonDeduced<MatrixView<T>> d_features,
                ParameterStore<T>& gradients) const {
    head.backward(exec, store, features, d_logits, d_features, gradients);
  }

  /// Shows the vote samples of the newest task, as they are judged.
  /// @param[in] features [n, tasks * L] or [n, L], host memory;  @param[in] columns [n] class of each
  /// @throws ShapeError, ValueError  when they do not fit, or for a class of an earlier task; the state is unchanged then
  template <class Exec>
  void observe(Exec const& exec, State& state, MatrixView<float const> features, std::span<Index const> columns) const {
    detail::check_labelled("TaskVotingHead::observe", features, columns, classes(state), 0);
    auto const blocks = head_blocks(state.scoring());
    for (Index const column : columns) {
      if (column < blocks.back().first) { fail<ValueError>("TaskVotingHead::observe", "class ", column, " is of an earlier task; those of the newest begin at ", blocks.back().first); }
    }
    auto const all = logits_by_task(exec, state, blocks, features);
    for (Index i = 0; i < features.extent(0); ++i) { vote.observe(state.votes_, of_sample(all, i)); }
  }

  template <class Exec>
  void fit(Exec const& /*exec*/, State& state) const {
    vote.fit(state.votes_);
  }

  /// @param[in] features [B, tasks * L] or [B, L], host memory;  @param[out] scores [B, C], host memory
  /// @throws ValueError  without a class;  ShapeError when the extents do not fit.   Cost: 2 * B * C * L flop
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    detail::check_scored("TaskVotingHead::scores", features, scores, classes(state), features.extent(1));
    auto const blocks = head_blocks(state.scoring());
    auto const all = logits_by_task(exec, state, blocks, features);
    std::vector<double> p;
    for (Index i = 0; i < features.extent(0); ++i) {
      auto const z = of_sample(all, i);
      auto const places = by_votes(vote.votes(state.votes_, z));
      for (std::size_t place = 0; place < places.size(); ++place) {
        std::size_t const k = places[place];
        detail::softmax_row<float>(z[k], p);
        std::transform(p.begin(), p.end(), scores[i].data() + blocks[k].first, [place](double share) { return static_cast<float>(share - static_cast<double>(place)); });
      }
    }
  }

  template <class Writer>
  void write(State const& state, Writer& writer) const {
    auto rows = writer.scope("rows");
    head.write(state.rows_, rows);
    vote.write(state.votes_, writer.scope("votes"));
  }
  /// @throws FileError  when something is missing or does not fit; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    head.read(fresh.rows_, reader.scope("rows"));
    vote.read(fresh.votes_, reader.scope("votes"), static_cast<Index>(head_blocks(fresh.parameters()).size()));
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<TaskVotingHead>> settings() { return part_settings(&TaskVotingHead::head); }

 private:
  /// The classifier of one task as a head of its own, with what belongs to no task.
  static ParameterStore<float> classifier(ParameterStore<float> const& store, Index task) {
    ParameterStore<float> own;
    for (Index i = 0; i < store.size(); ++i) {
      ParameterSegment segment = store.segments()[static_cast<std::size_t>(i)];
      if (segment.task >= 0 && segment.task != task) { continue; }
      Index const first = store.offset(segment.name);
      segment.trainable_rows = segment.shape[0];
      segment.first_trainable = 0;
      ParameterSpan const span = own.trainable_of(own.add(std::move(segment)));
      auto const from = store.values().slice(first, span.count);
      std::copy(from.begin(), from.end(), own.view(span).begin());
    }
    return own;
  }

  /// What each classifier says of its part of the features, [n, C_k] each.
  template <class Exec>
  std::vector<Matrix<float>> logits_by_task(Exec const& exec, State const& state, std::vector<HeadBlock> const& blocks, MatrixView<float const> features) const {
    auto const& store = state.scoring();
    Index const width = store.segment(blocks.front().weight).shape[1];
    Index const parts = features.extent(1) / width;
    expects(features.extent(1) == parts * width && (parts == 1 || parts > blocks.back().task), "TaskVotingHead", "features must be those of one task, or of all tasks side by side", features.extent(1),
            width, blocks.back().task + 1);
    std::vector<Matrix<float>> all;
    for (HeadBlock const& block : blocks) {
      Index const first = parts == 1 ? 0 : block.task * width;
      Matrix<float> part({features.extent(0), width});
      for (Index i = 0; i < part.extent(0); ++i) { std::copy_n(features[i].data() + first, width, part.view()[i].data()); }
      Matrix<float> z({features.extent(0), block.classes});
      head.logits(exec, classifier(store, block.task), part.cview(), z.view());
      all.push_back(std::move(z));
    }
    return all;
  }

  static std::vector<VectorView<float const>> of_sample(std::vector<Matrix<float>> const& all, Index row) {
    std::vector<VectorView<float const>> logits;
    for (Matrix<float> const& z : all) { logits.push_back(z.cview()[row]); }  // NOLINT(performance-inefficient-vector-operation): a few tasks
    return logits;
  }

  /// Tasks from most votes to fewest, the smaller number first.
  static std::vector<std::size_t> by_votes(std::vector<Index> const& votes) {
    std::vector<std::size_t> places(votes.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return votes[a] > votes[b]; });
    return places;
  }
};
static_assert(LearnsByGradient<TaskVotingHead<>> && LearnsFromFeatures<TaskVotingHead<>> && WantsNewClasses<TaskVotingHead<>>);

}  // namespace accrete
