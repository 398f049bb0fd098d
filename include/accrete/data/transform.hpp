#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/detail/resample.hpp>
#include <accrete/data/image.hpp>
#include <accrete/data/resize.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace accrete {

namespace detail {

/// (v / 255 - mean) / deviation for the 256 levels of each channel; v / 255 is a division in float, as in the references: times 1/255 differs in the last bit.
using LevelTable = std::array<std::array<float, 256>, 3>;

[[nodiscard]] inline LevelTable level_table(Preprocessing const& settings) {
  LevelTable table{};
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t level = 0; level < 256; ++level) { table[channel][level] = (static_cast<float>(level) / 255.0F - settings.mean[channel]) / settings.deviation[channel]; }
  }
  return table;
}

/// The wanted middle of an axis of `have` pixels after it was resized to `resized`.
[[nodiscard]] inline ResamplePlan middle_of(Index have, Index resized, CentreSpan const& span) { return {have, 0, static_cast<double>(have), resized, span.first, span.count}; }

}  // namespace detail

/// Turns a picture into the input of a backbone: resize, crop, scale, normalise, channels first.
///   resize_shorter = 0 or no centre crop: resized to height x width whatever its shape.  Otherwise: shorter side to resize_shorter, then the middle.
///   out[c, y, x] = (v / 255 - mean_c) / deviation_c
/// Bits depend on the picture and the settings alone. Only pixels inside the crop are resampled.
/// @param[in]  image    [h, w, 3]
/// @param[out] out      [3, settings.height, settings.width]
/// @throws ShapeError   when `out` has another shape or the picture is empty;  ValueError  when a deviation is zero or not finite, or resize_shorter is negative
/// @source specification: backbone.md §6.1
inline void preprocess(Image const& image, Preprocessing const& settings, TensorView<float, 3> out) {
  expects(settings.height > 0 && settings.width > 0, "preprocess", "the crop must have pixels", settings.height, settings.width);
  expects(out.extent(0) == 3 && out.extent(1) == settings.height && out.extent(2) == settings.width, "preprocess", "the result must be [3, height, width]", out.extent(0), out.extent(1), out.extent(2),
          settings.height, settings.width);
  expects(image.height() > 0 && image.width() > 0, "preprocess", "the picture must not be empty", image.height(), image.width());
  if (settings.resize_shorter < 0) { fail<ValueError>("preprocess", "resize_shorter must not be negative (came: ", settings.resize_shorter, ")"); }
  for (float const deviation : settings.deviation) {
    if (!std::isfinite(deviation) || deviation == 0.0F) { fail<ValueError>("preprocess", "a deviation must be finite and not zero (came: ", deviation, ")"); }
  }

  bool const whole = settings.resize_shorter == 0 || !settings.centre_crop;
  Shape<2> const resized = whole ? Shape<2>{settings.height, settings.width} : resized_shorter(image.height(), image.width(), settings.resize_shorter);
  auto const rows = detail::centre_span(resized[0], settings.height);
  auto const columns = detail::centre_span(resized[1], settings.width);
  Image const middle = detail::resample(image, detail::middle_of(image.height(), resized[0], rows), detail::middle_of(image.width(), resized[1], columns), settings.filter, false);

  detail::LevelTable const table = detail::level_table(settings);
  bool const bordered = rows.count < settings.height || columns.count < settings.width;
  for (Index channel = 0; channel < 3; ++channel) {
    auto const& levels = table[static_cast<std::size_t>(channel)];
    TensorView<float, 2> const plane = out[channel];
    if (bordered) { std::fill(plane.begin(), plane.end(), levels[0]); }
    for (Index y = 0; y < rows.count; ++y) {
      std::uint8_t const* const source = middle.pixels.data() + y * columns.count * 3 + channel;
      float* const target = plane.data() + (rows.border + y) * settings.width + columns.border;
      for (Index x = 0; x < columns.count; ++x) { target[x] = levels[source[3 * x]]; }
    }
  }
}

}  // namespace accrete
