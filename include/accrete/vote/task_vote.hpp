#pragma once

#include <accrete/core/tensor.hpp>

#include <concepts>
#include <span>
#include <type_traits>
#include <vector>

namespace accrete {

/// Has a state of its own that is empty before the first task.
template <class V>
concept HasVoteState = requires {
  typename V::State;
}
&&std::semiregular<typename V::State>;

/// Adapts to the newest task by the logits that its samples get from every task's classifier: `begin_task` once, `observe` any number of times, `fit` once.
template <class V>
concept CalibratesItself = requires(V const& vote, typename V::State& state, std::span<VectorView<float const> const> logits) {
  vote.begin_task(state);
  vote.observe(state, logits);
  vote.fit(state);
};

/// Says how many votes each task gets for a sample, out of the logits of its classifier.
template <class V>
concept CountsVotes = requires(V const& vote, typename V::State const& state, std::span<VectorView<float const> const> logits) {
  { vote.votes(state, logits) } -> std::same_as<std::vector<Index>>;
};

/// Chooses among classifiers that never saw each other's classes.
template <class V>
concept TaskVote = std::copyable<V> && HasVoteState<V> && CalibratesItself<V> && CountsVotes<V>;

}  // namespace accrete
