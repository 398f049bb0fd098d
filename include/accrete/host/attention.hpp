#pragma once

#include <accrete/config.hpp>
#include <accrete/core/bfloat16.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/amx.hpp>
#include <accrete/host/bfloat16_pair.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/functions.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/host/tile_product.hpp>
#include <accrete/kernels/attention.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

/// One vector of elements from the first `count` scalars of `from`; missing ones are zero.
template <class Element, class T>
[[nodiscard]] auto load_elements(T const* from, Index count) {
  if constexpr (in_pairs<Element>) {
    return simd::load_pairs(from, count);
  } else {
    return count >= simd::lanes<Element> ? simd::load_wide(from) : simd::load_wide_part(from, count);
  }
}

template <class Element, class Bits>
void store_elements(Element* to, Bits v) {
  if constexpr (in_pairs<Element>) {
    simd::store(&to->bits, v);
  } else {
    simd::store(to, v);
  }
}

template <class Sum, class Y>
void store_some(Y* to, simd::Vec<Sum> value, Index count) {
  if (count >= simd::lanes<Sum>) { return simd::store_narrow(to, value); }
  simd::store_narrow_part(to, value, count);
}

/// Multiples that the vectors beside each other and the elements of a row are filled up to with zeros, and the most vectors of a panel.
struct TilePadding {
  Index vectors = 1;
  Index depth = 1;
  Index most_vectors = tile_vectors;
};

/// How the arrays of one head are cut into vectors and elements.
template <class Element>
struct HeadLayout {
  static constexpr Index per_element = in_pairs<Element> ? 2 : 1;
  using Sum = typename TileArithmetic<Element>::Sum;
  static constexpr Index step = simd::lanes<Sum>;

  Index width;  ///< of a head, in scalars
  Index keys;
  TilePadding padding{};
  TileColumns key_columns{units(keys, step, padding.vectors), padding.most_vectors};
  TileColumns value_columns{units(width, step, padding.vectors), padding.most_vectors};
  Index score_stride = key_columns.vectors * step;
  Index value_stride = value_columns.vectors * step;
  Index score_depth = units(width, per_element, padding.depth);  ///< elements of one query
  Index value_depth = units(keys, per_element, padding.depth);   ///< elements of one row of weights
  Index query_stride = units(score_depth, 1, step);

 private:
  /// How many units of `size` hold `count`, filled up to a multiple.
  static constexpr Index units(Index count, Index size, Index multiple) { return (count + size * multiple - 1) / (size * multiple) * multiple; }
};

/// The products of a head by vector registers.
template <class T>
struct VectorTiles {
  using Element = TileElement<T>;
  static constexpr Index block = 4 * tile_rows;  ///< queries that share one pass over the packed keys: their scores stay in the first two cache levels
  static constexpr TilePadding padding{};

  /// A panel of y = a b.
  static void multiply(Index rows, Index vectors, TileOperands<Element> const& operands) { multiply_panel<Element>(rows, vectors, operands); }
};

/// The same by tile registers, whose state lasts as long as the object. Rows of y up to the next multiple of 16 are overwritten.
struct AmxTiles {
  using Element = bfloat16_pair;
  static constexpr Index block = amx::block_rows;
  static constexpr Index vectors = amx::block_columns / simd::lanes<float>;
  static constexpr TilePadding padding{.vectors = vectors, .depth = amx::tile_pairs, .most_vectors = vectors};

  static void multiply(Index rows, Index /*vectors*/, TileOperands<Element> const& o) {
    amx::BlockOperands const operands{.a = o.a,
                                      .a_stride = o.a_stride,
                                      .a_step = amx::tile_pairs,
                                      .b = o.b,
                                      .b_stride = o.b_stride,
                                      .b_step = amx::tile_pairs * o.b_stride,
                                      .b_right = amx::tile_columns,
                                      .steps = o.depth / amx::tile_pairs,
                                      .y = o.y,
                                      .y_stride = o.y_stride};
    amx::multiply_rows(rows, operands, false);
  }

