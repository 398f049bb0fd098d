#include "support/compare.hpp"
#include "support/golden.hpp"

#include <accrete/data/resize.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace accrete::test {
namespace {

Image golden_picture(SafetensorsFile const& file, std::string const& name) { return {file.read<std::uint8_t, 3>(name)}; }

/// Different in every pixel and channel, so that a shifted crop cannot hide.
Image numbered(Index height, Index width) {
  Image image{Tensor<std::uint8_t, 3>({height, width, 3})};
  for (Index i = 0; i < image.pixels.size(); ++i) { image.pixels.data()[i] = static_cast<std::uint8_t>(1 + i * 7 % 255); }
  return image;
}

Filter filter_of(nlohmann::json const& entry) { return entry.at("filter") == "bicubic" ? Filter::bicubic : Filter::bilinear; }

}  // namespace

TEST_CASE("resizing equals Pillow bit for bit: both filters, larger and smaller, parts of pictures, both orders") {
  auto const file = golden("resize");
  auto const config = nlohmann::json::parse(file.metadata().at("config"));
  int seen = 0;
  for (auto const& entry : config.at("cases")) {
    std::string const tensor = entry.at("tensor");
    CAPTURE(tensor);
    auto const edges = entry.at("box").get<std::array<double, 4>>();
    ResizeSettings const settings{entry.at("first") == "vertical" ? PassOrder::vertical_first : PassOrder::horizontal_first, Box{edges[0], edges[1], edges[2], edges[3]}};
    auto const resized = resize(golden_picture(file, entry.at("picture")), entry.at("height"), entry.at("width"), filter_of(entry), settings);
    CHECK(same_bits(resized.pixels, file.read<std::uint8_t, 3>(tensor)));
    ++seen;
  }
  CHECK(seen >= 60);
}

TEST_CASE("a crop is resized without looking at its neighbours") {
  auto const file = golden("resize");
  auto const config = nlohmann::json::parse(file.metadata().at("config"));
  for (auto const& entry : config.at("crops")) {
    std::string const tensor = entry.at("tensor");
    CAPTURE(tensor);
    auto const part = crop(golden_picture(file, entry.at("picture")), entry.at("top"), entry.at("left"), entry.at("height"), entry.at("width"));
    CHECK(same_bits(resize(part, entry.at("size"), entry.at("size"), filter_of(entry)).pixels, file.read<std::uint8_t, 3>(tensor)));
  }
}

TEST_CASE("Pillow 13 goes down first where that direction loses more than twice the pixels") {
  auto const picture = golden_picture(golden("resize"), "noise");  // 19 x 26
  auto const with = [&](Index h, Index w, PassOrder order) { return resize(picture, h, w, Filter::bicubic, {order, {}}).pixels; };
  CHECK(same_bits(with(5, 20, PassOrder::pillow_13), with(5, 20, PassOrder::vertical_first)));
  CHECK(same_bits(with(7, 20, PassOrder::pillow_13), with(7, 20, PassOrder::horizontal_first)));  // 12 = 2 * 6 is not more
  CHECK(same_bits(with(25, 40, PassOrder::pillow_13), with(25, 40, PassOrder::horizontal_first)));
  CHECK_FALSE(same_bits(with(5, 20, PassOrder::vertical_first), with(5, 20, PassOrder::horizontal_first)));
}

TEST_CASE("the same size gives the same picture, and one pixel stays itself at any size") {
  auto const picture = numbered(9, 14);
  CHECK(same_bits(resize(picture, 9, 14, Filter::bicubic).pixels, picture.pixels));
  auto const pixel = numbered(1, 1);
  auto const large = resize(pixel, 40, 3, Filter::bicubic);
  for (Index i = 0; i < large.pixels.size(); ++i) { REQUIRE(large.pixels.data()[i] == pixel.pixels.data()[i % 3]); }
}

TEST_CASE("a centre crop rounds halves to the even offset and gives small pictures a black border") {
  auto const offset_of = [](Index have, Index want) {
    auto const middle = centre_crop(numbered(have, 1), want, 1);
    for (Index top = 0; top + want <= have; ++top) {
      if (same_bits(crop(numbered(have, 1), top, 0, want, 1).pixels, middle.pixels)) { return top; }
    }
    return Index{-1};
  };
  CHECK(offset_of(341, 224) == 58);  // 58.5
  CHECK(offset_of(343, 224) == 60);  // 59.5
  CHECK(offset_of(344, 224) == 60);
  CHECK(offset_of(225, 224) == 0);  // 0.5
  CHECK(offset_of(224, 224) == 0);

  auto const small = numbered(2, 3);
  auto const bordered = centre_crop(small, 5, 4);  // three rows missing: one above, two below; one column missing: on the right
  for (Index y = 0; y < 5; ++y) {
    for (Index x = 0; x < 4; ++x) {
      bool const inside = y >= 1 && y < 3 && x < 3;
      for (Index c = 0; c < 3; ++c) { REQUIRE(bordered.pixels(y, x, c) == (inside ? small.pixels(y - 1, x, c) : 0)); }
    }
  }
}

TEST_CASE("the longer side is cut off, not rounded") {
  CHECK(resized_shorter(333, 500, 256) == Shape<2>{256, 384});  // 384.38
  CHECK(resized_shorter(500, 332, 256) == Shape<2>{385, 256});  // 385.54
  CHECK(resized_shorter(32, 32, 256) == Shape<2>{256, 256});
}

TEST_CASE("extents that make no sense are refused") {
  auto const picture = numbered(4, 6);
  CHECK_THROWS_AS(static_cast<void>(resize(picture, 0, 3, Filter::bicubic)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(resize(Image{}, 3, 3, Filter::bicubic)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(resize(picture, 3, 3, Filter::bicubic, {PassOrder::horizontal_first, Box{0, 0, 7, 4}})), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(resize(picture, 3, 3, Filter::bicubic, {PassOrder::horizontal_first, Box{2, 0, 2, 4}})), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(crop(picture, 2, 0, 3, 1)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(crop(picture, 0, -1, 3, 1)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(centre_crop(picture, 0, 1)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(resized_shorter(0, 1, 1)), ShapeError);
}

}  // namespace accrete::test
