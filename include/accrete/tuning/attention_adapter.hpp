#pragma once

#include <accrete/tuning/concept.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace accrete {

/// A bottleneck beside the attention of the first blocks, reading what the norm gives:
///   X1 = X + attention(z) + s (gelu(z A^T + a) U^T + c),   z = norm1(X)
/// The factor s learns too and begins with 1; A ~ U(+-1 / sqrt D), all else 0: at first the network is the published one.
/// @source Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning" (LAE), ICCV 2023, arXiv:2303.10070, section 3.2, as released
struct AttentionAdapter {
  static constexpr std::string_view name = "attention-adapter";

  Index width = 5;   ///< r, units in the middle
  Index blocks = 5;  ///< how many of the first blocks have one; 0: all

  void declare(TunedNetwork const& network, RngKey const& key, ParameterStore<float>& store) const {
    Index const outer = network.shape.width;
    for (Index i = 0; i < detail::tuned_blocks(blocks, network.shape.depth); ++i) {
      std::string const adapter = message("blocks.", i, ".attn.adapter");
      std::string const down = adapter + ".down.weight";
      detail::fill_uniform(detail::segment_rng(key, down), 1 / std::sqrt(static_cast<double>(outer)), detail::declare_segment(store, down, {width, outer}));
      detail::declare_segment(store, adapter + ".down.bias", {width});
      detail::declare_segment(store, adapter + ".up.weight", {outer, width});
      detail::declare_segment(store, adapter + ".up.bias", {outer});
      detail::declare_factor(store, adapter + ".scale");
    }
  }
  [[nodiscard]] TuningForm form() const { return {.bottleneck = {nn::BottleneckPlace::parallel, 1.0, 0.0, kernels::Activation::gelu}, .low_rank_scale = 1}; }
  [[nodiscard]] static std::vector<Setting<AttentionAdapter>> settings() {
    return {number_setting("adapter-width", "units in the middle of each adapter", &AttentionAdapter::width, Index{1}, Index{4096}),
            number_setting("adapter-blocks", "how many of the first blocks have an adapter; 0: all", &AttentionAdapter::blocks, Index{0}, Index{4096})};
  }
};
static_assert(BackboneTuning<AttentionAdapter>);

}  // namespace accrete
