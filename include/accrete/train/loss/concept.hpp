#pragma once

#include <accrete/core/stand_ins.hpp>
#include <accrete/core/tensor.hpp>

#include <concepts>

namespace accrete {

/// A loss that judges the features of a batch as well, beside the class means of earlier tasks.
///   loss.judge(exec, means [K, L], features [B, L], weight, d_features [B, L])   adds `weight` times the gradient and returns the value
template <class L>
concept JudgesFeatures = requires(L const& loss, detail::AnyExecutor const& exec, MatrixView<double const> means, MatrixView<float const> features, MatrixView<float> d_features) {
  { loss.judge(exec, means, features, 1.0, d_features) } -> std::convertible_to<double>;
};

}  // namespace accrete
