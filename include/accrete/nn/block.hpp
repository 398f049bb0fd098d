#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/nn/attention.hpp>
#include <accrete/nn/bottleneck.hpp>
#include <accrete/nn/layer_norm.hpp>
#include <accrete/nn/mlp.hpp>

#include <algorithm>
#include <utility>

namespace accrete::nn {

/// One pre-norm transformer block with frozen weights, in place on the residual stream:
///   x += proj(attention(norm1(x)));   x += fc2(act(fc1(norm2(x)))),   and what bottlenecks add
/// The stream is float32; with bfloat16 weights the normed rows, q, k, v, the heads' output and the hidden layer are bfloat16.
/// @source Dosovitskiy et al., ICLR 2021, arXiv:2010.11929v2, Eqs. 2 and 3
template <class Exec>
class Block {
 public:
  using Scratch = ScratchPool<typename Exec::Memory>;

  Block() = default;
  /// @param bottleneck  beside or behind the MLP;  @param beside  beside attention, reading what norm1 gives; both may be empty
  Block(LayerNorm<Exec> norm1, Attention<Exec> attention, LayerNorm<Exec> norm2, Mlp<Exec> mlp, Bottleneck<Exec> bottleneck = {}, Bottleneck<Exec> beside = {})
      : norm1_(std::move(norm1)), norm2_(std::move(norm2)), attention_(std::move(attention)), mlp_(std::move(mlp)), bottleneck_(std::move(bottleneck)), beside_(std::move(beside)) {}

  [[nodiscard]] Attention<Exec> const& attention() const { return attention_; }
  [[nodiscard]] Mlp<Exec> const& mlp() const { return mlp_; }

  /// All rows.
  /// @tparam T  float or bfloat16, as the weights were packed
  /// @param[in]     prefix keys and values in front of every sequence's own
  /// @param[in,out] x      [B, T, D]
  template <class T>
  void forward(Exec const& exec, kernels::KeyValuePrefix<T> const& prefix, TensorView<float, 3> x, Scratch const& scratch) const {
    Index const rows = x.extent(0) * x.extent(1);
    Index const width = x.extent(2);
    MatrixView<float> const stream(x.data(), {rows, width});
    auto const normed = scratch.template lease<T>(Shape<2>{rows, width});
    auto const wide = scratch.template lease<T>(Shape<2>{rows, std::max(3 * width, mlp_.hidden())});
    norm1_.forward(exec, RowsView<float>(stream), RowsView<T>(normed.view()));
    auto const units = read_beside(exec, normed.view(), scratch);
    attention_.forward(exec, normed.view(), MatrixView<T>(wide.data(), {rows, 3 * width}), prefix, x.extent(0), RowsView<float>(stream), scratch);
    add_beside(exec, units.view(), RowsView<float>(stream));
    run_mlp(exec, normed.view(), MatrixView<T>(wide.data(), {rows, mlp_.hidden()}), RowsView<float>(stream), scratch);
  }

  /// The first `count` rows of each sequence, all that a pooled feature needs of the last block: keys and values are computed for every row, the rest for those alone.
  /// The other rows keep the block's input. Only where the attention keeps queries apart.
  /// @param[in,out] x [B, T, D]
  template <class T>
  void forward_rows(Exec const& exec, Index count, TensorView<float, 3> x, Scratch const& scratch) const {
    Index const batch = x.extent(0);
    Index const tokens = x.extent(1);
    Index const width = x.extent(2);
    auto const normed = scratch.template lease<T>(Shape<2>{batch * tokens, width});
    auto const key_value = scratch.template lease<T>(Shape<2>{batch * tokens, 2 * width});
    auto const query = scratch.template lease<T>(Shape<2>{batch, width});
    auto const hidden = scratch.template lease<T>(Shape<2>{batch, mlp_.hidden()});
    norm1_.forward(exec, RowsView<float>(x.data(), batch * tokens, width, width), RowsView<T>(normed.view()));
    attention_.project_keys(exec, normed.view(), key_value.view());
    MatrixView<T> const z(normed.data(), {batch, width});
    for (Index row = 0; row < count; ++row) {
      RowsView<float> const stream(x.data() + row * width, batch, width, tokens * width);
      norm1_.forward(exec, stream, RowsView<T>(z));
      auto const units = read_beside(exec, z, scratch);
      attention_.forward_row(exec, z, query.view(), key_value.view(), stream);
      add_beside(exec, units.view(), stream);
      run_mlp(exec, z, hidden.view(), stream, scratch);
    }
  }

 private:
  /// The units of the bottleneck beside attention, which overwrites what they are made of.
  template <class T>
  [[nodiscard]] auto read_beside(Exec const& exec, MatrixView<T> normed, Scratch const& scratch) const {
    auto units = scratch.template lease<T>(Shape<2>{beside_ ? normed.extent(0) : 0, beside_ ? beside_.middle() : 0});
    if (beside_) { beside_.read(exec, normed, units.view()); }
    return units;
  }
  template <class T>
  void add_beside(Exec const& exec, MatrixView<T> units, RowsView<float> stream) const {
    if (beside_) { beside_.add(exec, units, stream); }
  }

  /// The second half of the block.
  /// @param normed, hidden  to work in
  template <class T>
  void run_mlp(Exec const& exec, MatrixView<T> normed, MatrixView<T> hidden, RowsView<float> stream, Scratch const& scratch) const {
    norm2_.forward(exec, stream, RowsView<T>(normed));
    if (!bottleneck_) { return mlp_.forward(exec, normed, hidden, stream); }
    auto const units = scratch.template lease<T>(Shape<2>{stream.rows, bottleneck_.middle()});
    if (bottleneck_.place() == BottleneckPlace::parallel) {
      bottleneck_.read_stream(exec, stream, units.view(), scratch);  // before the MLP adds to it
      mlp_.forward(exec, normed, hidden, stream);
    } else {
      mlp_.give(exec, normed, hidden, normed);
      bottleneck_.read(exec, normed, units.view());
      bottleneck_.pass(exec, normed, stream);
    }
    bottleneck_.add(exec, units.view(), stream);
  }

  LayerNorm<Exec> norm1_;
  LayerNorm<Exec> norm2_;
  Attention<Exec> attention_;
  Mlp<Exec> mlp_;
  Bottleneck<Exec> bottleneck_;
  Bottleneck<Exec> beside_;
};

}  // namespace accrete::nn
