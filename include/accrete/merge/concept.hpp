#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/stand_ins.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>

#include <concepts>
#include <string_view>
#include <utility>

namespace accrete {

template <class M>
concept HasMergeState = requires {
  typename M::State;
};

/// Has a state that a model file must keep.
template <class M>
concept KeepsMergeState = HasMergeState<M> && requires(typename M::State const& state, detail::SomeWriter const& writer) {
  state.write(writer);
};

/// Folds the parameters learned on one task into those that are kept.
template <class M>
concept FoldsParameters = requires(M const& merge, typename M::State& state, VectorView<float> kept, VectorView<float const> fresh) {
  merge.fold(state, kept, fresh);
};

/// Folds as well, and weighs parameters by their Fisher information (train/fisher.hpp), for which its settings are asked:
///   asks_for_fisher()   whether this task's is wanted;   fisher   how it is estimated
///   fold(state, kept [P], fresh [P], fisher [P])   the last empty where nothing was asked for
template <class M>
concept NeedsFisher = requires(M const& merge, typename M::State& state, VectorView<float> kept, VectorView<float const> fresh, Vector<float> fisher) {
  { merge.asks_for_fisher() } -> std::same_as<bool>;
  merge.fisher;
  merge.fold(state, kept, fresh, std::move(fisher));
};

/// Is asked to fold when the first task ends too, with what was there before it as what is kept.
template <class M>
concept FoldsFirstTask = M::folds_first_task;

/// Moves the learning parameters after every step of an optimiser as well.
template <class M>
concept MergesEveryStep = requires(M const& merge, typename M::State const& state, VectorView<float> learning) {
  merge.after_step(state, learning);
};

/// Keeps an average beside what learns, in a store of the same layout: a second network or prompt, which answers as well. It is asked
///   begin_task(state, learning, task)    before a task, with what learns as the task finds it
///   after_step(exec, state, learning)    behind every step of the optimiser
///   state.averaged()                     the average; empty before there is one
template <class M>
concept AveragesBeside = HasMergeState<M> &&
    requires(M const& merge, detail::AnyExecutor const& exec, typename M::State& state, typename M::State const& known, ParameterStore<float> const& learning, TaskInfo const& task) {
  merge.begin_task(state, learning, task);
  merge.after_step(exec, state, learning);
  { known.averaged() } -> std::same_as<ParameterStore<float> const&>;
};

/// Averages beside what learns, and is asked to fold that average in place of what learned.
template <class M>
concept KeepsAverage = AveragesBeside<M> && M::keeps_average;

/// What becomes of parameters when a task ends.
template <class M>
concept MergeRule = std::copyable<M> && HasMergeState<M> &&(FoldsParameters<M> || NeedsFisher<M>);

}  // namespace accrete
