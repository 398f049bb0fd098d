#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

namespace accrete {

/// How pixels are interpolated when an image is resized.
enum class Filter { bilinear, bicubic };

[[nodiscard]] constexpr std::string_view name_of(Filter filter) { return filter == Filter::bilinear ? "bilinear" : "bicubic"; }

/// How an image becomes the input of a backbone: resize, crop, (v / 255 - mean) / deviation per channel.
struct Preprocessing {
  Index height = 224;        ///< pixels of the crop
  Index width = 224;         ///< pixels of the crop
  Index resize_shorter = 0;  ///< pixels of the shorter side before the crop; 0: resize to exactly height x width
  Filter filter = Filter::bicubic;
  bool centre_crop = true;
  std::array<float, 3> mean{0.5F, 0.5F, 0.5F};
  std::array<float, 3> deviation{0.5F, 0.5F, 0.5F};

  friend bool operator==(Preprocessing const&, Preprocessing const&) = default;

  /// One line that says everything and reads back by `parse`; equal settings give equal text, so it can be hashed.
  [[nodiscard]] std::string text() const {
    std::string line = message("height=", height, " width=", width, " resize_shorter=", resize_shorter, " filter=", name_of(filter), " centre_crop=", centre_crop ? 1 : 0);
    auto const append = [&](std::string_view name, std::array<float, 3> const& values) {
      line += message(' ', name, '=', exact_text(values[0]), ',', exact_text(values[1]), ',', exact_text(values[2]));
    };
    append("mean", mean);
    append("deviation", deviation);
    return line;
  }

  /// The inverse of `text`. Fields may come in any order; what is not named keeps its default.
  /// @throws ValueError  for an unknown field or a value it cannot take
  [[nodiscard]] static Preprocessing parse(std::string_view text) {
    Preprocessing result;
    for (std::string_view const field : split_text(text, ' ')) {
      if (field.empty()) { continue; }
      auto const equals = std::min(field.find('='), field.size());
      result.assign(field.substr(0, equals), field.substr(std::min(equals + 1, field.size())));
    }
    return result;
  }

 private:
  static constexpr Index largest_side = 1 << 16;

  static std::array<float, 3> channels(std::string_view name, std::string_view text, float least) {
    auto const parts = split_text(text, ',');
    if (parts.size() != 3) { fail<ValueError>(name, "needs three numbers, one per channel (came: ", text, ")"); }
    std::array<float, 3> values{};
    for (std::size_t channel = 0; channel < 3; ++channel) { values[channel] = parse_number<float>(name, parts[channel], least, std::numeric_limits<float>::max()); }
    return values;
  }

  void assign(std::string_view name, std::string_view value) {
    if (name == "height") {
      height = parse_number<Index>(name, value, 1, largest_side);
    } else if (name == "width") {
      width = parse_number<Index>(name, value, 1, largest_side);
    } else if (name == "resize_shorter") {
      resize_shorter = parse_number<Index>(name, value, 0, largest_side);
    } else if (name == "filter" && (value == name_of(Filter::bilinear) || value == name_of(Filter::bicubic))) {
      filter = value == name_of(Filter::bilinear) ? Filter::bilinear : Filter::bicubic;
    } else if (name == "centre_crop") {
      centre_crop = parse_number<int>(name, value, 0, 1) == 1;
    } else if (name == "mean") {
      mean = channels(name, value, std::numeric_limits<float>::lowest());
    } else if (name == "deviation") {
      deviation = channels(name, value, std::numeric_limits<float>::min());
    } else {
      fail<ValueError>("Preprocessing", "cannot read '", name, '=', value, "'");
    }
  }
};

}  // namespace accrete
