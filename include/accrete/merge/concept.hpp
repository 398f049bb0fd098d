#pragma once

#include <accrete/core/tensor.hpp>

#include <concepts>
#include <string_view>

namespace accrete {

template <class M>
concept HasMergeState = requires {
  typename M::State;
};

/// Folds the parameters learned on one task into those that are kept.
template <class M>
concept FoldsParameters = requires(M const& merge, typename M::State& state, VectorView<float> kept, VectorView<float const> fresh) {
  merge.fold(state, kept, fresh);
};

/// What becomes of parameters when a task ends.
template <class M>
concept MergeRule = std::copyable<M> && HasMergeState<M> && FoldsParameters<M>;

}  // namespace accrete
