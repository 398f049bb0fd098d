#pragma once

#include <accrete/core/policy_name.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/task.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/vote/concept.hpp>
#include <accrete/vote/max_probability.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// Which members of an ensemble are heard.
enum class Heard { all, first, last };

/// A head that is shared by several networks, whose features stand side by side, and a vote over what it says of each: f = [f_1, ..., f_m], s = vote(head(f_1), ..., head(f_m)).
/// It is learned on the features of one network. Features as wide as that one's are a single member's.
/// @tparam Head  LearnsByGradient;  @tparam Vote  MemberVote
template <class Head = LinearHead, class Vote = MaxProbability>
struct VotingHead {
  static_assert(LearnsByGradient<Head>, "the first argument of VotingHead must be a LearnsByGradient");
  static_assert(MemberVote<Vote>, "the second argument of VotingHead must be a MemberVote");
  [[nodiscard]] static std::string composition() { return "voting<" + policy_name<Head>() + ", " + policy_name<Vote>() + ">"; }

  Head head = {};
  Vote vote = {};
  Heard heard = Heard::all;

  using State = typename Head::State;

  void admit(State& state, TaskInfo const& task, Index width) const { head.admit(state, task, width); }
  [[nodiscard]] Index classes(State const& state) const { return head.classes(state); }
  void unite(State& state, State const& other, UnitedClasses const& united, ModelMerge const& how) const requires UnitesRows<Head> { head.unite(state, other, united, how); }

  template <class Exec, class T>
  void logits(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T>> logits) const {
    head.logits(exec, store, features, logits);
  }
  template <class Exec, class T>
  void backward(Exec const& exec, ParameterStore<T> const& store, NonDeduced<MatrixView<T const>> features, NonDeduced<MatrixView<T const>> d_logits, NonDeduced<MatrixView<T>> d_features,
                ParameterStore<T>& gradients) const {
    head.backward(exec, store, features, d_logits, d_features, gradients);
  }

  /// @param[in] features [B, m L] host memory;  @param[out] scores [B, C]
  /// @throws ValueError without a class;  ShapeError when the features are not those of whole members.   Cost: 2 * m * B * C * L flop
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    Index const width = state.width();
    expects(width > 0 && features.extent(1) > 0 && features.extent(1) % width == 0, "VotingHead::scores", "features must be those of whole members", features.extent(1), width);
    Index const members = features.extent(1) / width;
    Index const first = heard == Heard::last ? members - 1 : 0;
    Index const last = heard == Heard::first ? 1 : members;
    std::vector<Matrix<float>> logits;
    for (Index member = first; member < last; ++member) {
      Matrix<float> own({features.extent(0), width});
      for (Index i = 0; i < own.extent(0); ++i) { std::copy_n(features.data() + i * features.extent(1) + member * width, width, own.view()[i].begin()); }
      logits.emplace_back(scores.shape());
      head.scores(exec, state, own.cview(), logits.back().view());
    }
    vote(logits, scores);
  }

  template <class Writer>
  void write(State const& state, Writer& writer) const {
    head.write(state, writer);
  }
  /// @throws FileError  when something is missing or does not fit; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    head.read(state, reader);
  }

  [[nodiscard]] static std::vector<Setting<VotingHead>> settings() {
    auto all = part_settings(&VotingHead::head, settings_of(Head{}));
    for (auto& setting : part_settings(&VotingHead::vote, settings_of(Vote{}))) { all.push_back(std::move(setting)); }
    all.push_back(
        choice_setting("heard", "which networks answer", &VotingHead::heard, std::vector<std::pair<std::string, Heard>>{{"all", Heard::all}, {"first", Heard::first}, {"last", Heard::last}}));
    return all;
  }
};
static_assert(LearnsByGradient<VotingHead<>>);

}  // namespace accrete
