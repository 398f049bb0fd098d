#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/activation.hpp>
#include <accrete/kernels/attention.hpp>
#include <accrete/kernels/tokens.hpp>
#include <accrete/kernels/transfer.hpp>
#include <accrete/nn/layer_norm.hpp>
#include <accrete/nn/linear.hpp>
#include <accrete/nn/mlp.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::nn {

/// What a class-attention block is, weights aside.
struct ClassAttentionForm {
  static constexpr std::string_view name = "class_attention";         ///< its layers have the names of a block's behind it
  static constexpr std::string_view token = "class_attention.token";  ///< [D]
  static constexpr double epsilon = 1e-5;
  static constexpr kernels::Activation activation = kernels::Activation::gelu;

  [[nodiscard]] static constexpr Index hidden(Index width) { return width / 2; }
};

/// Class attention without keys and values. Its query comes from the token alone, so that it is a constant, and so is what it asks of a row:
///   u_h = gain * W_k,h^T q_h,  score_h,j = u_h . n_j / sqrt(D / H) + a constant that softmax does not see,
///   o_h = W_v,h (gain * sum_j a_h,j n_j + offset) + b_v,h,
/// n_j being row j normed without gain and offset. A row then costs H products of D numbers instead of 2 D, and all classifiers share the normed rows.
/// @source specification: mixture-methods.md §5.9
struct FoldedClassAttention {
  Vector<float> token;       ///< [D] the token, normed without gain and offset
  Matrix<float> queries;     ///< [H, D] sqrt(H) u_h, since attention over one head of D numbers divides by sqrt(D)
  Matrix<float> value;       ///< [D, D] gain folded in
  Vector<float> value_bias;  ///< [D] offset folded in

  /// @param[in] learned [D] the token;  @param[in] gain, offset [D] of the norm;  @param[in] weight [3 D, D], bias [3 D] of query, key and value
  FoldedClassAttention(VectorView<float const> learned, VectorView<float const> gain, VectorView<float const> offset, MatrixView<float const> weight, VectorView<float const> bias, Index heads)
      : token(learned.shape()), queries(Shape<2>{heads, learned.extent(0)}), value(Shape<2>{learned.extent(0), learned.extent(0)}), value_bias(learned.shape()) {
    Index const width = learned.extent(0);
    Index const of_head = width / heads;
    std::vector<double> const normed = norm(learned);
    for (Index i = 0; i < width; ++i) { token(i) = static_cast<float>(normed[static_cast<std::size_t>(i)]); }
    for (Index h = 0; h < heads; ++h) {
      std::vector<double> asked(static_cast<std::size_t>(width), 0.0);
      for (Index row = h * of_head; row < (h + 1) * of_head; ++row) {
        double query = bias(row);
        for (Index i = 0; i < width; ++i) { query += double{weight(row, i)} * (double{gain(i)} * normed[static_cast<std::size_t>(i)] + double{offset(i)}); }
        for (Index i = 0; i < width; ++i) { asked[static_cast<std::size_t>(i)] += query * double{weight(width + row, i)}; }
      }
      for (Index i = 0; i < width; ++i) { queries(h, i) = static_cast<float>(std::sqrt(static_cast<double>(heads)) * double{gain(i)} * asked[static_cast<std::size_t>(i)]); }
    }
    for (Index row = 0; row < width; ++row) {
      double sum = bias(2 * width + row);
      for (Index i = 0; i < width; ++i) {
        double const w = weight(2 * width + row, i);
        value(row, i) = static_cast<float>(w * double{gain(i)});
        sum += w * double{offset(i)};
      }
      value_bias(row) = static_cast<float>(sum);
    }
  }

 private:
  [[nodiscard]] static std::vector<double> norm(VectorView<float const> values) {
    std::vector<double> normed(values.begin(), values.end());
    auto const count = static_cast<double>(normed.size());
    double mean = 0.0;
    for (double const x : normed) { mean += x / count; }
    double variance = 0.0;
    for (double const x : normed) { variance += (x - mean) * (x - mean) / count; }
    double const scale = 1.0 / std::sqrt(variance + ClassAttentionForm::epsilon);
    for (double& x : normed) { x = (x - mean) * scale; }
    return normed;
  }
};

/// A pre-norm block over [k; X] with frozen weights, of which only the row of the token k is computed.
/// @source Touvron et al., "Going deeper with Image Transformers", ICCV 2021, arXiv:2103.17239v2, section 3, without its gains per channel
template <class Exec>
class ClassAttention {
 public:
  using Memory = typename Exec::Memory;
  using Scratch = ScratchPool<Memory>;

  ClassAttention() = default;
  /// @param[in] token [D] host memory
  ClassAttention(Exec const& exec, VectorView<float const> token, FoldedClassAttention const& folded, Linear<Exec> projection, LayerNorm<Exec> norm2, Mlp<Exec> mlp)
      : token_(exec, token, 1),
        normed_token_(exec, folded.token.cview(), 1),
        queries_(exec, folded.queries.cview().template reshaped<1>({folded.queries.size()}), folded.queries.extent(0)),
        plain_(exec, filled(token.extent(0), 1.0F).cview(), filled(token.extent(0), 0.0F).cview(), ClassAttentionForm::epsilon),
        projection_(std::move(projection)),
        norm2_(std::move(norm2)),
        mlp_(std::move(mlp)) {
    Index const width = token.extent(0);
    Index const of_head = width / folded.queries.extent(0);
    for (Index first = 0; first < width; first += of_head) { values_.emplace_back(exec, folded.value.cview().slice(first, of_head), folded.value_bias.cview().slice(first, of_head)); }
    exec.wait();  // the parameters must live until they are uploaded
  }

