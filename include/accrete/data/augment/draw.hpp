#pragma once

#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cstdint>

namespace accrete {

/// Which element of a sample's random numbers decides what. Fixed numbers, so that a part that is switched off changes no other.
struct AugmentDraw {
  static constexpr std::uint64_t attempts = 10;      ///< of RandomResizedCrop
  static constexpr std::uint64_t first_attempt = 0;  ///< each takes four: area, ratio, top, left
  static constexpr std::uint64_t flip = 40;
  static constexpr std::uint64_t brightness = 41;
  static constexpr std::uint64_t top = 42;  ///< of RandomCrop
  static constexpr std::uint64_t left = 43;
};

/// Part of a picture in whole pixels.
struct PixelBox {
  Index top = 0;
  Index left = 0;
  Index height = 0;
  Index width = 0;

  friend constexpr bool operator==(PixelBox const&, PixelBox const&) = default;
};

/// An integer in [0, bound) from a number in [0, 1). Sides of pictures are small against 2^53, so the bias cannot be seen.
[[nodiscard]] constexpr Index below(Index bound, double uniform) { return std::min(static_cast<Index>(uniform * static_cast<double>(bound)), bound - 1); }

}  // namespace accrete
