#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>

#include <utility>

namespace accrete::nn {

/// How large the rows are that a block keeps.
struct TapeExtents {
  Index batch = 0;
  Index tokens = 0;
  Index rows = 0;  ///< of a sequence behind the block: all tokens, or the few that are pooled
  Index width = 0;
  Index heads = 1;
  Index hidden = 0;
  bool few_rows = false;
  bool keeps_projected = false;
  bool keeps_expanded = false;
  Index middle = 0;  ///< width of the bottleneck; 0: none
  bool keeps_mlp = false;
  Index attention_middle = 0;  ///< width of the bottleneck beside attention; 0: none
};

namespace detail {
/// Rows of some of the sequences of a batch; an empty matrix stays one.
template <class T>
[[nodiscard]] MatrixView<T> of_sequences(MatrixView<T> rows, Index batch, Index first, Index count) {
  Index const each = batch == 0 ? 0 : rows.extent(0) / batch;
  return rows.slice(first * each, count * each);
}
}  // namespace detail

/// What the way back through a block needs of a batch.
template <class T>
struct BlockTape {
  using S = SumScalar<T>;

  TensorView<S, 3> x;        ///< [B, N, D] the input
  MatrixView<T> qkv;         ///< [B * N, 3 D], or [B * rows, D] queries alone; before scale and shift
  MatrixView<T> key_value;   ///< [B * N, 2 D] where queries are few
  MatrixView<S> log_sums;    ///< [B * rows, H]
  MatrixView<T> heads;       ///< [B * rows, D]
  TensorView<S, 3> middle;   ///< [B, rows, D] between attention and MLP
  MatrixView<T> hidden;      ///< [B * rows, hidden] before scale, shift and activation
  MatrixView<T> projected;   ///< [B * rows, D] what the projection gives before its gain, scale and shift; empty where it has none
  MatrixView<T> expanded;    ///< [B * rows, D] the same of the MLP's second layer
  MatrixView<T> bottleneck;  ///< [B * rows, r] before the activation
  MatrixView<T> mlp;         ///< [B * rows, D] the MLP's output where a bottleneck stands behind it
  MatrixView<T> beside;      ///< [B * rows, r] of the bottleneck beside attention, before the activation

  [[nodiscard]] BlockTape part(Index first, Index count) const {
    Index const batch = x.extent(0);
    auto const cut = [&](auto rows) { return detail::of_sequences(rows, batch, first, count); };
    return {x.slice(first, count), cut(qkv), cut(key_value), cut(log_sums), cut(heads), middle.slice(first, count), cut(hidden), cut(projected), cut(expanded), cut(bottleneck), cut(mlp), cut(beside)};
  }
};

/// Gradients between the layers of a block, of a batch or of a part of it.
template <class T>
struct BlockGradients {
  Index batch = 0;
  MatrixView<T> out;         ///< [B * rows, D] of the output
  MatrixView<T> mlp;         ///< [B * rows, D] of the MLP's output where a bottleneck stands behind it
  MatrixView<T> bottleneck;  ///< [B * rows, r] of its units before the activation
  MatrixView<T> hidden;      ///< [B * rows, hidden] of the hidden layer before its activation
  MatrixView<T> norm2;       ///< [B * rows, D] of what norm2 gives
  MatrixView<T> projected;   ///< [B * rows, D] of the stream between attention and MLP
  MatrixView<T> qkv;         ///< [B * N, 3 D], or [B * rows, D]
  MatrixView<T> key_value;   ///< [B * N, 2 D] where queries are few
  MatrixView<T> norm1;       ///< [B * N, D] of what norm1 gives
  MatrixView<T> beside;      ///< [B * rows, r] of the bottleneck beside attention, before the activation

  [[nodiscard]] BlockGradients part(Index first, Index count) const {
    auto const cut = [&](MatrixView<T> rows) { return detail::of_sequences(rows, batch, first, count); };
    return {count, cut(out), cut(mlp), cut(bottleneck), cut(hidden), cut(norm2), cut(projected), cut(qkv), cut(key_value), cut(norm1), cut(beside)};
  }
};

/// The memory of a tape, lent by a pool. The input's is lent apart, since the block before writes it.
template <class T, class Memory>
class BlockTapeStorage {
 public:
  using S = SumScalar<T>;

