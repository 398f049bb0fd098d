#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/product.hpp>

#include <string>
#include <string_view>

namespace accrete {

/// Which rows of the last layer become the feature.
///   token                   the class token
///   average                 the mean of the patch tokens
///   token_and_distillation  the mean of the class token and the distillation token
enum class Pool { token, average, token_and_distillation };

[[nodiscard]] constexpr std::string_view name_of(Pool pool) {
  switch (pool) {
    case Pool::token: return "token";
    case Pool::average: return "average";
    case Pool::token_and_distillation: return "token_and_distillation";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view name_of(kernels::Activation activation) {
  switch (activation) {
    case kernels::Activation::none: return "none";
    case kernels::Activation::gelu: return "gelu";
    case kernels::Activation::quick_gelu: return "quick_gelu";
    case kernels::Activation::relu: return "relu";
  }
  return "unknown";
}

/// Everything that tells one vision transformer from another, weights aside.
/// @source Dosovitskiy et al., ICLR 2021, arXiv:2010.11929v2; the options as timm 1.0 names them
struct VitShape {
  Index image_height = 224;  ///< pixels
  Index image_width = 224;   ///< pixels
  Index channels = 3;
  Index patch = 16;  ///< pixels per edge; what is left over at the right and at the bottom is not seen
  Index width = 768;
  Index depth = 12;  ///< blocks
  Index heads = 12;
  Index hidden = 3072;  ///< width of the MLP
  Index registers = 0;
  bool class_token = true;
  bool distillation_token = false;
  bool patch_bias = true;
  bool pre_norm = false;        ///< a layer norm before block 0
  bool layer_scale = false;     ///< a gain per channel behind each branch
  bool no_embed_class = false;  ///< the position table has rows for the patches alone
  bool qkv_bias = true;
  bool fc_norm = false;  ///< the final layer norm stands behind the pool
  Pool pool = Pool::token;
  double epsilon = 1e-6;
  kernels::Activation activation = kernels::Activation::gelu;

  [[nodiscard]] constexpr Index grid_height() const { return image_height / patch; }
  [[nodiscard]] constexpr Index grid_width() const { return image_width / patch; }
  [[nodiscard]] constexpr Index patches() const { return grid_height() * grid_width(); }
  /// Rows in front of the patches: class token, distillation token, registers.
  [[nodiscard]] constexpr Index prefix_tokens() const { return (class_token ? 1 : 0) + (distillation_token ? 1 : 0) + registers; }
  [[nodiscard]] constexpr Index tokens() const { return prefix_tokens() + patches(); }
  /// How many of the first rows the feature is made of; 0 when it is made of the patches.
  [[nodiscard]] constexpr Index pooled_rows() const { return pool == Pool::average ? 0 : pool == Pool::token ? 1 : 2; }

  friend bool operator==(VitShape const&, VitShape const&) = default;

  /// One line that says everything; equal shapes give equal text, so it can be hashed.
  [[nodiscard]] std::string text() const {
    return message("image=", image_height, 'x', image_width, " channels=", channels, " patch=", patch, " width=", width, " depth=", depth, " heads=", heads, " hidden=", hidden,
                   " registers=", registers, " class_token=", class_token, " distillation_token=", distillation_token, " patch_bias=", patch_bias, " pre_norm=", pre_norm, " layer_scale=", layer_scale,
                   " no_embed_class=", no_embed_class, " qkv_bias=", qkv_bias, " fc_norm=", fc_norm, " pool=", name_of(pool), " epsilon=", exact_text(epsilon), " activation=", name_of(activation));
  }
};

}  // namespace accrete
