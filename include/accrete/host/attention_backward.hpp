#pragma once

#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/attention.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/functions.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/tile_product.hpp>
#include <accrete/kernels/attention.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace accrete::host {
namespace detail {

/// What one head of one sequence needs from the forward pass and from behind it.
template <class T>
struct HeadContext {
  HeadRows<T> queries;
  HeadRows<T> keys;
  HeadRows<T> values;
  HeadRows<T> y;
  HeadRows<T> dy;
  RowsView<SumScalar<T> const> log_sums;  ///< [queries, 1]
};

/// Where its gradients go. Gradients of the prefix rows have places of their own for each sequence.
template <class T>
struct HeadGradients {
  RowsView<T> dq;
  RowsView<T> dk;
  RowsView<T> dv;
  RowsView<SumScalar<T>> prefix_k;  ///< without data when nobody asks
  RowsView<SumScalar<T>> prefix_v;
};

/// Queries whose weights are rebuilt at a time: enough that the sums over them stay in registers for long, few enough for the second-level cache.
inline constexpr Index attention_backward_block = 16 * tile_rows;

struct AttentionGradientScratch;

/// Working memory of one head.
template <class S>
struct HeadScratch {
  S* key_columns;    ///< panels of keys, as `pack_keys` lays them
  S* value_columns;  ///< panels of values, laid the same way
  S* key_rows;       ///< [keys, width]
  S* dk;             ///< [keys, width]
  S* dv;             ///< [keys, width]
  S* queries;        ///< [block, width]
  S* dy;             ///< [block, width]
  S* dq;             ///< [block, width]
  S* weights;        ///< [block, keys]: scores, then A
  S* d_scores;       ///< [block, keys]: dA, then dS

