#pragma once

#include <accrete/core/tensor.hpp>

#include <cstdint>

namespace accrete {

/// A decoded picture: 8-bit RGB, the first row on top.
struct Image {
  Tensor<std::uint8_t, 3> pixels;  ///< [H, W, 3], channels red, green, blue

  [[nodiscard]] Index height() const { return pixels.extent(0); }
  [[nodiscard]] Index width() const { return pixels.extent(1); }
};

}  // namespace accrete