  BlockTapeStorage(ScratchPool<Memory> const& pool, TapeExtents const& e)
      : qkv_(pool.template lease<T>(Shape<2>{e.few_rows ? e.batch * e.rows : e.batch * e.tokens, e.few_rows ? e.width : 3 * e.width})),
        key_value_(pool.template lease<T>(Shape<2>{e.few_rows ? e.batch * e.tokens : 0, 2 * e.width})),
        log_sums_(pool.template lease<S>(Shape<2>{e.batch * e.rows, e.heads})),
        heads_(pool.template lease<T>(Shape<2>{e.batch * e.rows, e.width})),
        middle_(pool.template lease<S>(Shape<3>{e.batch, e.rows, e.width})),
        hidden_(pool.template lease<T>(Shape<2>{e.batch * e.rows, e.hidden})),
        projected_(pool.template lease<T>(Shape<2>{e.keeps_projected ? e.batch * e.rows : 0, e.width})),
        expanded_(pool.template lease<T>(Shape<2>{e.keeps_expanded ? e.batch * e.rows : 0, e.width})),
        bottleneck_(pool.template lease<T>(Shape<2>{e.middle > 0 ? e.batch * e.rows : 0, e.middle})),
        mlp_(pool.template lease<T>(Shape<2>{e.keeps_mlp ? e.batch * e.rows : 0, e.width})),
        beside_(pool.template lease<T>(Shape<2>{e.attention_middle > 0 ? e.batch * e.rows : 0, e.attention_middle})) {}

  [[nodiscard]] BlockTape<T> views(TensorView<S, 3> x) const {
    return {x, qkv_.view(), key_value_.view(), log_sums_.view(), heads_.view(), middle_.view(), hidden_.view(), projected_.view(), expanded_.view(), bottleneck_.view(), mlp_.view(), beside_.view()};
  }

 private:
  template <class E, int Rank>
  using Lease = typename ScratchPool<Memory>::template Lease<E, Rank>;

  Lease<T, 2> qkv_;
  Lease<T, 2> key_value_;
  Lease<S, 2> log_sums_;
  Lease<T, 2> heads_;
  Lease<S, 3> middle_;
  Lease<T, 2> hidden_;
  Lease<T, 2> projected_;
  Lease<T, 2> expanded_;
  Lease<T, 2> bottleneck_;
  Lease<T, 2> mlp_;
  Lease<T, 2> beside_;
};

/// The memory of the gradients between layers, lent by a pool.
template <class T, class Memory>
class BlockGradientsStorage {
 public:
  /// @param shares_out, shares_projected  these are the gradient of the stream itself, which `views` is given
  BlockGradientsStorage(ScratchPool<Memory> const& pool, TapeExtents const& e, bool shares_out, bool shares_projected)
      : batch_(e.batch),
        out_(rows(pool, shares_out ? 0 : e.batch * e.rows, e.width)),
        mlp_(rows(pool, e.keeps_mlp ? e.batch * e.rows : 0, e.width)),
        bottleneck_(rows(pool, e.middle > 0 ? e.batch * e.rows : 0, e.middle)),
        hidden_(rows(pool, e.batch * e.rows, e.hidden)),
        norm2_(rows(pool, e.batch * e.rows, e.width)),
        projected_(rows(pool, shares_projected ? 0 : e.batch * e.rows, e.width)),
        qkv_(rows(pool, e.few_rows ? e.batch * e.rows : e.batch * e.tokens, e.few_rows ? e.width : 3 * e.width)),
        key_value_(rows(pool, e.few_rows ? e.batch * e.tokens : 0, 2 * e.width)),
        norm1_(rows(pool, e.batch * e.tokens, e.width)),
        beside_(rows(pool, e.attention_middle > 0 ? e.batch * e.rows : 0, e.attention_middle)),
        shares_out_(shares_out),
        shares_projected_(shares_projected) {}

  /// @param stream  [B, rows, D] the gradient of the stream behind the block
  [[nodiscard]] BlockGradients<T> views(TensorView<SumScalar<T>, 3> stream) const {
    MatrixView<T> const shared(reinterpret_cast<T*>(stream.data()), {stream.extent(0) * stream.extent(1), stream.extent(2)});  // only where both are one scalar
    return {batch_,
            shares_out_ ? shared : out_.view(),
            mlp_.view(),
            bottleneck_.view(),
            hidden_.view(),
            norm2_.view(),
            shares_projected_ ? shared : projected_.view(),
            qkv_.view(),
            key_value_.view(),
            norm1_.view(),
            beside_.view()};
  }

 private:
  using Lease = typename ScratchPool<Memory>::template Lease<T, 2>;
  static Lease rows(ScratchPool<Memory> const& pool, Index count, Index width) { return pool.template lease<T>(Shape<2>{count, width}); }

  Index batch_;
  Lease out_;
  Lease mlp_;
  Lease bottleneck_;
  Lease hidden_;
  Lease norm2_;
  Lease projected_;
  Lease qkv_;
  Lease key_value_;
  Lease norm1_;
  Lease beside_;
  bool shares_out_;
  bool shares_projected_;
};

}  // namespace accrete::nn