 private:
  [[maybe_unused]] amx::TileScope scope_;
};

/// Keys with the vectors along the keys, panel after panel: [panel][element][vectors of the panel]. Missing keys are zeros.
template <class T, class Element>
void pack_keys(HeadRows<T> const& keys, HeadLayout<Element> const& layout, Element* packed) {
  constexpr Index step = HeadLayout<Element>::step;
  constexpr Index per_element = HeadLayout<Element>::per_element;
  using Word = std::conditional_t<in_pairs<Element>, std::uint32_t, typename HeadLayout<Element>::Sum>;
  TileColumns const columns = layout.key_columns;
  for (Index tile = 0; tile < columns.tiles(); ++tile) {
    Index const stride = columns.width(tile) * step;
    for (Index vector = 0; vector < columns.width(tile); ++vector) {
      Index const first = (columns.first(tile) + vector) * step;
      Element* const to = packed + columns.first(tile) * step * layout.score_depth + vector * step;
      for (Index e = 0; e < layout.score_depth; e += step) {
        Index const scalar = e * per_element;
        simd::Vec<Word> block[static_cast<std::size_t>(step)];
        for (Index i = 0; i < step; ++i) { block[i] = first + i < keys.count() ? load_elements<Element>(keys.row(first + i) + scalar, layout.width - scalar) : simd::Vec<Word>{}; }
        simd::transpose<Word>(block);
        for (Index i = 0; i < std::min(step, layout.score_depth - e); ++i) { store_elements(to + (e + i) * stride, block[i]); }
      }
    }
  }
}

/// Values with the vectors along the width, filled up with zeros; where elements are pairs, those of two neighbouring rows.
template <class T, class Element>
void pack_values(HeadRows<T> const& values, HeadLayout<Element> const& layout, Element* packed) {
  for (Index e = 0; e < layout.value_depth; ++e) {
    for (Index d = 0; d < layout.width; d += HeadLayout<Element>::step) {
      Element* const to = packed + e * layout.value_stride + d;
      if constexpr (in_pairs<Element>) {
        auto const row = [&](Index i) { return i < values.count() ? values.row(i) + d : nullptr; };
        store_elements(to, simd::zip_pairs(row(2 * e), row(2 * e + 1), layout.width - d));
      } else {
        store_elements(to, load_elements<Element>(values.row(e) + d, layout.width - d));
      }
    }
  }
}

/// Queries [first, first + rows) one after the other, filled up with zeros.
template <class T, class Element>
void pack_queries(HeadRows<T> const& queries, Index first, Index rows, HeadLayout<Element> const& layout, Element* packed) {
  constexpr Index per_element = HeadLayout<Element>::per_element;
  for (Index i = 0; i < rows; ++i) {
    for (Index e = 0; e < layout.score_depth; e += HeadLayout<Element>::step) {
      store_elements(packed + i * layout.query_stride + e, load_elements<Element>(queries.row(first + i) + e * per_element, layout.width - e * per_element));
    }
  }
}

/// What the weights of a row were made with: exp(scale score) = weight exp(scale largest).
template <class Sum>
struct RowWeights {
  Sum largest;
  Sum sum;
};

/// weights = exp(scale (score - largest)) of one row; those from `count` to `stride` become zero.
template <class Sum, class Weight>
[[nodiscard]] RowWeights<Sum> weights_of_row(Sum const* scores, Index count, Sum scale, Weight* weights, Index stride) {
  constexpr Index step = simd::lanes<Sum>;
  constexpr Sum lowest = -std::numeric_limits<Sum>::infinity();
  Index const whole = count / step * step;
  auto const inside = simd::lane_numbers<Sum>() < static_cast<Sum>(count - whole);
  auto best = simd::broadcast(lowest);
  for (Index c = 0; c < whole; c += step) { best = simd::larger(best, simd::load(scores + c)); }
  if (whole < count) { best = simd::larger(best, inside ? simd::load(scores + whole) : simd::broadcast(lowest)); }
  Sum const largest = simd::largest_lane<Sum>(best);
  simd::Vec<Sum> sum{};
  for (Index c = 0; c < whole; c += step) {
    auto const weight = simd::exponential_of_negative((simd::load(scores + c) - largest) * scale);
    simd::store_narrow(weights + c, weight);
    sum += weight;
  }
  if (whole < count) {
    auto const weight = simd::exponential_of_negative((simd::load(scores + whole) - largest) * scale);
    auto const masked = inside ? weight : simd::Vec<Sum>{};
    simd::store_narrow(weights + whole, masked);
    sum += masked;
  }
  std::fill(weights + (count + step - 1) / step * step, weights + stride, Weight{});
  return {largest, simd::sum_of_lanes<Sum>(sum)};
}

