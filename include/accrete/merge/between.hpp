#pragma once

namespace accrete::detail {

/// A mean of two numbers, back between them after its roundings; without branches, so that a compiler can take vectors.
[[nodiscard]] inline float between(float a, float b, double mean) {
  auto const rounded = static_cast<float>(mean);
  float const least = a < b ? a : b;
  float const most = a < b ? b : a;
  float const above = rounded < least ? least : rounded;
  return above > most ? most : above;
}

}  // namespace accrete::detail
