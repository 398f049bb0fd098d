#pragma once

#include <accrete/tuning/concept.hpp>

namespace accrete {

/// A scale and a shift per channel behind the patch embedding, each norm, q k v, the projection, both layers of the MLP and the final norm:
///   y = scale * x + shift,   scale ~ N(1, 0.02^2),  shift ~ N(0, 0.02^2)
/// Afterwards both are a part of the layer in front of them and cost nothing.
/// @source Lian et al., "Scaling & Shifting Your Features", NeurIPS 2022, arXiv:2210.08823, Eq. 3
struct Ssf {
  static constexpr std::string_view name = "ssf";

  float deviation = 0.02F;  ///< of the first values

  void declare(TunedNetwork const& network, RngKey const& key, ParameterStore<float>& store) const {
    VitShape const& shape = network.shape;
    auto const site = [&](std::string const& layer, Index channels) {
      for (auto const& [part, mean] : {std::pair(".ssf.scale", 1.0F), std::pair(".ssf.shift", 0.0F)}) {
        std::string const segment = layer + part;
        detail::fill_normal(detail::segment_rng(key, segment), mean, deviation, detail::declare_segment(store, segment, {channels}));
      }
    };
    site("patch_embed.proj", shape.width);
    for (Index i = 0; i < shape.depth; ++i) {
      std::string const block = message("blocks.", i);
      site(block + ".norm1", shape.width);
      site(block + ".attn.qkv", 3 * shape.width);
      site(block + ".attn.proj", shape.width);
      site(block + ".norm2", shape.width);
      site(block + ".mlp.fc1", shape.hidden);
      site(block + ".mlp.fc2", shape.width);
    }
    site(shape.fc_norm ? "fc_norm" : "norm", shape.width);
  }
  [[nodiscard]] TuningForm form() const { return {}; }
  [[nodiscard]] static std::vector<Setting<Ssf>> settings() { return {number_setting("ssf-deviation", "standard deviation of the first scales and shifts", &Ssf::deviation, 0.0F, 1.0F)}; }
};
static_assert(BackboneTuning<Ssf>);

}  // namespace accrete
