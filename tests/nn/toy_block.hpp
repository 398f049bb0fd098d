#pragma once

#include "support/naive_network.hpp"

#include <accrete/nn/block.hpp>

#include <utility>

namespace accrete::test {

/// The weights of one block of width 24 with 3 heads and 40 hidden units, as a layer of nn/ and as the loops in float64.
struct ToyBlock {
  static constexpr Index width = 24;
  static constexpr Index heads = 3;
  static constexpr Index hidden = 40;
  static constexpr double epsilon = 1e-5;
  kernels::Activation activation = kernels::Activation::gelu;

  Vector<float> gain1 = drawn<1>("gain1", {width}, 0.3F, 1.0F), offset1 = drawn<1>("offset1", {width}, 0.2F);
  Vector<float> gain2 = drawn<1>("gain2", {width}, 0.3F, 1.0F), offset2 = drawn<1>("offset2", {width}, 0.2F);
  Matrix<float> qkv = drawn<2>("qkv", {3 * width, width}, 0.5F), projection = drawn<2>("projection", {width, width}, 0.4F);
  Matrix<float> first = drawn<2>("first", {hidden, width}, 0.4F), second = drawn<2>("second", {width, hidden}, 0.4F);
  Vector<float> qkv_bias = drawn<1>("qkv_bias", {3 * width}, 0.3F), projection_bias = drawn<1>("projection_bias", {width}, 0.3F);
  Vector<float> first_bias = drawn<1>("first_bias", {hidden}, 0.3F), second_bias = drawn<1>("second_bias", {width}, 0.3F);

  template <class Exec>
  [[nodiscard]] nn::Attention<Exec> attention(Exec const& exec, bool apart) const {
    nn::Linear<Exec> out(exec, projection, projection_bias);
    if (!apart) { return {nn::Linear<Exec>(exec, qkv, qkv_bias), std::move(out), heads}; }
    return {nn::Linear<Exec>(exec, qkv.cview().slice(0, width), qkv_bias.cview().slice(0, width)),
            nn::Linear<Exec>(exec, qkv.cview().slice(width, 2 * width), qkv_bias.cview().slice(width, 2 * width)), std::move(out), heads};
  }

  template <class Exec>
  [[nodiscard]] nn::Mlp<Exec> mlp(Exec const& exec) const {
    return {nn::Linear<Exec>(exec, first, first_bias), nn::Linear<Exec>(exec, second, second_bias), activation};
  }

  template <class Exec>
  [[nodiscard]] nn::Block<Exec> block(Exec const& exec, bool apart = false) const {
    return {nn::LayerNorm<Exec>(exec, gain1, offset1, epsilon), attention(exec, apart), nn::LayerNorm<Exec>(exec, gain2, offset2, epsilon), mlp(exec)};
  }

  [[nodiscard]] Matrix<double> naive_attention(Matrix<double> const& z, Index batch, naive::Prefix const& prefix = {}) const {
    return naive::linear(naive::attention(naive::linear(z, qkv, qkv_bias), batch, heads, prefix), projection, projection_bias);
  }
  [[nodiscard]] Matrix<double> naive_mlp(Matrix<double> const& z) const { return naive::linear(naive::activated(naive::linear(z, first, first_bias), activation), second, second_bias); }
  [[nodiscard]] Matrix<double> naive_block(Matrix<double> const& x, Index batch, naive::Prefix const& prefix = {}) const {
    auto const middle = naive::sum(x, naive_attention(naive::layer_norm(x, gain1, offset1, epsilon), batch, prefix));
    return naive::sum(middle, naive_mlp(naive::layer_norm(middle, gain2, offset2, epsilon)));
  }
};

/// A copy in another scalar.
template <class T>
[[nodiscard]] Matrix<T> in_scalar(Matrix<float> const& x) {
  Matrix<T> y(x.shape());
  for (Index i = 0; i < x.size(); ++i) {
    if constexpr (std::is_same_v<T, float>) {
      y.data()[i] = x.data()[i];
    } else {
      y.data()[i] = to_bfloat16(x.data()[i]);
    }
  }
  return y;
}

}  // namespace accrete::test
