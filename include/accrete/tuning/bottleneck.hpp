#pragma once

#include <accrete/tuning/concept.hpp>

#include <cmath>
#include <limits>

namespace accrete {

/// A bottleneck in every block (an adapter):
///   X2 = X1 + mlp(norm2(X1)) + s (drop(relu(X1 A^T + a)) U^T + c)        parallel: beside the MLP, reading what is not normed
///   m = mlp(norm2(X1));  X2 = X1 + m + s (drop(relu(m A^T + a)) U^T + c)   sequential: behind it
/// A ~ U(+-1 / sqrt D), all else 0: at first the network is the published one.
/// @source Chen et al., "AdaptFormer", NeurIPS 2022, arXiv:2205.13535, Eq. 3; the first values as LAMDA-PILOT draws them
struct Bottleneck {
  static constexpr std::string_view name = "adapter";

  Index width = 64;  ///< r, units in the middle
  double scale = 0.1;
  double dropout = 0.1;  ///< of the units in the middle, while learning
  nn::BottleneckPlace place = nn::BottleneckPlace::parallel;

  void declare(TunedNetwork const& network, RngKey const& key, ParameterStore<float>& store) const {
    Index const outer = network.shape.width;
    for (Index i = 0; i < network.shape.depth; ++i) {
      std::string const adapter = message("blocks.", i, ".adapter");
      std::string const down = adapter + ".down.weight";
      detail::fill_uniform(detail::segment_rng(key, down), 1 / std::sqrt(static_cast<double>(outer)), detail::declare_segment(store, down, {width, outer}));
      detail::declare_segment(store, adapter + ".down.bias", {width});
      detail::declare_segment(store, adapter + ".up.weight", {outer, width});
      detail::declare_segment(store, adapter + ".up.bias", {outer});
    }
  }
  [[nodiscard]] TuningForm form() const { return {.bottleneck = {place, scale, dropout, kernels::Activation::relu}, .low_rank_scale = 1}; }
  [[nodiscard]] static std::vector<Setting<Bottleneck>> settings() {
    return {number_setting("adapter-width", "units in the middle of each adapter", &Bottleneck::width, Index{1}, Index{4096}),
            number_setting("adapter-scale", "factor of what an adapter adds", &Bottleneck::scale, 0.0, 100.0),
            number_setting("adapter-dropout", "share of an adapter's units that is dropped while learning", &Bottleneck::dropout, 0.0, 0.99),
            choice_setting("adapter-place", "beside the MLP or behind it", &Bottleneck::place, {{"parallel", nn::BottleneckPlace::parallel}, {"sequential", nn::BottleneckPlace::sequential}})};
  }
};
static_assert(BackboneTuning<Bottleneck>);

}  // namespace accrete
