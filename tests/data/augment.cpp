#include "support/compare.hpp"
#include "support/golden.hpp"

#include <accrete/core/rng.hpp>
#include <accrete/data/augment.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test {
namespace {

/// Numbers that are given instead of drawn.
struct Given {
  std::vector<double> numbers;
  [[nodiscard]] double uniform(std::uint64_t element) const { return numbers.at(element); }
};

Given given(SafetensorsFile const& file, Index number) {
  auto const rows = file.read<double, 2>("uniforms");
  return {{rows.cview()[number].begin(), rows.cview()[number].end()}};
}
/// Zeros but for two elements.
Given given(std::uint64_t first, double a, std::uint64_t second, double b) {
  Given draws{std::vector<double>(44, 0.0)};
  draws.numbers[first] = a;
  draws.numbers[second] = b;
  return draws;
}

Image picture(SafetensorsFile const& file, std::string const& name = "picture") { return {file.read<std::uint8_t, 3>(name)}; }

Rng sample(std::uint64_t object) { return Rng({.seed = 3, .purpose = Purpose::augmentation, .task = 1, .epoch = 2, .object = object}); }

Preprocessing const small{.height = 16, .width = 20, .resize_shorter = 24, .mean = {0.5F, 0.4F, 0.3F}, .deviation = {0.2F, 0.3F, 0.4F}};

Tensor<float, 3> augmented(Image const& image, Preprocessing const& preprocessing, Augmentation const& augmentation, Rng const& draws) {
  Tensor<float, 3> out({3, preprocessing.height, preprocessing.width});
  augment(image, preprocessing, augmentation, draws, out.view());
  return out;
}

}  // namespace

TEST_CASE("a random resized crop takes the box that torchvision takes from the same numbers") {
  auto const file = golden("augment");
  auto const sizes = file.read<Index, 2>("sizes");
  auto const boxes = file.read<Index, 2>("boxes");
  for (Index i = 0; i < sizes.extent(0); ++i) {
    CAPTURE(i);
    PixelBox const want{boxes(i, 0), boxes(i, 1), boxes(i, 2), boxes(i, 3)};
    CHECK(RandomResizedCrop{}.box(sizes(i, 0), sizes(i, 1), given(file, i)) == want);
  }
  for (Index i = 0; i < 8; ++i) { CHECK(same_bits(RandomResizedCrop{}(picture(file), 16, 20, given(file, i)).pixels, file.read<std::uint8_t, 3>("resized." + std::to_string(i)))); }
}

TEST_CASE("a picture that no try fits gives its largest allowed part in the middle") {
  // Ten tries of the whole area and the widest ratio: never inside a tall picture, nor a wide one with the narrowest.
  Given wide{std::vector<double>(44, 1.0 - 0x1p-53)};
  CHECK(RandomResizedCrop{}.box(100, 30, wide) == PixelBox{30, 0, 40, 30});
  Given narrow = wide;
  for (std::size_t attempt = 0; attempt < 10; ++attempt) { narrow.numbers[4 * attempt + 1] = 0.0; }
  CHECK(RandomResizedCrop{}.box(30, 101, narrow) == PixelBox{0, 30, 30, 40});
  CHECK(RandomResizedCrop{}.box(30, 31, narrow) == PixelBox{0, 0, 30, 31});
  // The tenth try counts, an eleventh is never made.
  Given last = wide;
  last.numbers[36] = 0.0;
  CHECK(RandomResizedCrop{}.box(100, 30, last).height < 40);
}

TEST_CASE("flip and brightness are Pillow's") {
  auto const file = golden("augment");
  Image image = picture(file);
  flip_horizontally(image);
  CHECK(same_bits(image.pixels, file.read<std::uint8_t, 3>("flipped")));
  for (std::string const factor : {"0.0", "0.75", "1.0", "1.2470588", "3.0"}) {
    CAPTURE(factor);
    Image levels = picture(file, "levels");
    scale_brightness(levels, std::stod(factor));
    CHECK(same_bits(levels.pixels, file.read<std::uint8_t, 3>("brightness." + factor)));
  }
  CHECK_THROWS_AS(scale_brightness(image, -0.5), ValueError);
}

