#pragma once

#include <accrete/backbone/vit_parameter_list.hpp>
#include <accrete/tuning/concept.hpp>
#include <accrete/tuning/singular_rows.hpp>

#include <algorithm>
#include <cmath>

namespace accrete {

/// Where the first values of A come from.
///   uniform   U(+-1 / sqrt inputs)
///   singular  the first right singular vectors of the layer's weight
enum class LoraStart { uniform, singular };

/// Low-rank parts of the linear layers: W' = W + s B A, with B = 0 at first, so that the network begins as the published one.
/// @source Hu et al., ICLR 2022, arXiv:2106.09685, Eq. 3; `slca_plus_plus` as Zhang et al., arXiv:2408.08295, describe theirs, `lae` as Gao et al., arXiv:2303.10070
struct Lora {
  static constexpr std::string_view name = "lora";

  Index rank = 8;
  double scale = 1;  ///< s, often written alpha / rank
  bool queries = true;
  bool keys = false;
  bool values = true;
  bool packed = false;            ///< one A for q, k and v together instead
  bool mlp = false;               ///< both layers of the MLP as well
  bool norms_and_biases = false;  ///< also all norms, biases and the class token themselves
  Index blocks = 0;               ///< how many of the first blocks have low-rank parts; 0: all
  bool factor = false;            ///< each part has a factor that learns as well, 1 at first
  LoraStart start = LoraStart::uniform;

  /// The trainable set of SLCA++.
  [[nodiscard]] static Lora slca_plus_plus() {
    return {.rank = 4, .scale = 0.8, .queries = false, .keys = false, .values = false, .packed = true, .mlp = true, .norms_and_biases = true, .start = LoraStart::singular};
  }

  /// The low-rank parts of LAE: keys and values of the first five blocks, with factors that learn.
  [[nodiscard]] static Lora lae() { return {.rank = 5, .scale = 1, .queries = false, .keys = true, .values = true, .blocks = 5, .factor = true}; }

  void declare(TunedNetwork const& network, RngKey const& key, ParameterStore<float>& store) const {
    VitShape const& shape = network.shape;
    auto const add = [&](std::string const& layer, std::string const& suffix, Index rows, Index inputs) {
      std::string const a = layer + suffix + ".a";
      auto const first = detail::declare_segment(store, a, {rank, inputs});
      if (start == LoraStart::singular) {
        detail::singular_rows(network.published(layer + ".weight"), inputs, detail::segment_rng(key, a), first.reshaped<2>({rank, inputs}));
      } else {
        detail::fill_uniform(detail::segment_rng(key, a), 1 / std::sqrt(static_cast<double>(inputs)), first);
      }
      detail::declare_segment(store, layer + suffix + ".b", {rows, rank});
      if (factor) { detail::declare_factor(store, layer + suffix + ".scale"); }
    };
    for (Index i = 0; i < detail::tuned_blocks(blocks, shape.depth); ++i) {
      std::string const block = message("blocks.", i);
      if (packed) { add(block + ".attn.qkv", ".lora", 3 * shape.width, shape.width); }
      if (queries) { add(block + ".attn.qkv", ".lora_q", shape.width, shape.width); }
      if (keys) { add(block + ".attn.qkv", ".lora_k", shape.width, shape.width); }
      if (values) { add(block + ".attn.qkv", ".lora_v", shape.width, shape.width); }
      if (mlp) {
        add(block + ".mlp.fc1", ".lora", shape.hidden, shape.width);
        add(block + ".mlp.fc2", ".lora", shape.width, shape.hidden);
      }
    }
    if (norms_and_biases) { declare_small_ones(network, store); }
  }
  [[nodiscard]] TuningForm form() const { return {.bottleneck = {}, .low_rank_scale = scale}; }
  [[nodiscard]] static std::vector<Setting<Lora>> settings() {
    std::vector<std::pair<std::string, bool>> const yes_or_no{{"yes", true}, {"no", false}};
    return {
        number_setting("lora-rank", "rank of each low-rank part", &Lora::rank, Index{1}, Index{4096}),
        number_setting("lora-scale", "factor of each low-rank part", &Lora::scale, 0.0, 1000.0),
        choice_setting("lora-queries", "whether queries have one", &Lora::queries, yes_or_no),
        choice_setting("lora-keys", "whether keys have one", &Lora::keys, yes_or_no),
        choice_setting("lora-values", "whether values have one", &Lora::values, yes_or_no),
        choice_setting("lora-packed", "whether q, k and v share one instead", &Lora::packed, yes_or_no),
        choice_setting("lora-mlp", "whether the layers of the MLP have one", &Lora::mlp, yes_or_no),
        choice_setting("lora-norms-and-biases", "whether norms, biases and the class token learn too", &Lora::norms_and_biases, yes_or_no),
        number_setting("lora-blocks", "how many of the first blocks have low-rank parts; 0: all", &Lora::blocks, Index{0}, Index{4096}),
        choice_setting("lora-factor", "whether each part has a factor that learns as well", &Lora::factor, yes_or_no),
        choice_setting("lora-start", "where the inner rows begin", &Lora::start, std::vector<std::pair<std::string, LoraStart>>{{"uniform", LoraStart::uniform}, {"singular", LoraStart::singular}})};
  }

 private:
  static void declare_small_ones(TunedNetwork const& network, ParameterStore<float>& store) {
    for (ParameterEntry const& entry : parameters_of(network.shape)) {
      bool const bias = entry.name.size() > 5 && entry.name.compare(entry.name.size() - 5, 5, ".bias") == 0;
      if (!bias && entry.name.find("norm") == std::string::npos && entry.name != "cls_token") { continue; }
      auto const published = network.published(entry.name);
      auto const values = detail::declare_segment(store, entry.name, entry.extents, "trunk");
      std::copy(published.begin(), published.end(), values.begin());
    }
  }
};
static_assert(BackboneTuning<Lora>);

}  // namespace accrete
