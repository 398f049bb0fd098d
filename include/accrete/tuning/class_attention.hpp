#pragma once

#include <accrete/nn/class_attention.hpp>
#include <accrete/tuning/concept.hpp>

#include <algorithm>
#include <string>

namespace accrete {

/// A block behind the last one whose own token asks all rows of the network, as they are before the final norm, and becomes the feature:
///   f = class_attention([k; X]) row 0
/// Token and block learn; the network stands still, so that it is packed once and one run through it serves any number of such tunings.
/// The token begins as the published class token, weights N(0, 0.02^2), biases 0, norms 1 and 0.
/// @source Wang et al., "Isolation and Impartial Aggregation", AAAI 2023, arXiv:2211.15969; the block of Touvron et al., "CaiT", ICCV 2021, arXiv:2103.17239;
///         specification: mixture-methods.md §5.2
struct ClassAttention {
  static constexpr std::string_view name = "class-attention";
  static constexpr bool leaves_trunk = true;

  /// @throws ValueError  for a network without class token
  void declare(TunedNetwork const& network, RngKey const& key, ParameterStore<float>& store) const {
    Index const width = network.shape.width;
    Index const hidden = nn::ClassAttentionForm::hidden(width);
    auto const token = network.published("cls_token");
    if (token.size() != width) { fail<ValueError>("ClassAttention", "its token begins as the class token of the network, which has none"); }
    auto const values = detail::declare_segment(store, std::string(nn::ClassAttentionForm::token), {width});
    std::copy(token.begin(), token.end(), values.begin());
    auto const name_of = [](char const* part) { return std::string(nn::ClassAttentionForm::name) + part; };
    auto const norm = [&](char const* layer) {
      auto const gain = detail::declare_segment(store, name_of(layer) + ".weight", {width});
      std::fill(gain.begin(), gain.end(), 1.0F);
      detail::declare_segment(store, name_of(layer) + ".bias", {width});
    };
    auto const linear = [&](char const* layer, Index outputs, Index inputs) {
      std::string const weight = name_of(layer) + ".weight";
      detail::fill_normal(detail::segment_rng(key, weight), 0.0F, 0.02F, detail::declare_segment(store, weight, {outputs, inputs}));
      detail::declare_segment(store, name_of(layer) + ".bias", {outputs});
    };
    norm(".norm1");
    linear(".attn.qkv", 3 * width, width);
    linear(".attn.proj", width, width);
    norm(".norm2");
    linear(".mlp.fc1", hidden, width);
    linear(".mlp.fc2", width, hidden);
  }
  [[nodiscard]] TuningForm form() const { return {}; }
  [[nodiscard]] static std::vector<Setting<ClassAttention>> settings() { return {}; }
};
static_assert(BackboneTuning<ClassAttention> && LeavesTrunk<ClassAttention>);

}  // namespace accrete
