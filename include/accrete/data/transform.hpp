#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/detail/resample.hpp>
#include <accrete/data/image.hpp>
#include <accrete/data/resize.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

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

inline void check_preprocessing(std::string_view function, Preprocessing const& settings) {
  expects(settings.height > 0 && settings.width > 0, function, "the crop must have pixels", settings.height, settings.width);
  if (settings.resize_shorter < 0) { fail<ValueError>(function, "resize_shorter must not be negative (came: ", settings.resize_shorter, ")"); }
  for (float const deviation : settings.deviation) {
    if (!std::isfinite(deviation) || deviation == 0.0F) { fail<ValueError>(function, "a deviation must be finite and not zero (came: ", deviation, ")"); }
  }
}

}  // namespace detail

/// The first half of `preprocess`: resized and cropped, still 8 bits. A picture smaller than the crop gets a black border.
/// @param[in] image [h, w, 3]
/// @returns [settings.height, settings.width, 3]
/// @throws ShapeError  when the picture is empty;  ValueError  for settings without sense
[[nodiscard]] inline Image fitted(Image const& image, Preprocessing const& settings) {
  detail::check_preprocessing("fitted", settings);
  expects(image.height() > 0 && image.width() > 0, "fitted", "the picture must not be empty", image.height(), image.width());
  bool const whole = settings.resize_shorter == 0 || !settings.centre_crop;
  Shape<2> const resized = whole ? Shape<2>{settings.height, settings.width} : resized_shorter(image.height(), image.width(), settings.resize_shorter);
  auto const rows = detail::centre_span(resized[0], settings.height);
  auto const columns = detail::centre_span(resized[1], settings.width);
  Image middle = detail::resample(image, detail::middle_of(image.height(), resized[0], rows), detail::middle_of(image.width(), resized[1], columns), settings.filter, false);
  bool const bordered = rows.count < settings.height || columns.count < settings.width;
  return bordered ? centre_crop(middle, settings.height, settings.width) : std::move(middle);
}

/// The second half of `preprocess`: scaled, normalised, channels first.
///   out[c, y, x] = (v / 255 - mean_c) / deviation_c
/// @param[in]  image [settings.height, settings.width, 3];  @param[out] out [3, settings.height, settings.width]
/// @throws ShapeError  when one has another shape;  ValueError  for settings without sense
inline void normalise(Image const& image, Preprocessing const& settings, TensorView<float, 3> out) {
  detail::check_preprocessing("normalise", settings);
  expects(image.height() == settings.height && image.width() == settings.width, "normalise", "the picture must be of the size of the crop", image.height(), image.width(), settings.height,
          settings.width);
  expects(out.extent(0) == 3 && out.extent(1) == settings.height && out.extent(2) == settings.width, "normalise", "the result must be [3, height, width]", out.extent(0), out.extent(1), out.extent(2),
          settings.height, settings.width);
  detail::LevelTable const table = detail::level_table(settings);
  for (Index channel = 0; channel < 3; ++channel) {
    auto const& levels = table[static_cast<std::size_t>(channel)];
    std::uint8_t const* const source = image.pixels.data() + channel;
    float* const target = out[channel].data();
    for (Index i = 0; i < settings.height * settings.width; ++i) { target[i] = levels[source[3 * i]]; }
  }
}

/// Turns a picture into the input of a backbone: resize, crop, scale, normalise, channels first.
///   resize_shorter = 0 or no centre crop: resized to height x width whatever its shape.  Otherwise: shorter side to resize_shorter, then the middle.
/// Bits depend on the picture and the settings alone. Only pixels inside the crop are resampled.
/// @param[in]  image    [h, w, 3]
/// @param[out] out      [3, settings.height, settings.width]
/// @throws ShapeError   when `out` has another shape or the picture is empty;  ValueError  when a deviation is zero or not finite, or resize_shorter is negative
/// @source specification: backbone.md §6.1
inline void preprocess(Image const& image, Preprocessing const& settings, TensorView<float, 3> out) { normalise(fitted(image, settings), settings, out); }

}  // namespace accrete
