#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/preprocessing.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/augment/brightness.hpp>
#include <accrete/data/augment/draw.hpp>
#include <accrete/data/augment/flip.hpp>
#include <accrete/data/augment/random_crop.hpp>
#include <accrete/data/augment/random_resized_crop.hpp>
#include <accrete/data/image.hpp>
#include <accrete/data/transform.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Which part of a picture a network is trained on.
enum class Cropping {
  evaluation,  ///< the same as when it is judged
  resized,     ///< a random part, resized
  shifted,     ///< a part of fixed size at a random place
};

/// What is done to a picture before a network is trained on it, in this order: cut, perhaps flip, change the brightness, normalise.
/// The default is PILOT's recipe for networks of 224 pixels. Statistics are taken from pictures without any of it.
struct Augmentation {
  Cropping cropping = Cropping::resized;
  RandomResizedCrop resized = {};
  RandomCrop shifted = {};
  double flip = 0.5;        ///< probability
  double brightness = 0.0;  ///< levels are multiplied by a number from U(max(0, 1 - brightness), 1 + brightness)

  friend bool operator==(Augmentation const&, Augmentation const&) = default;

  /// Pictures exactly as evaluation sees them.
  [[nodiscard]] static Augmentation none() { return {.cropping = Cropping::evaluation, .flip = 0.0}; }

  /// In how many forms a picture comes: one, or two where it is flipped or not; 0 where nobody can count them.
  [[nodiscard]] Index forms() const {
    if (cropping != Cropping::evaluation || brightness != 0.0) { return 0; }
    return flip > 0.0 && flip < 1.0 ? 2 : 1;
  }
  /// Which of them a picture takes that is augmented with these random numbers.
  template <class Draws>
  [[nodiscard]] Index form(Draws const& draws) const {
    return forms() == 2 && flips(draws) ? 1 : 0;
  }
  template <class Draws>
  [[nodiscard]] bool flips(Draws const& draws) const {
    return draws.uniform(AugmentDraw::flip) < flip;
  }

  [[nodiscard]] static std::vector<Setting<Augmentation>> settings() {
    std::vector<Setting<Augmentation>> all{
        choice_setting("crop", "which part of a picture is trained on", &Augmentation::cropping,
                       std::vector<std::pair<std::string, Cropping>>{{"evaluation", Cropping::evaluation}, {"resized", Cropping::resized}, {"shifted", Cropping::shifted}}),
        number_setting("flip", "probability that left and right are exchanged", &Augmentation::flip, 0.0, 1.0),
        number_setting("brightness", "by how much the brightness may change, up or down", &Augmentation::brightness, 0.0, 10.0)};
    all.push_back(part_setting(&Augmentation::resized, number_setting("least_area", "of a resized part, as a part of the picture's", &RandomResizedCrop::least_area, 1e-6, 1.0)));
    all.push_back(part_setting(&Augmentation::resized, number_setting("most_area", "of a resized part, as a part of the picture's", &RandomResizedCrop::most_area, 1e-6, 1.0)));
    all.push_back(part_setting(&Augmentation::resized, choice_setting("crop_filter", "how a resized part is interpolated", &RandomResizedCrop::filter,
                                                                      std::vector<std::pair<std::string, Filter>>{{"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}})));
    all.push_back(part_setting(&Augmentation::shifted, number_setting("padding", "pixels of border around a picture of which a shifted part is cut", &RandomCrop::padding, Index{0}, Index{1} << 12)));
    all.push_back(part_setting(&Augmentation::shifted, choice_setting("border", "what stands outside of a picture", &RandomCrop::border,
                                                                      std::vector<std::pair<std::string, Border>>{{"zero", Border::zero}, {"reflect", Border::reflect}})));
    return all;
  }
};

/// Turns a picture into an input to train on.
/// @param[in] image [h, w, 3];  @param[in] preprocessing  size and normalisation of the input, and the cut of evaluation
/// @param[in] draws  the random numbers of this picture in this epoch: nothing else decides what is done to it
/// @param[out] out [3, preprocessing.height, preprocessing.width]
/// @tparam Draws  `Rng`, or anything with `uniform(element)` in [0, 1)
/// @throws ShapeError, ValueError  as `preprocess`, `RandomResizedCrop` and `RandomCrop` say, or for a flip outside of [0, 1] or a negative brightness
template <class Draws>
void augment(Image const& image, Preprocessing const& preprocessing, Augmentation const& augmentation, Draws const& draws, TensorView<float, 3> out) {
  bool const sense = augmentation.flip >= 0.0 && augmentation.flip <= 1.0 && augmentation.brightness >= 0.0;
  if (!sense) { fail<ValueError>("augment", "flip must lie in [0, 1] and brightness not be negative (came: ", augmentation.flip, ", ", augmentation.brightness, ")"); }
  auto const cut = [&] {
    if (augmentation.cropping == Cropping::resized) { return augmentation.resized(image, preprocessing.height, preprocessing.width, draws); }
    if (augmentation.cropping == Cropping::shifted) { return augmentation.shifted(image, preprocessing.height, preprocessing.width, draws); }
    return fitted(image, preprocessing);
  };
  Image part = cut();
  if (augmentation.flips(draws)) { flip_horizontally(part); }
  if (augmentation.brightness > 0.0) {
    double const least = std::max(0.0, 1.0 - augmentation.brightness);
    scale_brightness(part, least + (1.0 + augmentation.brightness - least) * draws.uniform(AugmentDraw::brightness));
  }
  normalise(part, preprocessing, out);
}

}  // namespace accrete
