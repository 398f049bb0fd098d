#pragma once

#include <accrete/core/stand_ins.hpp>
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

/// What becomes of parameters when a task ends.
template <class M>
concept MergeRule = std::copyable<M> && HasMergeState<M> && FoldsParameters<M>;

}  // namespace accrete
