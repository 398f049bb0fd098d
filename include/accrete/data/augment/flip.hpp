#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/data/image.hpp>

#include <algorithm>

namespace accrete {

/// Exchanges left and right.
/// @param[in,out] image [H, W, 3]
inline void flip_horizontally(Image& image) {
  Index const width = image.width();
  for (Index y = 0; y < image.height(); ++y) {
    auto* const row = image.pixels.data() + y * width * 3;
    for (Index x = 0; x < width / 2; ++x) { std::swap_ranges(row + 3 * x, row + 3 * x + 3, row + 3 * (width - 1 - x)); }
  }
}

}  // namespace accrete
