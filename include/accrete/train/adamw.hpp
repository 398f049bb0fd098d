#pragma once

#include <accrete/train/detail/adam_rule.hpp>
#include <accrete/train/optimizer.hpp>

namespace accrete {

/// Adam with decoupled decay c: w *= 1 - l c comes first, then Adam's step with the plain gradient. Its usual decay is 0.01.
/// @source Loshchilov, Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, arXiv:1711.05101; specification: backbone.md §4
using AdamW = detail::AdamRule<detail::Decay::decoupled>;
static_assert(Optimizer<AdamW>);

}  // namespace accrete
