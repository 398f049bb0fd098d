#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/prompt/place.hpp>

#include <concepts>
#include <span>
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

/// Makes what it injects out of the queries of the pictures: their features in the plain network.
template <class P>
concept AsksForQueries = StatesItsQuery<P> && P::needs_query;

/// Lets the pictures of a batch decide together what each is given, so that an answer depends on the others.
template <class P>
concept DependsOnBatch = P::batch_dependent;

namespace detail {
template <class P>
concept GivesCommonHook = requires(P const& prompt, AnyExecutor const& exec, typename P::State const& state) {
  prompt.hook(exec, state);
};
template <class P>
concept GivesHookForQueries = requires(P const& prompt, AnyExecutor const& exec, typename P::State const& state, MatrixView<float const> queries) {
  prompt.hook(exec, state, queries);
  { prompt.first_block(state) } -> std::same_as<Index>;
};
}  // namespace detail

/// Gives the backbone what to inject: a hook (backbone/hook.hpp) for an executor, for any pictures or for those with the queries [B, D] in host memory;
/// then it also says which block is the first that is bent.
template <class P>
concept GivesHook = (AsksForQueries<P> && detail::GivesHookForQueries<P>) || (!AsksForQueries<P> && detail::GivesCommonHook<P>);

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

/// Its learning hook takes a batch before its forward pass, and may have a part of the loss of its own:
///   hook.prepare(queries, labels)   [B, D] host memory, [B] columns
///   hook.own_loss(weight)           `weight` times its part for the batch; adds its gradient
///   hook.write(writer), read(reader), finish(state)   what it counts on the way, which an interrupted stage must find again
template <class P>
concept LearnsFromQueries = !AsksForQueries<P> || requires(P const& prompt, detail::AnyExecutor const& exec, typename P::State const& known, typename P::State& state, MatrixView<float const> queries,
                                                           std::span<Index const> labels) {
  prompt.learning_hook(exec, known).prepare(queries, labels);
  { prompt.learning_hook(exec, known).own_loss(1.0) } -> std::same_as<double>;
  prompt.learning_hook(exec, known).finish(state);
  { prompt.read_rows(known) } -> std::same_as<Index>;
};

/// A prompt that is learned by gradient.
template <class P>
concept LearnedPrompt = PromptStrategy<P> && FitsItsPlace<P> && HasPromptParameters<P> && GivesLearningHook<P> && LearnsFromQueries<P>;

/// Tells of itself after a task: how its slots are used, how far it moved.
template <class P>
concept MeasuresItself = requires(P const& prompt, typename P::State const& state) {
  prompt.measures(state);
};

/// Chooses slots for pictures, which can be told from those of their tasks.
template <class P>
concept ChoosesSlots = AsksForQueries<P> && requires(P const& prompt, detail::AnyExecutor const& exec, typename P::State const& state, MatrixView<float const> queries) {
  prompt.chosen_slots(exec, state, queries);
};

}  // namespace accrete
