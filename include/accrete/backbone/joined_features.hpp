#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/transfer.hpp>

#include <algorithm>
#include <numeric>
#include <span>
#include <type_traits>

namespace accrete {

/// The features of several networks side by side.
/// @param[in] images  B
/// @param[in] parts   [B, D_n] each, in the executor's memory; may be none
/// @param[in] place   place(row, to) writes a row of one, in host memory;  `copy_features` as it is
/// @returns   [B, sum of D_n] in the executor's memory
template <class Exec, class Place>
[[nodiscard]] Matrix<float, typename Exec::Memory> joined_features(Exec const& exec, Index images, std::span<Matrix<float, typename Exec::Memory> const> parts, Place const& place) {
  Index const width = std::accumulate(parts.begin(), parts.end(), Index{0}, [](Index sum, auto const& part) { return sum + part.extent(1); });
  Matrix<float> all({images, width});
  Index first = 0;
  for (auto const& part : parts) {
    Matrix<float> here(part.shape());
    kernels::download(exec, part.cview(), here.view());
    for (Index i = 0; i < here.extent(0); ++i) { place(here.cview()[i], all.data() + i * width + first); }
    first += here.extent(1);
  }
  if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
    return all;
  } else {
    Matrix<float, typename Exec::Memory> there(all.shape());
    kernels::upload(exec, all.cview(), there.view());
    exec.wait();
    return there;
  }
}

inline constexpr auto copy_features = [](VectorView<float const> row, float* to) { std::copy(row.begin(), row.end(), to); };

}  // namespace accrete
