#pragma once

#include <accrete/backbone/tuned_parameters.hpp>
#include <accrete/core/scratch.hpp>
#include <accrete/nn/block.hpp>
#include <accrete/nn/class_attention.hpp>
#include <accrete/nn/patch_embedding.hpp>

#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// The parameters of a vision transformer as one kind of executor wants them, in one precision.
/// @tparam Exec  Executor
template <class Exec>
struct PackedVit {
  nn::PatchEmbedding<Exec> embedding;
  nn::LayerNorm<Exec> norm_pre;  ///< where the shape has one
  std::vector<nn::Block<Exec>> blocks;
  nn::LayerNorm<Exec> norm;  ///< `norm`, or `fc_norm` where the shape has that instead
  ScratchPool<typename Exec::Memory> scratch;
};

namespace detail {

/// Packs one layer after the other, so that beside the packed weights no more than one unpacked matrix is in memory.
/// Layers of a block that are the published ones share their weights with the published network, where that is packed.
template <class Exec>
class VitPacker {
 public:
  VitPacker(Exec const& exec, TunedParameters const& parameters, VitShape const& shape, PackedVit<Exec> const* published)
      : exec_(exec), parameters_(parameters), shape_(shape), published_(published) {}

  [[nodiscard]] PackedVit<Exec> pack() const {
    PackedVit<Exec> packed;
    packed.embedding = nn::PatchEmbedding<Exec>(exec_, linear("patch_embed.proj", shape_.width), shape_.patch, parameters_.prefix_rows().cview(), parameters_.patch_positions().cview());
    if (shape_.pre_norm) { packed.norm_pre = norm("norm_pre"); }
    packed.blocks.reserve(static_cast<std::size_t>(shape_.depth));
    for (Index i = 0; i < shape_.depth; ++i) { packed.blocks.push_back(block(message("blocks.", i), i)); }
    packed.norm = norm(shape_.fc_norm ? "fc_norm" : "norm");
    return packed;
  }

  [[nodiscard]] nn::ClassAttention<Exec> pack_class_attention() const {
    std::string const name(nn::ClassAttentionForm::name);
    auto const token = parameters_(std::string(nn::ClassAttentionForm::token));
    auto const gain = parameters_(name + ".norm1.weight");
    auto const offset = parameters_(name + ".norm1.bias");
    auto const weight = parameters_(name + ".attn.qkv.weight");
    auto const bias = parameters_(name + ".attn.qkv.bias");
    nn::FoldedClassAttention const folded(token.vector(), gain.vector(), offset.vector(), weight.matrix(3 * shape_.width), bias.vector(), shape_.heads);
    nn::Mlp<Exec> mlp(linear(name + ".mlp.fc1", shape_.hidden), linear(name + ".mlp.fc2", shape_.width), shape_.activation);
    return nn::ClassAttention<Exec>(exec_, token.vector(), folded, linear(name + ".attn.proj", shape_.width), norm(name + ".norm2"), std::move(mlp));
  }

 private:
  [[nodiscard]] nn::LayerNorm<Exec> norm(std::string const& name) const {
    auto const gain = parameters_(name + ".weight");
    auto const offset = parameters_(name + ".bias");
    return nn::LayerNorm<Exec>(exec_, gain.vector(), offset.vector(), shape_.epsilon);
  }

  [[nodiscard]] nn::Linear<Exec> linear(std::string const& name, Index rows) const {
    auto const weight = parameters_(name + ".weight");
    auto const bias = parameters_(name + ".bias");
    return nn::Linear<Exec>(exec_, weight.matrix(rows), bias.vector());
  }

  /// The end of a branch: gain * (W x + b) = (gain W) x + gain b, so LayerScale costs nothing when running.
  [[nodiscard]] nn::Linear<Exec> scaled_linear(std::string const& name, std::string const& gain_name) const {
    if (!shape_.layer_scale) { return linear(name, shape_.width); }
    auto const gain = parameters_(gain_name);
    auto const weight = parameters_(name + ".weight");
    auto const bias = parameters_(name + ".bias");
    Matrix<float> scaled(weight.matrix(shape_.width).shape());
    Vector<float> scaled_bias({shape_.width});
    for (Index row = 0; row < shape_.width; ++row) {
      float const factor = gain.vector()[row];
      auto const from = weight.matrix(shape_.width)[row];
      std::transform(from.begin(), from.end(), scaled[row].begin(), [factor](float value) { return factor * value; });
      scaled_bias(row) = factor * bias.vector()[row];
    }
    return nn::Linear<Exec>(exec_, scaled, scaled_bias);
  }

  /// The published layer, or what `make` makes where something of it is learned.
  /// @param[in] shared  finds the layer in a block;  @param[in] gain  what stands behind it, or nothing
  template <class Find, class Make>
  [[nodiscard]] nn::Linear<Exec> shared_or(Index block, std::string const& layer, std::string const& gain, Find const& shared, Make const& make) const {
    bool const published = published_ != nullptr && !parameters_.changes(layer) && (gain.empty() || !parameters_.changes(gain));
    return published ? shared(published_->blocks[static_cast<std::size_t>(block)]) : make();
  }

