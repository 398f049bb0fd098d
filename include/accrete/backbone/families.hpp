#pragma once

#include <accrete/backbone/dialects.hpp>
#include <accrete/backbone/vit_config.hpp>
#include <accrete/backbone/vit_shape.hpp>
#include <accrete/core/preprocessing.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace accrete {

/// Networks that were published with one way of preparing images.
struct VitFamily {
  std::string_view name;
  std::array<float, 3> mean;
  std::array<float, 3> deviation;
  Filter filter = Filter::bicubic;
  double crop = 0.9;        ///< side of the crop divided by the shorter side of the resized image
  double large_crop = 1.0;  ///< the same from 384 pixels on
};

namespace detail {
inline constexpr std::array half{0.5F, 0.5F, 0.5F};
inline constexpr std::array imagenet_mean{0.485F, 0.456F, 0.406F};
inline constexpr std::array imagenet_deviation{0.229F, 0.224F, 0.225F};
inline constexpr std::array clip_mean{0.48145466F, 0.4578275F, 0.40821073F};
inline constexpr std::array clip_deviation{0.26862954F, 0.26130258F, 0.27577711F};

inline constexpr VitFamily clip_family{"CLIP", clip_mean, clip_deviation, Filter::bicubic, 1.0};
inline constexpr VitFamily dinov2_family{"DINOv2", imagenet_mean, imagenet_deviation, Filter::bicubic, 1.0};
inline constexpr VitFamily deit3_family{"DeiT-3", imagenet_mean, imagenet_deviation};
inline constexpr VitFamily deit_family{"DeiT", imagenet_mean, imagenet_deviation};
inline constexpr VitFamily miil_family{"MIIL", {0, 0, 0}, {1, 1, 1}, Filter::bilinear, 0.875, 0.875};
inline constexpr VitFamily augreg_family{"AugReg", half, half};
}  // namespace detail

/// The family whose options a network has. DINO, iBOT, MoCo, MAE and DeiT without distillation have AugReg's options but other images:
/// for those the mean and deviation must come from a configuration or from the user.
/// @source the configurations of timm 1.0.31
[[nodiscard]] inline VitFamily const& family_of(VitShape const& shape) {
  if (shape.pre_norm) { return detail::clip_family; }
  if (shape.layer_scale && (shape.patch == 14 || shape.registers > 0)) { return detail::dinov2_family; }
  if (shape.layer_scale) { return detail::deit3_family; }
  if (shape.distillation_token) { return detail::deit_family; }
  if (!shape.qkv_bias) { return detail::miil_family; }
  return detail::augreg_family;
}

/// How a family prepares images of a size; what a configuration says wins.
/// A square input is cut out of the image resized to shorter side floor(size / crop); tiny images (64 pixels and less) and oblong ones are resized as a whole.
[[nodiscard]] inline Preprocessing standard_preprocessing(VitShape const& shape, VitConfig const& config) {
  constexpr Index tiny = 64;
  constexpr Index large = 384;
  VitFamily const& family = family_of(shape);
  double const crop = config.crop.value_or(std::min(shape.image_height, shape.image_width) >= large ? family.large_crop : family.crop);
  bool const whole = shape.image_height != shape.image_width || shape.image_height <= tiny || crop <= 0 || crop > 1;
  Preprocessing result;
  result.height = shape.image_height;
  result.width = shape.image_width;
  result.resize_shorter = whole ? 0 : static_cast<Index>(static_cast<double>(shape.image_height) / crop);
  result.centre_crop = !whole;
  result.filter = config.filter.value_or(family.filter);
  result.mean = config.mean.value_or(family.mean);
  result.deviation = config.deviation.value_or(family.deviation);
  return result;
}

}  // namespace accrete
