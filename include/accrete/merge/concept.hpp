#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/stand_ins.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>

#include <concepts>
#include <string_view>

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

/// What becomes of parameters when a task ends.
template <class M>
concept MergeRule = std::copyable<M> && HasMergeState<M> && FoldsParameters<M>;

}  // namespace accrete
