#pragma once

namespace accrete {

/// What comes together of the gradients of a batch.
///   sums     their sum: the gradient of the batch
///   squares  the sum of their squares, each sample's squared by itself: what a Fisher information per sample is made of
enum class Accumulates { sums, squares };

}  // namespace accrete