  HeadScratch(HeadLayout<S> const& layout, Index block) {
    Index const columns = layout.score_stride * layout.width;
    Index const rows = layout.keys * layout.value_stride;
    Index const block_rows = block * layout.value_stride;
    Index const block_scores = block * layout.score_stride;
    S* next = ThreadScratch<AttentionGradientScratch>::get<S>(2 * columns + 3 * rows + 3 * block_rows + 2 * block_scores);
    auto const take = [&next](Index count) { return std::exchange(next, next + count); };
    key_columns = take(columns);
    value_columns = take(columns);
    key_rows = take(rows);
    dk = take(rows);
    dv = take(rows);
    queries = take(block_rows);
    dy = take(block_rows);
    dq = take(block_rows);
    weights = take(block_scores);
    d_scores = take(block_scores);
  }
};

/// scores(i, j) = <rows_i, packed_j> for rows [count, width] and panels of keys or values.
template <class S>
void multiply_with_columns(HeadLayout<S> const& layout, Index count, S const* rows, S const* packed, S* scores) {
  TileColumns const columns = layout.key_columns;
  for (Index tile = 0; tile < columns.tiles(); ++tile) {
    Index const column = columns.first(tile) * layout.step;
    Index const vectors = columns.width(tile);
    multiply_panel<S>(count, vectors, {rows, layout.value_stride, packed + column * layout.width, vectors * layout.step, layout.width, scores + column, layout.score_stride});
  }
}

/// sums(j, :) += sum over i of scores(i, j) rows_i, for scores [count, keys] and rows [count, width].
template <class S>
void add_transposed_product(HeadLayout<S> const& layout, Index count, S const* scores, S const* rows, S* sums) {
  TileColumns const columns = layout.value_columns;
  for (Index tile = 0; tile < columns.tiles(); ++tile) {
    Index const column = columns.first(tile) * layout.step;
    multiply_panel<S, TileLeft::columns, TileResult::add>(layout.keys, columns.width(tile),
                                                          {scores, layout.score_stride, rows + column, layout.value_stride, count, sums + column, layout.value_stride});
  }
}

/// scores become A = exp(scale score - log_sum), dA becomes dS = A (dA - delta) scale; columns that only fill up become zero.
template <class S>
void weights_and_their_gradients(S* scores, S* d_scores, Index count, S scale, S log_sum, S delta) {
  constexpr Index step = simd::lanes<S>;
  auto const finish = [&](Index c, simd::Vec<S> weight) {
    simd::store(scores + c, weight);
    simd::store(d_scores + c, weight * (simd::load(d_scores + c) - delta) * scale);
  };
  auto const weight_at = [&](Index c) { return simd::exponential_of_negative(simd::load(scores + c) * scale - log_sum); };
  Index const whole = count / step * step;
  for (Index c = 0; c < whole; c += step) { finish(c, weight_at(c)); }
  if (whole < count) { finish(whole, simd::lane_numbers<S>() < static_cast<S>(count - whole) ? weight_at(whole) : simd::Vec<S>{}); }
}

/// <dy_i, y_i> of one head.
template <class T>
[[nodiscard]] SumScalar<T> output_dot(T const* y, T const* dy, Index width) {
  using S = SumScalar<T>;
  simd::Vec<S> sum{};
  for_vectors<S>(width, [&](Index c, auto lanes) { sum = simd::multiply_add(lanes.load(y + c), lanes.load(dy + c), sum); });
  return simd::sum_of_lanes<S>(sum);
}

template <class S, class To>
void store_rows(S const* from, Index stride, RowsView<To> to) {
  for (Index i = 0; i < to.rows; ++i) {
    for_vectors<S>(to.width, [&](Index c, auto lanes) { lanes.store(to.row(i) + c, lanes.load(from + i * stride + c)); });
  }
}

/// The gradients of one head of one sequence, a block of queries at a time.
template <class T>
void attend_backward(HeadContext<T> const& head, Index width, HeadGradients<T> const& gradients) {
  using S = SumScalar<T>;
  HeadLayout<S> const layout{width, head.keys.count()};
  Index const queries = head.queries.count();
  Index const blocks = (queries + attention_backward_block - 1) / attention_backward_block;
  Index const block = (queries + blocks - 1) / blocks;
  HeadScratch<S> const scratch(layout, block);
  bool const all = gradients.dq.rows > 0;

  pack_keys(head.keys, layout, scratch.key_columns);
  pack_keys(head.values, layout, scratch.value_columns);
  if (all) { pack_values(head.keys, layout, scratch.key_rows); }
  std::fill_n(scratch.dk, layout.keys * layout.value_stride, S{});
  std::fill_n(scratch.dv, layout.keys * layout.value_stride, S{});
  S const scale = S{1} / std::sqrt(static_cast<S>(width));
  for (Index first = 0; first < queries; first += block) {
    Index const rows = std::min(block, queries - first);
    pack_queries(head.queries, first, rows, layout, scratch.queries);
    pack_queries(head.dy, first, rows, layout, scratch.dy);
    multiply_with_columns(layout, rows, scratch.queries, scratch.key_columns, scratch.weights);
    multiply_with_columns(layout, rows, scratch.dy, scratch.value_columns, scratch.d_scores);
    for (Index i = 0; i < rows; ++i) {
      S const delta = output_dot(head.y.row(first + i), head.dy.row(first + i), width);
      weights_and_their_gradients(scratch.weights + i * layout.score_stride, scratch.d_scores + i * layout.score_stride, layout.keys, scale, *head.log_sums.row(first + i), delta);
    }
    add_transposed_product(layout, rows, scratch.weights, scratch.dy, scratch.dv);
    add_transposed_product(layout, rows, scratch.d_scores, scratch.queries, scratch.dk);
    if (!all) { continue; }
    for (Index tile = 0; tile < layout.value_columns.tiles(); ++tile) {
      Index const column = layout.value_columns.first(tile) * layout.step;
      multiply_panel<S>(rows, layout.value_columns.width(tile),
                        {scratch.d_scores, layout.score_stride, scratch.key_rows + column, layout.value_stride, layout.keys, scratch.dq + column, layout.value_stride});
    }
    store_rows(scratch.dq, layout.value_stride, RowsView<T>(gradients.dq.row(first), rows, width, gradients.dq.stride));
  }
  Index const prefix = head.keys.prefix_rows;
  if (gradients.prefix_k.data != nullptr) {
    store_rows(scratch.dk, layout.value_stride, gradients.prefix_k);
    store_rows(scratch.dv, layout.value_stride, gradients.prefix_v);
  }
  if (all) {
    store_rows(scratch.dk + prefix * layout.value_stride, layout.value_stride, gradients.dk);
    store_rows(scratch.dv + prefix * layout.value_stride, layout.value_stride, gradients.dv);
  }
}

struct PrefixGradientParts;

/// sums += parts, those of all sequences in ascending order where the sums are shared.
/// @param[in] parts [B * P, D];  @param[in,out] sums [P, D] or [B * P, D]
template <class S>
void add_prefix_parts(int threads, Index batch, RowsView<S const> parts, MatrixView<S> sums) {
  Index const repeats = sums.extent(0) == parts.rows ? 1 : batch;
  parallel_ranges(threads, sums.size(), repeats, [&](Index first, Index last) {
    for (Index b = 0; b < repeats; ++b) {
      S const* const part = parts.data + b * sums.size();
      for (Index i = first; i < last; ++i) { sums.data()[i] += part[i]; }
    }
  });
}
}  // namespace detail

