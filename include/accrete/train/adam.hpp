#pragma once

#include <accrete/train/detail/adam_rule.hpp>
#include <accrete/train/optimizer.hpp>

namespace accrete {

/// Adam with coupled decay c, at the rate l and the t-th step of a segment:
///   g += c w;   m = b1 m + (1 - b1) g;   v = b2 v + (1 - b2) g^2;   w -= l / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)
/// With `amsgrad` the largest v so far stands in place of v.
/// @source Kingma, Ba, "Adam", ICLR 2015, arXiv:1412.6980; Reddi, Kale, Kumar, ICLR 2018 (amsgrad); specification: backbone.md §4
using Adam = detail::AdamRule<detail::Decay::coupled>;
static_assert(Optimizer<Adam>);

}  // namespace accrete
