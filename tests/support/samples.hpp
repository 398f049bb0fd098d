#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/rng.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

/// Arrays to test with, the same at every run.
namespace accrete::test {

/// The same numbers in another scalar; narrowing rounds to nearest even.
template <class To, class From, int Rank>
[[nodiscard]] Tensor<To, Rank> in_scalar(Tensor<From, Rank> const& from) {
  Tensor<To, Rank> to(from.shape());
  for (Index i = 0; i < from.size(); ++i) {
    if constexpr (std::is_same_v<To, bfloat16>) {
      to.data()[i] = to_bfloat16(static_cast<float>(from.data()[i]));
    } else if constexpr (std::is_same_v<From, bfloat16>) {
      to.data()[i] = static_cast<To>(to_float(from.data()[i]));
    } else {
      to.data()[i] = static_cast<To>(from.data()[i]);
    }
  }
  return to;
}

/// Standard normal numbers, the same for the same seed.
template <class T, std::size_t Rank>
[[nodiscard]] Tensor<T, static_cast<int>(Rank)> normal(std::uint64_t seed, std::array<Index, Rank> shape) {
  Tensor<float, static_cast<int>(Rank)> drawn(shape);
  Rng(RngKey{.seed = seed, .purpose = Purpose::initialisation}).fill_normal(0, VectorView<float>(drawn.data(), {drawn.size()}));
  return in_scalar<T>(drawn);
}

/// The rows named by `order`, in that order.
template <class T>
[[nodiscard]] Matrix<T> chosen_rows(Matrix<T> const& from, std::vector<Index> const& order) {
  Matrix<T> chosen({static_cast<Index>(order.size()), from.extent(1)});
  for (Index i = 0; i < chosen.extent(0); ++i) { std::copy(from[order[static_cast<std::size_t>(i)]].begin(), from[order[static_cast<std::size_t>(i)]].end(), chosen[i].begin()); }
  return chosen;
}

}  // namespace accrete::test