struct TileElements;
struct AttentionSums;

/// One head of one sequence: queries [first, first + count) against all keys.
/// @param[out] log_sums  one per query, the `stride` apart; or without data
template <class Tiles, class T, class Y>
void attend_with(HeadRows<T> const& queries, Index first, Index count, HeadRows<T> const& keys, HeadRows<T> const& values, Index width, RowsView<Y> y, RowsView<SumScalar<T>> log_sums) {
  using Element = typename Tiles::Element;
  using Layout = HeadLayout<Element>;
  using Sum = typename Layout::Sum;
  Layout const layout{width, keys.count(), Tiles::padding};
  Tiles const tiles{};

  Element* const packed_keys =
      ThreadScratch<TileElements>::get<Element>(layout.score_stride * layout.score_depth + layout.value_depth * layout.value_stride + Tiles::block * (layout.query_stride + layout.score_stride));
  Element* const packed_values = packed_keys + layout.score_stride * layout.score_depth;
  Element* const packed_queries = packed_values + layout.value_depth * layout.value_stride;
  Element* const weights = packed_queries + Tiles::block * layout.query_stride;
  Sum* const scores = ThreadScratch<AttentionSums>::get<Sum>(Tiles::block * (layout.score_stride + layout.value_stride));
  Sum* const sums = scores + Tiles::block * layout.score_stride;
  Index const weight_stride = layout.score_stride / Layout::per_element;

  pack_keys(keys, layout, packed_keys);
  pack_values(values, layout, packed_values);
  Sum const scale = Sum{1} / std::sqrt(static_cast<Sum>(width));
  for (Index block = first; block < first + count; block += Tiles::block) {
    Index const rows = std::min(Tiles::block, first + count - block);
    pack_queries(queries, block, rows, layout, packed_queries);
    for (Index tile = 0; tile < layout.key_columns.tiles(); ++tile) {
      Index const vectors = layout.key_columns.width(tile);
      Index const column = layout.key_columns.first(tile) * Layout::step;
      tiles.multiply(rows, vectors, {packed_queries, layout.query_stride, packed_keys + column * layout.score_depth, vectors * Layout::step, layout.score_depth, scores + column, layout.score_stride});
    }
    Sum factor[static_cast<std::size_t>(Tiles::block)];
    for (Index i = 0; i < rows; ++i) {
      using Weight = std::conditional_t<in_pairs<Element>, bfloat16, Sum>;
      auto const row = weights_of_row(scores + i * layout.score_stride, layout.keys, scale, reinterpret_cast<Weight*>(weights + i * weight_stride), layout.score_stride);
      factor[i] = Sum{1} / row.sum;
      if (log_sums.data != nullptr) { *log_sums.row(block + i) = row.largest * scale + std::log(row.sum); }
    }
    for (Index tile = 0; tile < layout.value_columns.tiles(); ++tile) {
      Index const column = layout.value_columns.first(tile) * Layout::step;
      tiles.multiply(rows, layout.value_columns.width(tile), {weights, weight_stride, packed_values + column, layout.value_stride, layout.value_depth, sums + column, layout.value_stride});
    }
    for (Index i = 0; i < rows; ++i) {
      for (Index d = 0; d < width; d += Layout::step) { store_some<Sum>(y.row(block + i) + d, simd::load(sums + i * layout.value_stride + d) * factor[i], width - d); }
    }
  }
}

