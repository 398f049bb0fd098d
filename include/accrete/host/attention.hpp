#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/functions.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/host/tile_product.hpp>
#include <accrete/kernels/attention.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace accrete::host {
namespace detail {

/// Where the rows of one head of one sequence lie: the prefix's first, then the sequence's own.
template <class T>
struct HeadRows {
  T const* prefix;
  Index prefix_rows;
  Index prefix_stride;
  T const* own;
  Index own_rows;
  Index own_stride;

  [[nodiscard]] Index count() const { return prefix_rows + own_rows; }
  [[nodiscard]] T const* row(Index i) const { return i < prefix_rows ? prefix + i * prefix_stride : own + (i - prefix_rows) * own_stride; }
};

template <class T>
[[nodiscard]] auto load_some(T const* from, Index count) {
  using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
  if (count >= simd::lanes<Wide>) { return simd::load_wide(from); }
  T part[simd::lanes<Wide>] = {};
  std::copy_n(from, count, part);
  return simd::load_wide(part);
}

template <class T, class Y>
void store_some(Y* to, simd::Vec<T> value, Index count) {
  if (count >= simd::lanes<T>) { return simd::store_narrow(to, value); }
  Y part[simd::lanes<T>];
  simd::store_narrow(part, value);
  std::copy_n(part, count, to);
}

/// Keys with the vectors along the keys, panel after panel: [panel][width][vectors of the panel]. Missing keys are zeros.
template <class T, class Wide>
void pack_keys(HeadRows<T> const& keys, Index width, Wide* packed) {
  constexpr Index step = simd::lanes<Wide>;
  TileColumns const columns{(keys.count() + step - 1) / step};
  for (Index tile = 0; tile < columns.tiles(); ++tile) {
    Index const stride = columns.width(tile) * step;
    for (Index vector = 0; vector < columns.width(tile); ++vector) {
      Index const first = (columns.first(tile) + vector) * step;
      Wide* const to = packed + columns.first(tile) * step * width + vector * step;
      for (Index d = 0; d < width; d += step) {
        simd::Vec<Wide> block[static_cast<std::size_t>(step)];
        for (Index i = 0; i < step; ++i) { block[i] = first + i < keys.count() ? load_some(keys.row(first + i) + d, width - d) : simd::Vec<Wide>{}; }
        simd::transpose<Wide>(block);
        for (Index i = 0; i < std::min(step, width - d); ++i) { simd::store(to + (d + i) * stride, block[i]); }
      }
    }
  }
}

/// Rows side by side, scaled, each filled up with zeros to whole vectors: [rows][stride].
template <class T, class Wide>
void pack_rows(HeadRows<T> const& rows, Index first, Index count, Index width, Index stride, Wide scale, Wide* packed) {
  for (Index i = 0; i < count; ++i) {
    T const* const from = rows.row(first + i);
    for (Index d = 0; d < width; d += simd::lanes<Wide>) { simd::store(packed + i * stride + d, load_some(from + d, width - d) * scale); }
  }
}

/// Each row of scores becomes exp(score - maximum); entries past `count` are ignored.
/// @returns 1 / sum of the row
template <class T>
[[nodiscard]] T exponentials_in_place(T* scores, Index count) {
  constexpr Index step = simd::lanes<T>;
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  Index const whole = count / step * step;
  auto const inside = simd::lane_numbers<T>() < static_cast<T>(count - whole);
  auto best = simd::broadcast(lowest);
  for (Index c = 0; c < whole; c += step) { best = simd::larger(best, simd::load(scores + c)); }
  if (whole < count) { best = simd::larger(best, inside ? simd::load(scores + whole) : simd::broadcast(lowest)); }
  T const largest = simd::largest_lane<T>(best);
  simd::Vec<T> sum{};
  for (Index c = 0; c < whole; c += step) {
    auto const value = simd::exponential_of_negative(simd::load(scores + c) - largest);
    simd::store(scores + c, value);
    sum += value;
  }
  if (whole < count) {
    auto const value = simd::exponential_of_negative(simd::load(scores + whole) - largest);
    simd::store(scores + whole, value);
    sum += inside ? value : simd::Vec<T>{};
  }
  return T{1} / simd::sum_of_lanes<T>(sum);
}

struct AttentionScratch;

/// Queries that share one pass over the packed keys: their scores stay in the first two cache levels.
inline constexpr Index attention_block = 4 * tile_rows;

/// One head of one sequence: queries [first, first + count) against all keys.
template <class T, class Y>
void attend(HeadRows<T> const& queries, Index first, Index count, HeadRows<T> const& keys, HeadRows<T> const& values, Index width, RowsView<Y> y) {
  using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
  constexpr Index step = simd::lanes<Wide>;
  TileColumns const key_columns{(keys.count() + step - 1) / step};
  TileColumns const value_columns{(width + step - 1) / step};
  Index const score_stride = key_columns.vectors * step;
  Index const value_stride = value_columns.vectors * step;

  Wide* const packed_keys = ThreadScratch<AttentionScratch>::get<Wide>(score_stride * width + keys.count() * value_stride + attention_block * (score_stride + 2 * value_stride));
  Wide* const packed_values = packed_keys + score_stride * width;
  Wide* const packed_queries = packed_values + keys.count() * value_stride;
  Wide* const scores = packed_queries + attention_block * value_stride;
  Wide* const sums = scores + attention_block * score_stride;

  pack_keys(keys, width, packed_keys);
  pack_rows(values, 0, keys.count(), width, value_stride, Wide{1}, packed_values);
  Wide const scale = Wide{1} / std::sqrt(static_cast<Wide>(width));
  for (Index block = first; block < first + count; block += attention_block) {
    Index const rows = std::min(attention_block, first + count - block);
    pack_rows(queries, block, rows, width, value_stride, scale, packed_queries);
    for (Index tile = 0; tile < key_columns.tiles(); ++tile) {
      Index const vectors = key_columns.width(tile);
      Index const column = key_columns.first(tile) * step;
      multiply_panel<Wide>(rows, vectors, {packed_queries, value_stride, packed_keys + column * width, vectors * step, width, scores + column, score_stride});
    }
    Wide factor[static_cast<std::size_t>(attention_block)];
    for (Index i = 0; i < rows; ++i) { factor[i] = exponentials_in_place(scores + i * score_stride, keys.count()); }
    for (Index tile = 0; tile < value_columns.tiles(); ++tile) {
      Index const column = value_columns.first(tile) * step;
      multiply_panel<Wide>(rows, value_columns.width(tile), {scores, score_stride, packed_values + column, value_stride, keys.count(), sums + column, value_stride});
    }
    for (Index i = 0; i < rows; ++i) {
      for (Index d = 0; d < width; d += step) { store_some<Wide>(y.row(block + i) + d, simd::load(sums + i * value_stride + d) * factor[i], width - d); }
    }
  }
}
}  // namespace detail

