#include "photo_checksums.hpp"
#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"

#include <accrete/data/decode.hpp>
#include <accrete/data/transform.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace accrete::test {
namespace {

Tensor<float, 3> preprocessed(Image const& image, Preprocessing const& settings) {
  Tensor<float, 3> out({3, settings.height, settings.width});
  preprocess(image, settings, out);
  return out;
}

}  // namespace

TEST_CASE("the evaluation pipelines equal torchvision's over Pillow bit for bit") {
  auto const file = golden("resize");
  auto const config = nlohmann::json::parse(file.metadata().at("config"));
  for (auto const& entry : config.at("pipelines")) {
    std::string const name = entry.at("name");
    CAPTURE(name);
    Image const input{file.read<std::uint8_t, 3>(name + ".input")};
    Preprocessing settings{.height = entry.at("crop"), .width = entry.at("crop"), .resize_shorter = entry.at("shorter")};
    settings.filter = entry.at("filter") == "bicubic" ? Filter::bicubic : Filter::bilinear;
    settings.mean = entry.at("mean").get<std::array<float, 3>>();
    settings.deviation = entry.at("std").get<std::array<float, 3>>();

    auto const resized = resized_shorter(input.height(), input.width(), settings.resize_shorter);
    auto const middle = centre_crop(resize(input, resized[0], resized[1], settings.filter), settings.height, settings.width);
    CHECK(same_bits(middle.pixels, file.read<std::uint8_t, 3>(name + ".cropped")));
    CHECK(same_bits(preprocessed(input, settings), file.read<float, 3>(name + ".normalised")));
  }
}

TEST_CASE("photographs through the usual evaluation crop equal Pillow's pixels") {
  if (shared_folder().empty()) {
    MESSAGE("skipped: the shared photographs are not here");
    return;
  }
  Preprocessing const plain{.resize_shorter = 256, .mean = {0, 0, 0}, .deviation = {1, 1, 1}};
  for (PhotoChecksum const& photo : photo_checksums) {
    CAPTURE(photo.file);
    auto const input = preprocessed(read_image(shared_folder() / "data" / "photos" / photo.file), plain);
    Tensor<std::uint8_t, 3> pixels({224, 224, 3});
    for (Index y = 0; y < 224; ++y) {
      for (Index x = 0; x < 224; ++x) {
        for (Index c = 0; c < 3; ++c) { pixels(y, x, c) = static_cast<std::uint8_t>(std::lround(input(c, y, x) * 255.0F)); }
      }
    }
    CHECK(crc32(0, pixels.data(), static_cast<uInt>(pixels.size())) == photo.crop);
  }
}

TEST_CASE("levels are divided by 255, which a multiplication by the reciprocal would not equal") {
  Image ramp{Tensor<std::uint8_t, 3>({1, 256, 3})};
  for (Index x = 0; x < 256; ++x) {
    for (Index c = 0; c < 3; ++c) { ramp.pixels(0, x, c) = static_cast<std::uint8_t>(x); }
  }
  auto const out = preprocessed(ramp, {.height = 1, .width = 256, .mean = {0, 0, 0}, .deviation = {1, 1, 1}});
  int other = 0;
  for (Index x = 0; x < 256; ++x) {
    CHECK(out(0, 0, x) == static_cast<float>(x) / 255.0F);
    other += out(0, 0, x) != static_cast<float>(x) * (1.0F / 255.0F) ? 1 : 0;
  }
  CHECK(other > 0);
}

TEST_CASE("without a shorter side, or without a crop, the whole picture is squeezed into the input") {
  Image const input{golden("resize").read<std::uint8_t, 3>("noise")};
  Preprocessing const exact{.height = 12, .width = 20};
  Preprocessing const squeezed{.height = 12, .width = 20, .resize_shorter = 16, .centre_crop = false};
  auto const out = preprocessed(input, exact);
  CHECK(same_bits(out, preprocessed(input, squeezed)));
  auto const whole = resize(input, 12, 20, Filter::bicubic);
  for (Index c = 0; c < 3; ++c) { CHECK(out(c, 7, 11) == (static_cast<float>(whole.pixels(7, 11, c)) / 255.0F - 0.5F) / 0.5F); }
}

TEST_CASE("settings and shapes that make no sense are refused") {
  Image const input{golden("resize").read<std::uint8_t, 3>("noise")};
  Tensor<float, 3> out({3, 8, 8});
  CHECK_THROWS_AS(preprocess(input, {.height = 8, .width = 9}, out), ShapeError);
  CHECK_THROWS_AS(preprocess(Image{}, {.height = 8, .width = 8}, out), ShapeError);
  CHECK_THROWS_AS(preprocess(input, {.height = 8, .width = 8, .resize_shorter = -1}, out), ValueError);
  CHECK_THROWS_AS(preprocess(input, {.height = 8, .width = 8, .deviation = {1, 0, 1}}, out), ValueError);
  CHECK_THROWS_AS(preprocess(input, {.height = 8, .width = 8, .deviation = {1, std::numeric_limits<float>::quiet_NaN(), 1}}, out), ValueError);
}

}  // namespace accrete::test
