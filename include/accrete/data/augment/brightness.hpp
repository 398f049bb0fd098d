#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/image.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace accrete {

/// Multiplies all levels:  v' = min(trunc(factor v), 255), the product in float, as Pillow's ImageEnhance.Brightness does.
/// @param[in,out] image [H, W, 3]
/// @throws ValueError  when the factor is negative or not finite; the picture is unchanged then
inline void scale_brightness(Image& image, double factor) {
  if (!(factor >= 0.0) || !std::isfinite(factor)) { fail<ValueError>("scale_brightness", "the factor must be finite and not negative (came: ", factor, ")"); }
  std::array<std::uint8_t, 256> levels{};
  auto const scale = static_cast<float>(factor);
  for (std::size_t v = 0; v < levels.size(); ++v) { levels[v] = static_cast<std::uint8_t>(std::min(scale * static_cast<float>(v), 255.0F)); }
  for (std::uint8_t& v : image.pixels) { v = levels[v]; }
}

}  // namespace accrete