/// One head of one sequence at a time, keys and values copied to where vectors want them; bfloat16 is widened while copying.
/// With fewer heads than threads would like, the queries of a head are divided too.
template <class Products, class T, class Y>
void attention_on(HostExecutor<Products> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape, kernels::KeyValuePrefix<T> const& prefix,
                  RowsView<Y> y) {
  Index const width = q.width / shape.heads;
  Index const queries = q.rows / shape.batch;
  Index const keys = k.rows / shape.batch;
  bool const shared = prefix.k.extent(0) == prefix.length;
  Index const pairs = shape.batch * shape.heads;
  int const threads = 2 * pairs * queries * (keys + prefix.length) * width < 131072 ? 1 : exec.thread_count();
  Index const parts = pairs >= 4 * threads ? 1 : std::clamp<Index>(queries / detail::attention_block, 1, threads);
  parallel_for(threads, pairs * parts, [&](Index item) {
    Index const part = item % parts;
    Index const sequence = item / parts / shape.heads;
    Index const column = item / parts % shape.heads * width;
    Index const prefix_row = shared ? 0 : sequence * prefix.length;
    auto const rows_of = [&](RowsView<T const> const& own, MatrixView<T const> const& before) {
      T const* const first = prefix.length == 0 ? nullptr : before.data() + prefix_row * own.width + column;
      return detail::HeadRows<T>{first, prefix.length, own.width, own.row(sequence * keys) + column, keys, own.stride};
    };
    detail::HeadRows<T> const head_queries{nullptr, 0, 0, q.row(sequence * queries) + column, queries, q.stride};
    Index const first = queries * part / parts;
    Index const last = queries * (part + 1) / parts;
    detail::attend(head_queries, first, last - first, rows_of(k, prefix.k), rows_of(v, prefix.v), width, RowsView<Y>(y.row(sequence * queries) + column, queries, width, y.stride));
  });
}

}  // namespace accrete::host
