#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/stand_ins.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace accrete {

struct ModelMerge;
struct UnitedClasses;

/// Keeps what a run learns in a type of its own that can be made empty, copied and moved.
template <class H>
concept HasHeadState = requires {
  typename H::State;
}
&&std::semiregular<typename H::State>;

/// Can be told that there are more classes from now on, and says how many there are.
template <class H>
concept AdmitsClasses = requires(H const& head, typename H::State& state, typename H::State const& known, Index classes) {
  head.admit(state, classes);
  { head.classes(known) } -> std::same_as<Index>;
};

/// Adds labelled features to its statistics, and turns statistics into what scores: `observe` any number of times, then `fit` once.
template <class H>
concept LearnsFromFeatures = requires(H const& head, typename H::State& state, detail::AnyExecutor const& exec, MatrixView<float const> features, std::span<Index const> columns) {
  head.observe(exec, state, features, columns);
  head.fit(exec, state);
};

/// Scores features [B, L] against every class, [B, C], larger is better.
template <class H>
concept ScoresClasses = requires(H const& head, typename H::State const& state, detail::AnyExecutor const& exec, MatrixView<float const> features, MatrixView<float> scores) {
  head.scores(exec, state, features, scores);
};

/// Writes its state into a model file and reads it back, bit for bit.
template <class H>
concept StoresItsState = requires(H const& head, typename H::State& state, typename H::State const& known, detail::SomeWriter& writer, detail::SomeReader const& reader) {
  head.write(known, writer);
  head.read(state, reader);
};

/// Can be told of a task: new rows for its classes, drawn by the head's initialiser, over features of a width. Older rows keep their bits and stand still.
template <class H>
concept AdmitsTasks = requires(H const& head, typename H::State& state, typename H::State const& known, TaskInfo const& task, Index width) {
  head.admit(state, task, width);
  { head.classes(known) } -> std::same_as<Index>;
};

/// Keeps what learns in a store: what an optimiser moves, and what scores.
template <class H>
concept HasHeadParameters = requires(typename H::State& state, typename H::State const& known, ParameterStore<float> aligned) {
  { state.parameters() } -> std::same_as<ParameterStore<float>&>;
  { known.parameters() } -> std::same_as<ParameterStore<float> const&>;
  { known.scoring() } -> std::same_as<ParameterStore<float> const&>;
  state.align(aligned);
};

/// Features [B, L] to logits [B, C] from a store of either scalar: float to learn, double where gradients are checked.
template <class H>
concept ComputesLogits = requires(H const& head, detail::AnyExecutor const& exec, ParameterStore<float> const& store, MatrixView<float const> features, MatrixView<float> logits,
                                  ParameterStore<double> const& exact, MatrixView<double const> exact_features, MatrixView<double> exact_logits) {
  head.logits(exec, store, features, logits);
  head.logits(exec, exact, exact_features, exact_logits);
};

/// From the gradient of the logits [B, C] to that of the features [B, L], which is overwritten, and those of the parameters that learn, which are added to.
template <class H>
concept BackpropagatesLogits = requires(H const& head, detail::AnyExecutor const& exec, ParameterStore<float> const& store, ParameterStore<float>& gradients, MatrixView<float const> features,
                                        MatrixView<float const> d_logits, MatrixView<float> d_features) {
  head.backward(exec, store, features, d_logits, d_features, gradients);
};

/// A head whose rows are learned by gradient, task after task.
template <class H>
concept LearnsByGradient = std::copyable<H> && HasHeadState<H> && AdmitsTasks<H> && HasHeadParameters<H> && ComputesLogits<H> && BackpropagatesLogits<H> && ScoresClasses<H> && StoresItsState<H>;

/// Takes the rows of another model in, by class (head/united_classes.hpp), by a rule (merge/models.hpp).
template <class H>
concept UnitesRows = LearnsByGradient<H> && requires(H const& head, typename H::State& state, typename H::State const& other, UnitedClasses const& united, ModelMerge const& how) {
  head.unite(state, other, united, how);
};

/// Keeps a classifier for each task that learns from that task alone, so that a class cannot come again with a later one.
template <class H>
concept WantsNewClasses = H::new_classes_only;

/// Scores samples whose features it asks for, part by part: `ask(part, rows)` gives those of the samples `rows`.
template <class H>
concept AsksForFeatures = requires(H const& head, typename H::State const& state, detail::AnyExecutor const& exec, Matrix<float> (*ask)(Index, std::span<Index const>), MatrixView<float> scores) {
  head.scores_of_asked(exec, state, ask, scores);
};

/// What a head's statistics allow besides adding.
struct StatisticsTraits {
  bool additive = false;             ///< statistics of parts add up to those of the whole
  bool mergeable = false;            ///< two states can be merged
  bool forgettable = false;          ///< a class can be taken back
  bool forgets_by_features = false;  ///< ... only when its features are given or were kept
};

template <class H>
concept StatesItsStatistics = requires {
  { H::statistics } -> std::convertible_to<StatisticsTraits>;
};

/// Features to scores, over a number of classes that grows.
template <class H>
concept ClassifierHead = std::copyable<H> && HasHeadState<H> && AdmitsClasses<H> && LearnsFromFeatures<H> && ScoresClasses<H> && StoresItsState<H> && StatesItsStatistics<H>;

/// A head of statistics that must know which task a class came with.
template <class H>
concept TaskwiseHead = std::copyable<H> && HasHeadState<H> && AdmitsTasks<H> && LearnsFromFeatures<H> && ScoresClasses<H> && StoresItsState<H>;

/// Adds another state: column j of the other becomes column columns[j] of this one.
template <class H>
concept MergesStatistics = ClassifierHead<H> && H::statistics.mergeable&& requires(H const& head, typename H::State& state, typename H::State const& other, std::span<Index const> columns) {
  head.merge(state, other, columns);
};

/// Takes a class back as if it had never been learned; the columns behind it move up by one.
template <class H>
concept ForgetsClasses = ClassifierHead<H> &&
                         H::statistics.forgettable&& requires(H const& head, typename H::State& state, detail::AnyExecutor const& exec, Index column, MatrixView<float const> features) {
  head.forget(exec, state, column, features);
};

}  // namespace accrete