TEST_CASE("a random crop is a part of the padded picture") {
  auto const file = golden("augment");
  Image const image = picture(file);
  for (auto const& entry : std::vector<std::pair<std::string, Border>>{{"zero", Border::zero}, {"reflect", Border::reflect}}) {
    std::string const name = entry.first;
    CAPTURE(name);
    Image const padded = picture(file, "padded." + name);
    RandomCrop const crop_of{.padding = 4, .border = entry.second};
    for (Index top = 0; top <= padded.height() - 28; ++top) {
      for (Index left = 0; left <= padded.width() - 21; left += 3) {
        auto const draws = given(AugmentDraw::top, (static_cast<double>(top) + 0.5) / static_cast<double>(padded.height() - 27), AugmentDraw::left,
                                 (static_cast<double>(left) + 0.5) / static_cast<double>(padded.width() - 20));
        REQUIRE(same_bits(crop_of(image, 28, 21, draws).pixels, crop(padded, top, left, 28, 21).pixels));
      }
    }
  }
  auto const none = given(AugmentDraw::top, 0.0, AugmentDraw::left, 0.0);
  CHECK(same_bits(RandomCrop{}(image, 30, 24, none).pixels, image.pixels));
  CHECK(same_bits(RandomCrop{.resizing = CropResize::shorter, .resize = 40}(image, 50, 40, none).pixels, resize(image, 50, 40, Filter::bilinear).pixels));
  CHECK(same_bits(RandomCrop{.resizing = CropResize::square, .resize = 40, .filter = Filter::bicubic}(image, 40, 40, none).pixels, resize(image, 40, 40, Filter::bicubic).pixels));
  CHECK_THROWS_AS(static_cast<void>(RandomCrop{}(image, 31, 24, none)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(RandomCrop{.padding = 24, .border = Border::reflect}(image, 30, 24, none)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(RandomCrop{.padding = -1}(image, 8, 8, none)), ValueError);
}

TEST_CASE("without augmentation a picture is what evaluation sees, bit for bit") {
  Image const image = picture(golden("augment"));
  for (Preprocessing const& preprocessing : {small, Preprocessing{.height = 40, .width = 36, .resize_shorter = 30, .filter = Filter::bilinear}, Preprocessing{.height = 33, .width = 12}}) {
    Tensor<float, 3> want({3, preprocessing.height, preprocessing.width});
    preprocess(image, preprocessing, want.view());
    CHECK(same_bits(augmented(image, preprocessing, Augmentation::none(), sample(1)), want));
  }
}

TEST_CASE("the parts come one after the other: cut, flip, brightness, normalise") {
  Image const image = picture(golden("augment"));
  Augmentation const all{.flip = 1.0, .brightness = 0.5};
  auto const draws = sample(4);
  Image part = all.resized(image, 16, 20, draws);
  flip_horizontally(part);
  scale_brightness(part, 0.5 + draws.uniform(AugmentDraw::brightness));
  Tensor<float, 3> want({3, 16, 20});
  normalise(part, small, want.view());
  CHECK(same_bits(augmented(image, small, all, draws), want));
}

TEST_CASE("a flip happens as often as asked, and no part changes the draws of another") {
  Image const image = picture(golden("augment"));
  int flips = 0;
  constexpr int trials = 2000;
  Preprocessing const tiny{.height = 3, .width = 3};
  auto const straight = augmented(image, tiny, Augmentation::none(), sample(0));
  for (std::uint64_t i = 0; i < trials; ++i) { flips += same_bits(augmented(image, tiny, {.cropping = Cropping::evaluation, .flip = 0.3}, sample(i)), straight) ? 0 : 1; }
  CHECK(std::abs(flips / static_cast<double>(trials) - 0.3) <= 5.0 * std::sqrt(0.3 * 0.7 / trials));  // five standard errors

  CHECK(same_bits(augmented(image, small, {.flip = 1.0}, sample(8)), augmented(image, small, {.flip = 0.99999}, sample(8))));
}

TEST_CASE("settings of augmentation are set by name, those of its parts too") {
  Augmentation augmentation;
  auto const set = [&](std::string_view name, std::string_view text) { assign_setting(Augmentation::settings(), augmentation, name, text); };
  set("crop", "shifted");
  set("padding", "4");
  set("border", "reflect");
  set("least_area", "0.08");
  set("crop_filter", "bicubic");
  set("brightness", "0.25");
  CHECK(augmentation.cropping == Cropping::shifted);
  CHECK(augmentation.shifted == RandomCrop{.padding = 4, .border = Border::reflect});
  CHECK(augmentation.resized == RandomResizedCrop{.least_area = 0.08, .filter = Filter::bicubic});
  CHECK(augmentation.brightness == 0.25);
  CHECK_THROWS_AS(set("flip", "2"), ValueError);
}

TEST_CASE("augmentations without sense are refused") {
  Image const image = picture(golden("augment"));
  CHECK_THROWS_AS(augmented(image, small, {.flip = 1.5}, sample(0)), ValueError);
  CHECK_THROWS_AS(augmented(image, small, {.brightness = -0.1}, sample(0)), ValueError);
  CHECK_THROWS_AS(augmented(image, small, {.resized = {.least_area = 0.0}}, sample(0)), ValueError);
  CHECK_THROWS_AS(augmented(image, small, {.resized = {.least_ratio = 2.0}}, sample(0)), ValueError);
  CHECK_THROWS_AS(augmented(Image{}, small, {}, sample(0)), ShapeError);
  Preprocessing broken = small;
  broken.deviation[2] = 0.0F;
  CHECK_THROWS_AS(augmented(image, broken, {}, sample(0)), ValueError);
}

}  // namespace accrete::test
