#pragma once

#include <accrete/core/tensor.hpp>

#include <concepts>
#include <span>

namespace accrete {

/// What several members of an ensemble say of one batch: the logits [B, C] of each, over the same classes.
using MemberLogits = std::span<Matrix<float> const>;

/// Makes one answer of those of several members, each of which knows all classes: scores [B, C], larger is better. A row depends on that row alone.
template <class V>
concept MemberVote = std::copyable<V> && requires(V const& vote, MemberLogits members, MatrixView<float> scores) {
  vote(members, scores);
};

}  // namespace accrete
