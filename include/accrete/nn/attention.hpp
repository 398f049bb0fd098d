#pragma once

#include <accrete/core/scratch.hpp>
#include <accrete/kernels/attention.hpp>
#include <accrete/nn/compensated_attention.hpp>
#include <accrete/nn/linear.hpp>

#include <utility>

namespace accrete::nn {

/// Multi-head self-attention with frozen weights: x += proj(softmax(q k^T / sqrt(D / H)) v), q, k and v being linear in z.
/// Rows [0, D) of the first weight give q, [D, 2 D) k, [2 D, 3 D) v; inside each, head h owns rows [h * D / H, (h + 1) * D / H).
/// Queries may be packed apart from keys and values, for blocks of which few rows are needed.
/// @source Vaswani et al., NeurIPS 2017, arXiv:1706.03762v7, Eq. 1 and section 3.2.2
template <class Exec>
class Attention {
 public:
  using Scratch = ScratchPool<typename Exec::Memory>;

  Attention() = default;
  /// @param query_key_value [D -> 3 D];  @param projection [D -> D], a residual gain already folded in
  Attention(Linear<Exec> query_key_value, Linear<Exec> projection, Index heads) : first_(std::move(query_key_value)), projection_(std::move(projection)), heads_(heads) {}
  /// @param query [D -> D];  @param key_value [D -> 2 D]
  Attention(Linear<Exec> query, Linear<Exec> key_value, Linear<Exec> projection, Index heads)
      : first_(std::move(query)), second_(std::move(key_value)), projection_(std::move(projection)), heads_(heads), apart_(true) {}

  /// Queries, keys and values, or queries alone when `apart()`.
  [[nodiscard]] Linear<Exec> const& first() const { return first_; }
  /// Keys and values when `apart()`.
  [[nodiscard]] Linear<Exec> const& second() const { return second_; }
  [[nodiscard]] Linear<Exec> const& projection() const { return projection_; }

  /// Whether queries can be computed without keys and values.
  [[nodiscard]] bool apart() const { return apart_; }

  /// @param[in]     z      [B * T, D] the normed input; overwritten by what the heads give
  /// @param         qkv    [B * T, 3 D] to work in
  /// @param[in]     prefix keys and values in front of every sequence's own
  /// @param[in,out] x      [B * T, D] residual stream
  template <class T>
  void forward(Exec const& exec, MatrixView<T> z, MatrixView<T> qkv, kernels::KeyValuePrefix<T> const& prefix, Index batch, RowsView<float> x, Scratch const& scratch) const {
    Index const width = z.extent(1);
    if (apart_) {
      first_.forward(exec, RowsView<T>(z), columns(qkv, 0, width));
      second_.forward(exec, RowsView<T>(z), columns(qkv, width, 2 * width));
    } else {
      first_.forward(exec, RowsView<T>(z), RowsView<T>(qkv));
    }
    if (prefix.compensated) {
      auto const rows = [&](Index first) { return RowsView<T const>(columns(qkv, first, width)); };
      CompensatedAttention<Exec, T>(exec, rows(0), rows(width), rows(2 * width), {.batch = batch, .heads = heads_}, prefix, scratch).forward(RowsView<T>(z));
      return projection_.forward(exec, RowsView<T>(z), x, {.accumulate = true});
    }
    attend(exec, columns(qkv, 0, width), columns(qkv, width, 2 * width), prefix, batch, RowsView<T>(z), x);
  }

  /// Keys and values alone, of every row; only when `apart()`.
  /// @param[in] z [B * T, D];  @param[out] key_value [B * T, 2 D]
  template <class T>
  void project_keys(Exec const& exec, MatrixView<T> z, MatrixView<T> key_value) const {
    second_.forward(exec, RowsView<T>(z), RowsView<T>(key_value));
  }

  /// The rest of the branch for one row of each sequence; only when `apart()`.
  /// @param[in]     z         [B, D] the normed input of those rows; overwritten
  /// @param         query     [B, D] to work in
  /// @param[in]     key_value [B * T, 2 D]
  /// @param[in,out] x         [B, D] residual stream of those rows
  template <class T>
  void forward_row(Exec const& exec, MatrixView<T> z, MatrixView<T> query, MatrixView<T> key_value, RowsView<float> x) const {
    first_.forward(exec, RowsView<T>(z), RowsView<T>(query));
    attend(exec, RowsView<T>(query), RowsView<T>(key_value), {}, z.extent(0), RowsView<T>(z), x);
  }

 private:
  template <class T>
  void attend(Exec const& exec, RowsView<T> q, RowsView<T> key_value, kernels::KeyValuePrefix<T> const& prefix, Index batch, RowsView<T> heads_out, RowsView<float> x) const {
    RowsView<T const> const k(key_value.data, key_value.rows, q.width, key_value.stride);
    RowsView<T const> const v(key_value.data + q.width, key_value.rows, q.width, key_value.stride);
    kernels::attention(exec, RowsView<T const>(q), k, v, kernels::AttentionShape{.batch = batch, .heads = heads_}, prefix, heads_out);
    projection_.forward(exec, heads_out, x, {.accumulate = true});
  }

  Linear<Exec> first_;   // q, k and v, or q alone
  Linear<Exec> second_;  // k and v where they lie apart
  Linear<Exec> projection_;
  Index heads_ = 1;
  bool apart_ = false;
};

}  // namespace accrete::nn
