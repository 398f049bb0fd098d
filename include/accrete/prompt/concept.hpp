#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/prompt/place.hpp>

#include <concepts>
#include <string_view>

namespace accrete {

/// Says whether it must see a plain pass's feature before the prompted pass can start.
template <class P>
concept StatesItsQuery = requires {
  { P::needs_query } -> std::convertible_to<bool>;
};

template <class P>
concept HasPromptState = requires {
  typename P::State;
};

/// Is told where tasks begin and end.
template <class P>
concept GrowsWithTasks = requires(P const& prompt, typename P::State& state, TaskInfo task) {
  prompt.begin_task(state, task);
  prompt.end_task(state, task);
};

/// Gives the backbone what to inject: a hook (backbone/hook.hpp) for an executor.
template <class P>
concept GivesHook = requires(P const& prompt, detail::AnyExecutor const& exec, typename P::State const& state) {
  prompt.hook(exec, state);
};

/// Bends a frozen backbone by what it injects into its blocks.
template <class P>
concept PromptStrategy = std::copyable<P> && StatesItsQuery<P> && HasPromptState<P> && GrowsWithTasks<P> && GivesHook<P>;

/// Is told once, before the first task, what network it will be put into.
template <class P>
concept FitsItsPlace = requires(P const& prompt, typename P::State& state, PromptPlace const& place) {
  prompt.fit_place(state, place);
};

/// Keeps what learns in a store.
template <class P>
concept HasPromptParameters = requires(typename P::State& state, typename P::State const& known) {
  { state.parameters() } -> std::same_as<ParameterStore<float>&>;
  { known.parameters() } -> std::same_as<ParameterStore<float> const&>;
};

/// Gives a hook that also takes in gradients. Values go into it before every step, and their gradient comes out after it:
///   hook.refresh(values)   hook.collect(gradients)   both of the store's layout, in host memory
template <class P>
concept GivesLearningHook = requires(P const& prompt, detail::AnyExecutor const& exec, typename P::State const& state, ParameterStore<float> const& values, ParameterStore<float>& gradients) {
  prompt.learning_hook(exec, state).refresh(values);
  prompt.learning_hook(exec, state).collect(gradients);
};

/// A prompt that is learned by gradient.
template <class P>
concept LearnedPrompt = PromptStrategy<P> && FitsItsPlace<P> && HasPromptParameters<P> && GivesLearningHook<P>;

}  // namespace accrete
