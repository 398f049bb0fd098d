#pragma once

#include <accrete/core/preprocessing.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/detail/resample.hpp>
#include <accrete/data/image.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace accrete {

/// Part of a picture in pixels; edges may lie inside pixels.
struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

/// Which direction is resampled first. The result of the first pass is rounded to 8 bits, so the order shows where the filter overshoots.
enum class PassOrder {
  horizontal_first,  ///< Pillow before 13
  vertical_first,
  pillow_13,  ///< vertical first when that direction shrinks by more than twice the pixels of the other, as Pillow 13.0 does
};

/// The rarely needed half of `resize`.
struct ResizeSettings {
  PassOrder order = PassOrder::horizontal_first;
  std::optional<Box> box;  ///< resize this part only; its neighbours outside are not looked at
};

/// Resizes with antialiasing, equal to Pillow's Image.resize bit for bit.
///   c = left + (x + 1/2) s,  s = width of the box / w,  f = max(s, 1);   out(x) = sum_j in(j) K((j + 1/2 - c) / f) / sum_j K(...)
///   K cubic with a = -1/2 (support 2) or a triangle (support 1);  weights in units of 2^-22, each pass rounded and clamped to 8 bits
/// @param image [H, W, 3]
/// @returns [h, w, 3];  a pass that would change nothing is skipped
/// @throws ShapeError  when an extent is below 1, or the box is empty or leaves the picture
/// Cost: 6·(H·w·taps + h·w·taps) operations, integers of 32 bits.
/// @source specification: backbone.md §6.2, measured against Pillow
[[nodiscard]] inline Image resize(Image const& image, Index h, Index w, Filter filter, ResizeSettings const& settings = {}) {
  expects(image.height() > 0 && image.width() > 0, "resize", "the picture must not be empty", image.height(), image.width());
  expects(h > 0 && w > 0, "resize", "the new extents must be positive", h, w);
  Box const box = settings.box.value_or(Box{0, 0, static_cast<double>(image.width()), static_cast<double>(image.height())});
  expects(box.left >= 0 && box.top >= 0 && box.left < box.right && box.top < box.bottom && box.right <= static_cast<double>(image.width()) && box.bottom <= static_cast<double>(image.height()),
          "resize", "the box left, top, right, bottom must lie inside the picture of width, height", box.left, box.top, box.right, box.bottom, image.width(), image.height());
  detail::ResamplePlan const rows{image.height(), box.top, box.bottom, h, 0, h};
  detail::ResamplePlan const columns{image.width(), box.left, box.right, w, 0, w};
  bool const fewer_rows = h < image.height() && image.height() - h > 2 * (image.width() - w);
  bool const vertical_first = settings.order == PassOrder::vertical_first || (settings.order == PassOrder::pillow_13 && fewer_rows);
  return detail::resample(image, rows, columns, filter, vertical_first);
}

/// The part [top, top + h) x [left, left + w) of a picture.
/// @throws ShapeError  when it leaves the picture
[[nodiscard]] inline Image crop(Image const& image, Index top, Index left, Index h, Index w) {
  expects(top >= 0 && h >= 0 && top <= image.height() - h, "crop", "the rows must lie inside the picture", top, h, image.height());
  expects(left >= 0 && w >= 0 && left <= image.width() - w, "crop", "the columns must lie inside the picture", left, w, image.width());
  return detail::cropped(image, top, left, h, w);
}

/// The middle h x w pixels; a smaller picture gets a black border first (the odd pixel goes right and below).
///   top = (H - h) / 2 rounded half to even, left alike
/// @throws ShapeError  when an extent is below 1
[[nodiscard]] inline Image centre_crop(Image const& image, Index h, Index w) {
  expects(h > 0 && w > 0, "centre_crop", "the extents must be positive", h, w);
  auto const rows = detail::centre_span(image.height(), h);
  auto const columns = detail::centre_span(image.width(), w);
  Image middle{Tensor<std::uint8_t, 3>::zeros({h, w, 3})};
  for (Index y = 0; y < rows.count; ++y) {
    std::copy_n(image.pixels.data() + ((rows.first + y) * image.width() + columns.first) * 3, columns.count * 3, middle.pixels.data() + ((rows.border + y) * w + columns.border) * 3);
  }
  return middle;
}

/// Extents [h, w] after the shorter side became `shorter` pixels:  longer = trunc(shorter * longer / old shorter).
/// @throws ShapeError  when an extent is below 1
[[nodiscard]] inline Shape<2> resized_shorter(Index height, Index width, Index shorter) {
  expects(height > 0 && width > 0 && shorter > 0, "resized_shorter", "the extents must be positive", height, width, shorter);
  Index const longer = shorter * std::max(height, width) / std::min(height, width);
  return height <= width ? Shape<2>{shorter, longer} : Shape<2>{longer, shorter};
}

}  // namespace accrete
