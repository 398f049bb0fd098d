#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>

#include <type_traits>

namespace accrete::bench {

/// Small numbers of both signs that no kernel can take a shortcut on.
template <class T = float>
[[nodiscard]] Matrix<T> filled(Index rows, Index columns) {
  Matrix<T> x({rows, columns});
  for (Index i = 0; i < x.size(); ++i) {
    auto const value = static_cast<float>(i % 29 - 14) * 0.05F;
    if constexpr (std::is_same_v<T, bfloat16>) {
      x.data()[i] = to_bfloat16(value);
    } else {
      x.data()[i] = value;
    }
  }
  return x;
}

}  // namespace accrete::bench