  [[nodiscard]] nn::Attention<Exec> attention(std::string const& name, Index i) const {
    using Block = nn::Block<Exec>;
    auto projection = shared_or(
        i, name + ".attn.proj", name + ".ls1", [](Block const& block) { return block.attention().projection(); }, [&] { return scaled_linear(name + ".attn.proj", name + ".ls1.gamma"); });
    // Of the last block a pooled token needs keys and values of all rows, but the query of its own row alone.
    Index const width = shape_.width;
    if (i + 1 < shape_.depth || shape_.pooled_rows() == 0) {
      auto packed = shared_or(
          i, name + ".attn.qkv", "", [](Block const& block) { return block.attention().first(); }, [&] { return linear(name + ".attn.qkv", 3 * width); });
      return nn::Attention<Exec>(std::move(packed), std::move(projection), shape_.heads);
    }
    if (published_ != nullptr && !parameters_.changes(name + ".attn.qkv")) {
      auto const& attention = published_->blocks[static_cast<std::size_t>(i)].attention();
      return nn::Attention<Exec>(attention.first(), attention.second(), std::move(projection), shape_.heads);
    }
    auto const weight = parameters_(name + ".attn.qkv.weight");
    auto const bias = parameters_(name + ".attn.qkv.bias");
    auto const bias_of = [&](Index first, Index count) { return bias.vector().empty() ? VectorView<float const>() : bias.vector().slice(first, count); };
    nn::Linear<Exec> query(exec_, weight.matrix(3 * width).slice(0, width), bias_of(0, width));
    nn::Linear<Exec> key_value(exec_, weight.matrix(3 * width).slice(width, 2 * width), bias_of(width, 2 * width));
    return nn::Attention<Exec>(std::move(query), std::move(key_value), std::move(projection), shape_.heads);
  }

  [[nodiscard]] nn::Block<Exec> block(std::string const& name, Index i) const {
    using Block = nn::Block<Exec>;
    auto first = shared_or(
        i, name + ".mlp.fc1", "", [](Block const& block) { return block.mlp().first(); }, [&] { return linear(name + ".mlp.fc1", shape_.hidden); });
    auto second = shared_or(
        i, name + ".mlp.fc2", name + ".ls2", [](Block const& block) { return block.mlp().second(); }, [&] { return scaled_linear(name + ".mlp.fc2", name + ".ls2.gamma"); });
    nn::Mlp<Exec> mlp(std::move(first), std::move(second), shape_.activation);
    return nn::Block<Exec>(norm(name + ".norm1"), attention(name, i), norm(name + ".norm2"), std::move(mlp), bottleneck(name + ".adapter"), bottleneck(name + ".attn.adapter"));
  }

  /// The scale becomes a part of the second layer.
  [[nodiscard]] nn::Bottleneck<Exec> bottleneck(std::string const& name) const {
    auto const down = parameters_(name + ".down.weight");
    if (down.vector().empty()) { return {}; }
    auto const down_bias = parameters_(name + ".down.bias");
    auto const up = parameters_(name + ".up.weight");
    auto const up_bias = parameters_(name + ".up.bias");
    nn::BottleneckForm const& form = parameters_.form().bottleneck;
    auto const factor = parameters_(name + ".scale");
    float const scale = static_cast<float>(form.scale) * (factor.vector().empty() ? 1.0F : factor.vector()[0]);
    auto const scaled = [scale](VectorView<float const> values) {
      Vector<float> result(values.shape());
      std::transform(values.begin(), values.end(), result.begin(), [scale](float value) { return scale * value; });
      return result;
    };
    auto const weight = scaled(up.vector());
    auto const bias = scaled(up_bias.vector());
    Index const middle = down_bias.vector().extent(0);
    return nn::Bottleneck<Exec>(exec_, nn::Linear<Exec>(exec_, down.matrix(middle), down_bias.vector()),
                                nn::Linear<Exec>(exec_, weight.view().template reshaped<2>({shape_.width, middle}), bias.cview()), form);
  }

  Exec const& exec_;
  TunedParameters const& parameters_;
  VitShape const& shape_;
  PackedVit<Exec> const* published_;
};

}  // namespace detail

/// Reads, converts and packs all parameters.
/// @param[in] published  the network as published, packed already, or null: what is not learned shares its weights
/// @throws FileError  when a parameter cannot be read;  what `kernels::pack` throws
template <class Exec>
[[nodiscard]] PackedVit<Exec> pack_vit(Exec const& exec, TunedParameters const& parameters, VitShape const& shape, PackedVit<Exec> const* published = nullptr) {
  return detail::VitPacker<Exec>(exec, parameters, shape, published).pack();
}

/// Packs the block behind the last one.
/// @param[in] shape  of the network;  @throws  as `pack_vit`
template <class Exec>
[[nodiscard]] nn::ClassAttention<Exec> pack_class_attention(Exec const& exec, TunedParameters const& parameters, VitShape shape) {
  shape.hidden = nn::ClassAttentionForm::hidden(shape.width);
  shape.epsilon = nn::ClassAttentionForm::epsilon;
  shape.activation = nn::ClassAttentionForm::activation;
  return detail::VitPacker<Exec>(exec, parameters, shape, nullptr).pack_class_attention();
}

}  // namespace accrete
