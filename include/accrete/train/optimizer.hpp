#pragma once

#include <accrete/core/parameter_store.hpp>
#include <accrete/core/stand_ins.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/optimizer_state.hpp>

#include <concepts>
#include <cstddef>
#include <span>

namespace accrete {

/// Makes its empty state for a store: momentum zero, no step taken.
template <class O>
concept StartsForAStore = requires(O const& optimizer, ParameterStore<float> const& store) {
  { optimizer.start(store) } -> std::same_as<typename O::template State<float>>;
};

/// Moves the spans of the updates against a gradient of the store's layout; nothing outside of them changes. Stores lie in host memory whatever the executor,
/// whose threads share the work; the bits are the same for any number of them.
template <class O>
concept StepsParameters = requires(O const& optimizer, detail::AnyExecutor const& exec, typename O::template State<float>& state, ParameterStore<float>& store, VectorView<float const> gradient,
                                   std::span<ParameterUpdate const> updates) {
  optimizer.step(exec, state, store, gradient, updates);
};

/// Knows how many moments its state has, so that a state is read from a model file and checked.
template <class O>
concept CountsItsMoments = requires(O const& optimizer) {
  { optimizer.moment_count() } -> std::same_as<std::size_t>;
};

/// How parameters follow a gradient. Settings and state are two types; rate and decay of each span come with the step, from its group.
/// A parameter that received no gradient in a step is left out of the updates and thereby skipped entirely: no decay, no momentum.
/// A gradient of zeros is not absent.
template <class O>
concept Optimizer = std::copyable<O> && StartsForAStore<O> && StepsParameters<O> && CountsItsMoments<O>;

/// Reads the state that `State::write` wrote.
/// @throws FileError, ShapeError  when it does not fit the optimiser or the store
template <class O, class T, class Reader>
[[nodiscard]] OptimizerState<T> read_optimizer(O const& optimizer, Reader const& reader, ParameterStore<T> const& store) {
  return OptimizerState<T>::read(reader, store, optimizer.moment_count());
}

}  // namespace accrete
