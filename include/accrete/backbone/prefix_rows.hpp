#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/attention.hpp>

namespace accrete::detail {

/// Keys and values that stand in front of those of the sequences of a batch, in the scalar of the trunk: [B, P, D] each, or [1, P, D] for all; without rows where P is 0.
template <class T>
struct PrefixRows {
  TensorView<T const, 3> k = {};
  TensorView<T const, 3> v = {};
  bool compensated = false;

  /// Those of `count` sequences from `first` on.
  [[nodiscard]] kernels::KeyValuePrefix<T> of(Index first, Index count) const {
    Index const length = k.extent(1);
    if (length == 0) { return {}; }
    auto const flat = [&](TensorView<T const, 3> all) {
      auto const part = all.extent(0) == 1 ? all : all.slice(first, count);
      return part.template reshaped<2>({part.extent(0) * length, part.extent(2)});
    };
    return {flat(k), flat(v), length, compensated};
  }
};

}  // namespace accrete::detail
