#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/transfer.hpp>

#include <algorithm>
#include <type_traits>

namespace accrete {

/// The features of two networks side by side.
/// @param[in] a, b   [B, D_a] and [B, D_b] in the executor's memory
/// @param[in] place  place(row, to) writes a row of either, in host memory;  `copy_features` as it is
/// @returns   [B, D_a + D_b] in the executor's memory
template <class Exec, class Place>
[[nodiscard]] Matrix<float, typename Exec::Memory> joined_features(Exec const& exec, Matrix<float, typename Exec::Memory> const& a, Matrix<float, typename Exec::Memory> const& b, Place const& place) {
  Matrix<float> left(a.shape());
  Matrix<float> right(b.shape());
  kernels::download(exec, a.cview(), left.view());
  kernels::download(exec, b.cview(), right.view());
  Index const width = left.extent(1) + right.extent(1);
  Matrix<float> both({left.extent(0), width});
  for (Index i = 0; i < both.extent(0); ++i) {
    place(left.cview()[i], both.data() + i * width);
    place(right.cview()[i], both.data() + i * width + left.extent(1));
  }
  if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
    return both;
  } else {
    Matrix<float, typename Exec::Memory> there(both.shape());
    kernels::upload(exec, both.cview(), there.view());
    exec.wait();
    return there;
  }
}

inline constexpr auto copy_features = [](VectorView<float const> row, float* to) { std::copy(row.begin(), row.end(), to); };

}  // namespace accrete
