#pragma once

#include <accrete/core/tensor.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace accrete {

/// The order of 0 ... n-1 that numpy's `RandomState(seed).permutation(n)` gives, so that class orders match the toolboxes':
/// for i from n-1 down to 1, words of MT19937 are masked to the bits of i and drawn again until one is at most i; then places i and it are swapped.
/// @param[in] n  in [0, 2^31)
/// @throws ShapeError  when n is outside
/// @source numpy 1.x legacy generator; checked against numpy 2 for n up to 300
[[nodiscard]] inline std::vector<Index> legacy_permutation(Index n, std::uint32_t seed) {
  expects(n >= 0 && n <= std::numeric_limits<std::int32_t>::max(), "legacy_permutation", "the length must lie in [0, 2^31)", n);
  std::vector<Index> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), Index{0});
  std::mt19937 words(seed);
  for (std::size_t i = order.size(); i-- > 1;) {
    std::size_t const mask = std::bit_ceil(i + 1) - 1;
    std::size_t other = words() & mask;
    while (other > i) { other = words() & mask; }
    std::swap(order[i], order[other]);
  }
  return order;
}

}  // namespace accrete