/// The same by the fastest tiles there are for the scalar.
template <class T, class... Operands>
void attend(Operands const&... operands) {
  if constexpr (in_pairs<TileElement<T>>) {
    if (amx::available()) { return attend_with<AmxTiles>(operands...); }
  }
  attend_with<VectorTiles<T>>(operands...);
}

/// Where the heads of a batch lie.
template <class T>
struct HeadsOf {
  kernels::AttentionShape shape;
  Index width;  ///< of a head

  /// The rows of one head of one sequence, the prefix's first.
  [[nodiscard]] HeadRows<T> rows(RowsView<T const> const& own, Index sequence, Index head, MatrixView<T const> const& before = {}, Index prefix = 0) const {
    Index const count = own.rows / shape.batch;
    Index const first = before.extent(0) == prefix ? 0 : sequence * prefix;
    T const* const prefix_rows = prefix == 0 ? nullptr : before.data() + first * own.width + head * width;
    return {prefix_rows, prefix, own.width, own.row(sequence * count) + head * width, count, own.stride};
  }
};

/// The same columns of rows to be written.
template <class Y>
[[nodiscard]] RowsView<Y> head_of(RowsView<Y> rows, Index batch, Index sequence, Index head, Index width) {
  Index const count = rows.rows / batch;
  return {rows.row(sequence * count) + head * width, count, width, rows.stride};
}

/// Below this many multiplications one thread is done before a second one has woken.
inline constexpr Index attention_worth_threads = Index{1} << 17;

template <class Products, class T, class Y>
void attend_all(HostExecutor<Products> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape, kernels::KeyValuePrefix<T> const& prefix,
                RowsView<Y> y, RowsView<SumScalar<T>> log_sums) {
  Index const width = q.width / shape.heads;
  Index const queries = q.rows / shape.batch;
  Index const keys = k.rows / shape.batch + prefix.length;
  Index const pairs = shape.batch * shape.heads;
  int const threads = 2 * pairs * queries * keys * width < attention_worth_threads ? 1 : exec.thread_count();
  Index const parts = pairs >= 4 * threads ? 1 : std::clamp<Index>(queries / VectorTiles<T>::block, 1, threads);
  HeadsOf<T> const heads{shape, width};
  parallel_for(threads, pairs * parts, [&](Index item) {
    Index const part = item % parts;
    Index const sequence = item / parts / shape.heads;
    Index const head = item / parts % shape.heads;
    Index const first = queries * part / parts;
    Index const last = queries * (part + 1) / parts;
    attend<T>(heads.rows(q, sequence, head), first, last - first, heads.rows(k, sequence, head, prefix.k, prefix.length), heads.rows(v, sequence, head, prefix.v, prefix.length), width,
              head_of(y, shape.batch, sequence, head, width), log_sums.data == nullptr ? log_sums : head_of(log_sums, shape.batch, sequence, head, 1));
  });
}
}  // namespace detail

/// One head of one sequence at a time, keys and values copied to where vectors want them. bfloat16 is multiplied as such, weights
/// rounded to it, where the processor can, and widened to float elsewhere; scores and sums are float.
/// With fewer heads than threads would like, the queries of a head are divided too.
template <class Products, class T, class Y>
void attention_on(HostExecutor<Products> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape, kernels::KeyValuePrefix<T> const& prefix,
                  RowsView<Y> y) {
  detail::attend_all(exec, q, k, v, shape, prefix, y, RowsView<SumScalar<T>>());
}

template <class Products, class T>
void attention_with_log_sums_on(HostExecutor<Products> const& exec, RowsView<T const> q, RowsView<T const> k, RowsView<T const> v, kernels::AttentionShape shape,
                                kernels::KeyValuePrefix<T> const& prefix, RowsView<T> y, MatrixView<SumScalar<T>> log_sums) {
  detail::attend_all(exec, q, k, v, shape, prefix, y, RowsView<SumScalar<T>>(log_sums));
}

}  // namespace accrete::host
