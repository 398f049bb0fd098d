#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/activation.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/block.hpp>

#include <string_view>
#include <utility>

namespace accrete::nn {

/// What a class-attention block is, weights aside.
struct ClassAttentionForm {
  static constexpr std::string_view name = "class_attention";         ///< its layers have the names of a block's behind it
  static constexpr std::string_view token = "class_attention.token";  ///< [D]
  static constexpr double epsilon = 1e-5;
  static constexpr kernels::Activation activation = kernels::Activation::gelu;

  [[nodiscard]] static constexpr Index hidden(Index width) { return width / 2; }
};

/// A pre-norm block over [k; X] with frozen weights, of which only the row of the token k is computed.
/// @source Touvron et al., "Going deeper with Image Transformers", ICCV 2021, arXiv:2103.17239v2, section 3, without its gains per channel
template <class Exec>
class ClassAttention {
 public:
  using Memory = typename Exec::Memory;

  ClassAttention() = default;
  /// @param[in] token [D] host memory;  @param block  whose attention keeps queries apart
  ClassAttention(Exec const& exec, VectorView<float const> token, Block<Exec> block) : token_(Shape<3>{1, 1, token.extent(0)}), block_(std::move(block)) {
    kernels::upload(exec, token.template reshaped<3>(token_.shape()), token_.view());
    exec.wait();  // `token` must live until it is uploaded
  }

  /// [1, 1, D]
  [[nodiscard]] TensorView<float const, 3> token() const { return token_.cview(); }

  /// The feature of every sequence.
  /// @tparam T  float or bfloat16, as the weights were packed
  /// @param[in,out] x        [B, 1 + N, D] the first row is for the token and is overwritten, the others stay
  /// @param[in]     part     which of the parts is written
  /// @param[out]    features [B, parts, D]
  template <class T>
  void forward(Exec const& exec, TensorView<float, 3> x, Index part, TensorView<float, 3> features, ScratchPool<Memory> const& scratch) const {
    kernels::overwrite_tokens(exec, token(), 0, x);
    block_.template forward_rows<T>(exec, 1, x, scratch);
    auto const rows = scratch.template lease<float>(Shape<3>{x.extent(0), 1, x.extent(2)});
    kernels::take_tokens(exec, TensorView<float const, 3>(x), 0, rows.view());
    kernels::overwrite_tokens(exec, TensorView<float const, 3>(rows.view()), part, features);
  }

 private:
  Tensor<float, 3, Memory> token_;  // [1, 1, D]
  Block<Exec> block_;
};

}  // namespace accrete::nn
