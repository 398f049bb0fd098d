#pragma once

#include <accrete/core/task.hpp>

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

/// Gives the backbone what to inject: a hook (backbone/hook.hpp).
template <class P>
concept GivesHook = requires(P const& prompt, typename P::State const& state) {
  prompt.hook(state);
};

/// Bends a frozen backbone by what it injects into its blocks.
template <class P>
concept PromptStrategy = std::copyable<P> && StatesItsQuery<P> && HasPromptState<P> && GrowsWithTasks<P> && GivesHook<P>;

}  // namespace accrete
