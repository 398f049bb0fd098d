#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/augment/draw.hpp>
#include <accrete/data/image.hpp>
#include <accrete/data/resize.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace accrete {

/// What stands outside of a picture.
enum class Border {
  zero,     ///< black
  reflect,  ///< the picture mirrored at its outermost pixels, which are not repeated
};

/// What a picture is resized to before a random part of it is cut.
enum class CropResize {
  none,
  shorter,  ///< the shorter side to `resize` pixels
  square,   ///< to `resize` x `resize` pixels, whatever its shape
};

/// A part of the size of the backbone's input at a uniform place of the picture, which may be resized first and get a border.
/// @source specification: backbone.md §6.1
struct RandomCrop {
  CropResize resizing = CropResize::none;
  Index resize = 256;  ///< pixels
  Filter filter = Filter::bilinear;
  Index padding = 0;  ///< pixels of border on each side
  Border border = Border::zero;

  friend bool operator==(RandomCrop const&, RandomCrop const&) = default;

  /// @param[in] image [h, w, 3]
  /// @returns [height, width, 3]
  /// @tparam Draws  `Rng`, or anything with `uniform(element)` in [0, 1)
  /// @throws ShapeError  when the picture with its border is smaller than the part, or smaller than the border that mirrors it;  ValueError  for a negative padding
  template <class Draws>
  [[nodiscard]] Image operator()(Image const& image, Index height, Index width, Draws const& draws) const {
    if (padding < 0) { fail<ValueError>("RandomCrop", "the padding must not be negative (came: ", padding, ")"); }
    if (resizing == CropResize::none) { return part(image, height, width, draws); }
    auto const size = resizing == CropResize::square ? Shape<2>{resize, resize} : resized_shorter(image.height(), image.width(), resize);
    return part(accrete::resize(image, size[0], size[1], filter), height, width, draws);
  }

 private:
  template <class Draws>
  [[nodiscard]] Image part(Image const& image, Index height, Index width, Draws const& draws) const {
    Index const rows = image.height() + 2 * padding - height;
    Index const columns = image.width() + 2 * padding - width;
    expects(height > 0 && width > 0 && rows >= 0 && columns >= 0, "RandomCrop", "the picture with its border must be as large as the part", image.height(), image.width(), padding, height, width);
    bool const mirrors = border == Border::reflect;
    expects(!mirrors || (padding < image.height() && padding < image.width()), "RandomCrop", "a border that mirrors must be narrower than the picture", padding, image.height(), image.width());
    Index const top = below(rows + 1, draws.uniform(AugmentDraw::top)) - padding;
    Index const left = below(columns + 1, draws.uniform(AugmentDraw::left)) - padding;
    Image result{Tensor<std::uint8_t, 3>::zeros({height, width, 3})};
    for (Index y = 0; y < height; ++y) {
      auto const from_row = source(top + y, image.height());
      if (!from_row) { continue; }
      for (Index x = 0; x < width; ++x) {
        auto const from = source(left + x, image.width());
        if (from) { std::copy_n(image.pixels.data() + (*from_row * image.width() + *from) * 3, 3, result.pixels.data() + (y * width + x) * 3); }
      }
    }
    return result;
  }

  /// The pixel of an axis of `extent` that stands at `position`, which may lie outside; none for black.
  [[nodiscard]] std::optional<Index> source(Index position, Index extent) const {
    if (position >= 0 && position < extent) { return position; }
    if (border == Border::zero) { return std::nullopt; }
    return position < 0 ? -position : 2 * (extent - 1) - position;
  }
};

}  // namespace accrete
