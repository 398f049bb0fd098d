#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/data/examples.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test {

/// Pictures of 32 x 32 pixels that a network can tell apart: stripes whose direction, width and colour belong to the class, with a phase, a brightness and noise of their own.
/// @param[in] seed  draws what is of the single picture; class names draw what is of the class
[[nodiscard]] inline Examples striped_pictures(std::vector<std::string> const& classes, Index per_class, std::uint64_t seed) {
  Source source;
  source.class_names = classes;
  for (Index c = 0; c < static_cast<Index>(classes.size()); ++c) { source.labels.insert(source.labels.end(), static_cast<std::size_t>(per_class), c); }
  source.image = [classes, per_class, seed](Index i) {
    std::string const& name = classes[static_cast<std::size_t>(i / per_class)];
    std::uint64_t of_class = 7;
    for (char const letter : name) { of_class = of_class * 131 + static_cast<std::uint64_t>(letter); }
    Rng const style({.seed = of_class, .purpose = Purpose::initialisation});
    Rng const own({.seed = seed, .purpose = Purpose::augmentation, .object = of_class * 1009 + static_cast<std::uint64_t>(i % per_class)});
    double const angle = 3.14 * style.uniform(0);
    double const pitch = 0.4 + 0.8 * style.uniform(1);
    double const phase = 6.28 * own.uniform(0);
    double const bright = 0.7 + 0.6 * own.uniform(1);
    Image image{Tensor<std::uint8_t, 3>({32, 32, 3})};
    std::uint64_t element = 16;
    for (Index y = 0; y < 32; ++y) {
      for (Index x = 0; x < 32; ++x) {
        double const wave = std::sin(pitch * (std::cos(angle) * static_cast<double>(x) + std::sin(angle) * static_cast<double>(y)) + phase);
        for (Index k = 0; k < 3; ++k) {
          double const level = 128.0 + bright * wave * 100.0 * (style.uniform(2 + static_cast<std::uint64_t>(k)) - 0.3) + 60.0 * (own.uniform(element++) - 0.5);
          image.pixels(y, x, k) = static_cast<std::uint8_t>(std::clamp(level, 0.0, 255.0));
        }
      }
    }
    return image;
  };
  source.id = [seed, per_class, classes](Index i) {
    std::uint64_t id = seed;
    for (char const letter : classes[static_cast<std::size_t>(i / per_class)]) { id = id * 131 + static_cast<std::uint64_t>(letter); }
    return id * 100003 + static_cast<std::uint64_t>(i % per_class);
  };
  source.where = [classes, per_class](Index i) { return message(classes[static_cast<std::size_t>(i / per_class)], '[', i % per_class, ']'); };
  return Examples(std::move(source));
}

}  // namespace accrete::test