  /// [1, 1, D]
  [[nodiscard]] TensorView<float const, 3> token() const { return token_.template in<float>(); }

  /// What all class attentions of one width ask.
  /// @param[in] x [B, 1 + N, D];  @param[out] normed [B, 1 + N, D] without gain and offset
  template <class T>
  void norm(Exec const& exec, TensorView<float, 3> x, TensorView<T, 3> normed) const {
    plain_.forward(exec, rows_of(x), rows_of(normed));
  }

  /// The feature of every sequence.
  /// @tparam T  float or bfloat16, as the weights were packed
  /// @param[in,out] normed   [B, 1 + N, D] by `norm`; the first row is for the token and is overwritten, the others stay
  /// @param[in]     part     which of the parts is written
  /// @param[out]    features [B, parts, D]
  template <class T>
  void forward(Exec const& exec, TensorView<T, 3> normed, Index part, TensorView<float, 3> features, Scratch const& scratch) const {
    Index const batch = normed.extent(0);
    Index const width = normed.extent(2);
    auto const heads = static_cast<Index>(values_.size());
    kernels::overwrite_tokens(exec, normed_token_.template in<T>(), 0, normed);
    auto const query = scratch.template lease<T>(Shape<3>{batch, heads, width});
    kernels::overwrite_tokens(exec, queries_.template in<T>(), 0, query.view());
    auto const pooled = scratch.template lease<T>(Shape<2>{batch * heads, width});
    RowsView<T const> const rows(rows_of(normed));
    kernels::attention(exec, RowsView<T const>(rows_of(query.view())), rows, rows, kernels::AttentionShape{.batch = batch, .heads = 1}, {}, RowsView<T>(pooled.view()));

    auto const z = scratch.template lease<T>(Shape<2>{batch, width});
    for (Index h = 0; h < heads; ++h) {
      auto const& value = values_[static_cast<std::size_t>(h)];
      value.forward(exec, RowsView<T>(pooled.data() + h * width, batch, width, heads * width), columns(z.view(), h * value.outputs(), value.outputs()));
    }
    auto const stream = scratch.template lease<float>(Shape<3>{batch, 1, width});
    kernels::overwrite_tokens(exec, token(), 0, stream.view());
    auto const x = rows_of(stream.view());
    projection_.forward(exec, RowsView<T>(z.view()), x, {.accumulate = true});
    auto const hidden = scratch.template lease<T>(Shape<2>{batch, mlp_.hidden()});
    norm2_.forward(exec, x, RowsView<T>(z.view()));
    mlp_.forward(exec, z.view(), hidden.view(), x);
    kernels::overwrite_tokens(exec, TensorView<float const, 3>(stream.view()), part, features);
  }

 private:
  /// A few rows in float32, and in bfloat16 where the trunk is.
  class Rows {
   public:
    Rows() = default;
    Rows(Exec const& exec, VectorView<float const> values, Index rows) : exact_(Shape<3>{1, rows, values.extent(0) / rows}) {
      kernels::upload(exec, values, flat(exact_));
      if (exec.precision == Precision::bfloat16) {
        rounded_ = Tensor<bfloat16, 3, Memory>(exact_.shape());
        kernels::convert(exec, VectorView<float const>(flat(exact_)), flat(rounded_));
      }
    }
    template <class T>
    [[nodiscard]] TensorView<T const, 3> in() const {
      if constexpr (std::is_same_v<T, bfloat16>) {
        return rounded_.cview();
      } else {
        return exact_.cview();
      }
    }

   private:
    template <class T>
    [[nodiscard]] static VectorView<T> flat(Tensor<T, 3, Memory>& rows) {
      return rows.view().template reshaped<1>({rows.size()});
    }

    Tensor<float, 3, Memory> exact_;
    Tensor<bfloat16, 3, Memory> rounded_;
  };

  template <class T>
  [[nodiscard]] static RowsView<T> rows_of(TensorView<T, 3> x) {
    return {x.data(), x.extent(0) * x.extent(1), x.extent(2), x.extent(2)};
  }
  [[nodiscard]] static Vector<float> filled(Index count, float value) {
    Vector<float> values({count});
    std::fill(values.begin(), values.end(), value);
    return values;
  }

  Rows token_;         // [1, 1, D]
  Rows normed_token_;  // [1, 1, D]
  Rows queries_;       // [1, H, D]
  LayerNorm<Exec> plain_;
  std::vector<Linear<Exec>> values_;  // [D -> D / H] per head
  Linear<Exec> projection_;
  LayerNorm<Exec> norm2_;
  Mlp<Exec> mlp_;
};

}  // namespace accrete::nn
