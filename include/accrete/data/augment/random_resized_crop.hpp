#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/augment/draw.hpp>
#include <accrete/data/image.hpp>
#include <accrete/data/resize.hpp>

#include <cmath>
#include <cstdint>

namespace accrete {

/// A part of the picture of random area and shape, resized to the input of the backbone. Up to ten tries:
///   area = H W U(least_area, most_area),  ratio = exp(U(ln least_ratio, ln most_ratio)),  w = round(sqrt(area ratio)),  h = round(sqrt(area / ratio))
/// the first that fits into the picture is taken, at a uniform place. If none does: the largest part in the middle whose ratio is allowed.
/// @source specification: backbone.md §6.1, the semantics of torchvision's transform
struct RandomResizedCrop {
  double least_area = 0.05;  ///< parts of the picture's area
  double most_area = 1.0;
  double least_ratio = 3.0 / 4.0;  ///< width over height
  double most_ratio = 4.0 / 3.0;
  Filter filter = Filter::bilinear;

  friend bool operator==(RandomResizedCrop const&, RandomResizedCrop const&) = default;

  /// The part of a picture of height H and width W.
  /// @tparam Draws  `Rng`, or anything with `uniform(element)` in [0, 1)
  /// @throws ShapeError  for an empty picture;  ValueError  for settings without sense
  template <class Draws>
  [[nodiscard]] PixelBox box(Index height, Index width, Draws const& draws) const {
    check();
    expects(height > 0 && width > 0, "RandomResizedCrop", "the picture must not be empty", height, width);
    double const whole = static_cast<double>(height) * static_cast<double>(width);
    double const low = std::log(least_ratio);
    double const high = std::log(most_ratio);
    for (std::uint64_t attempt = 0; attempt < AugmentDraw::attempts; ++attempt) {
      std::uint64_t const first = AugmentDraw::first_attempt + 4 * attempt;
      double const area = whole * (least_area + (most_area - least_area) * draws.uniform(first));
      double const ratio = std::exp(low + (high - low) * draws.uniform(first + 1));
      auto const w = static_cast<Index>(std::nearbyint(std::sqrt(area * ratio)));  // a half goes to the even neighbour
      auto const h = static_cast<Index>(std::nearbyint(std::sqrt(area / ratio)));
      if (w < 1 || w > width || h < 1 || h > height) { continue; }
      return {below(height - h + 1, draws.uniform(first + 2)), below(width - w + 1, draws.uniform(first + 3)), h, w};
    }
    return middle(height, width);
  }

  /// @param[in] image [h, w, 3]
  /// @returns [height, width, 3]
  /// @throws ShapeError, ValueError  as `box`
  template <class Draws>
  [[nodiscard]] Image operator()(Image const& image, Index height, Index width, Draws const& draws) const {
    PixelBox const part = box(image.height(), image.width(), draws);
    // Cut first: the filter must not see what lies outside.
    return resize(crop(image, part.top, part.left, part.height, part.width), height, width, filter);
  }

 private:
  void check() const {
    bool const sense = least_area > 0.0 && least_area <= most_area && most_area <= 1.0 && least_ratio > 0.0 && least_ratio <= most_ratio && std::isfinite(most_ratio);
    if (!sense) {
      fail<ValueError>("RandomResizedCrop", "areas must lie in (0, 1] and ratios be positive, the least not above the most (came: ", least_area, ", ", most_area, ", ", least_ratio, ", ", most_ratio,
                       ")");
    }
  }

  [[nodiscard]] PixelBox middle(Index height, Index width) const {
    double const ratio = static_cast<double>(width) / static_cast<double>(height);
    Index h = height;
    Index w = width;
    if (ratio < least_ratio) {
      h = static_cast<Index>(std::nearbyint(static_cast<double>(width) / least_ratio));
    } else if (ratio > most_ratio) {
      w = static_cast<Index>(std::nearbyint(static_cast<double>(height) * most_ratio));
    }
    return {(height - h) / 2, (width - w) / 2, h, w};
  }
};

}  // namespace accrete