/// One head of one sequence at a time: A is rebuilt once, block by block, and all five products are formed from it while it is in the cache.
/// bfloat16 is widened to float throughout.
template <class Products, class T>
void attention_backward_on(HostExecutor<Products> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape, kernels::KeyValuePrefix<T> const& prefix,
                           RowsView<T const> y, MatrixView<SumScalar<T> const> log_sums, RowsView<T const> dy, RowsView<T> dq, RowsView<T> dk, RowsView<T> dv,
                           kernels::KeyValueGradient<SumScalar<T>> const& d_prefix) {
  using S = SumScalar<T>;
  bool const all = dk.rows > 0;
  if (!all && d_prefix.length == 0) { return; }
  Index const width = q.width / shape.heads;
  Index const own = all ? k.rows / shape.batch : 0;
  Index const pairs = shape.batch * shape.heads;
  int const threads = 5 * pairs * (q.rows / shape.batch) * (own + prefix.length) * width < detail::attention_worth_threads ? 1 : exec.thread_count();
  Index const prefix_rows = shape.batch * d_prefix.length;
  S* const parts = d_prefix.length == 0 ? nullptr : ThreadScratch<detail::PrefixGradientParts>::get<S>(2 * prefix_rows * k.width);
  RowsView<S> const parts_k(parts, prefix_rows, k.width, k.width);
  RowsView<S> const parts_v(parts == nullptr ? nullptr : parts + prefix_rows * k.width, prefix_rows, k.width, k.width);
  detail::HeadsOf<T> const heads{shape, width};
  parallel_for(threads, pairs, [&](Index item) {
    Index const sequence = item / shape.heads;
    Index const head = item % shape.heads;
    auto const keys_of = [&](RowsView<T const> const& rows, MatrixView<T const> const& before) {
      auto found = heads.rows(rows, sequence, head, before, prefix.length);
      found.own_rows = own;  // the minimal form has no use for the sequence's own
      return found;
    };
    auto const place = [&](auto const& rows) { return rows.rows == 0 ? rows : detail::head_of(rows, shape.batch, sequence, head, width); };
    detail::attend_backward<T>({heads.rows(q, sequence, head), keys_of(k, prefix.k), keys_of(v, prefix.v), heads.rows(y, sequence, head), heads.rows(dy, sequence, head),
                                detail::head_of(RowsView<S const>(log_sums), shape.batch, sequence, head, 1)},
                               width, {place(dq), place(dk), place(dv), place(parts_k), place(parts_v)});
  });
  if (parts == nullptr) { return; }
  detail::add_prefix_parts<S>(threads, shape.batch, parts_k, d_prefix.k);
  detail::add_prefix_parts<S>(threads, shape.batch, parts_v, d_prefix.v);
}

}  // namespace accrete::host
