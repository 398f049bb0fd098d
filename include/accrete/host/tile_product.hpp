#pragma once

#include <accrete/config.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/bfloat16_pair.hpp>
#include <accrete/host/simd.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace accrete::host {

/// Largest register tile: `tile_rows` rows of `tile_vectors` vectors, sums and operands together fill the register file.
inline constexpr int tile_rows = 6;
inline constexpr int tile_vectors = ACCRETE_VECTOR_BYTES == 64 ? 4 : 2;

/// How `vectors` vectors fall into tiles of at most `most`, as evenly as they can: 13 = 3 + 3 + 3 + 4.
struct TileColumns {
  Index vectors = 0;
  Index most = tile_vectors;

  [[nodiscard]] constexpr Index tiles() const { return (vectors + most - 1) / most; }
  [[nodiscard]] constexpr Index first(Index tile) const { return vectors * tile / tiles(); }
  [[nodiscard]] constexpr Index width(Index tile) const { return first(tile + 1) - first(tile); }
};

/// How the elements of a tile are multiplied and added: float and double as themselves.
template <class Element>
struct TileArithmetic {
  using Sum = Element;

  static simd::Vec<Element> left(Element a) { return simd::broadcast(a); }
  static simd::Vec<Element> right(Element const* b) { return simd::load(b); }
  static simd::Vec<Sum> add(simd::Vec<Element> a, simd::Vec<Element> b, simd::Vec<Sum> sum) { return simd::multiply_add(a, b, sum); }
};

/// Pairs of bfloat16 add both their products to a float.
template <>
struct TileArithmetic<bfloat16_pair> {
  using Sum = float;

#if ACCRETE_WITH_BFLOAT16_DOT
  static simd::Vec<std::uint32_t> left(bfloat16_pair a) { return simd::broadcast(a.bits); }
  static simd::Vec<std::uint32_t> right(bfloat16_pair const* b) { return simd::load(&b->bits); }
  static simd::Vec<float> add(simd::Vec<std::uint32_t> a, simd::Vec<std::uint32_t> b, simd::Vec<float> sum) { return simd::multiply_add_pairs(a, b, sum); }
#endif
};

/// What the products of a scalar T multiply: T itself, float for a bfloat16 that must be widened, or pairs of bfloat16.
template <class T>
using TileElement = std::conditional_t<!std::is_same_v<T, bfloat16>, T, std::conditional_t<ACCRETE_WITH_BFLOAT16_DOT != 0, bfloat16_pair, float>>;

template <class Element>
inline constexpr bool in_pairs = std::is_same_v<Element, bfloat16_pair>;

/// How the left operand lies in memory: row after row of the result, or one column of it (all rows at one depth) after the other.
enum class TileLeft { rows, columns };
/// What a product does to what stands in its place: it takes it, or is added to it, or its elements' squares are.
enum class TileResult { replace, add, add_square };

/// Operands of one tile: y = a b. All distances are in elements.
template <class Element>
struct TileOperands {
  using Sum = typename TileArithmetic<Element>::Sum;

  Element const* a;  // [rows, depth], or [depth, rows] for TileLeft::columns
  Index a_stride;
  Element const* b;  // [depth, columns], columns a multiple of the lanes
  Index b_stride;
  Index depth;
  Sum* y;  // [rows, columns]
  Index y_stride;
};

namespace detail {
/// Every element is one chain of multiply-adds over the depth, in order: its bits depend neither on the tile's size nor on its neighbours.
template <TileLeft Left, TileResult Result, int Rows, int Vectors, class Element>
void multiply_tile(TileOperands<Element> const& o) {
  using Arithmetic = TileArithmetic<Element>;
  using Sum = typename Arithmetic::Sum;
  constexpr Index step = simd::lanes<Sum>;
  simd::Vec<Sum> sum[static_cast<std::size_t>(Rows)][static_cast<std::size_t>(Vectors)] = {};
  if constexpr (Result != TileResult::replace) {  // what the sums meet at the end comes while they grow: a seventh of the time where it lies outside of the caches
    ACCRETE_UNROLL
    for (int i = 0; i < Rows; ++i) {
      ACCRETE_UNROLL
      for (int j = 0; j < Vectors; ++j) { __builtin_prefetch(o.y + i * o.y_stride + j * step, 1); }
    }
  }
  Element const* b = o.b;
  for (Index k = 0; k < o.depth; ++k, b += o.b_stride) {
    decltype(Arithmetic::right(b)) right[static_cast<std::size_t>(Vectors)];
    ACCRETE_UNROLL
    for (int j = 0; j < Vectors; ++j) { right[j] = Arithmetic::right(b + j * step); }
    ACCRETE_UNROLL
    for (int i = 0; i < Rows; ++i) {
      auto const left = Arithmetic::left(Left == TileLeft::rows ? o.a[i * o.a_stride + k] : o.a[k * o.a_stride + i]);
      ACCRETE_UNROLL
      for (int j = 0; j < Vectors; ++j) { sum[i][j] = Arithmetic::add(left, right[j], sum[i][j]); }
    }
  }
  ACCRETE_UNROLL
  for (int i = 0; i < Rows; ++i) {
    ACCRETE_UNROLL
    for (int j = 0; j < Vectors; ++j) {
      Sum* const place = o.y + i * o.y_stride + j * step;
      if constexpr (Result == TileResult::add_square) {
        simd::store(place, simd::multiply_add(sum[i][j], sum[i][j], simd::load(place)));
      } else {
        simd::store(place, Result == TileResult::add ? simd::load(place) + sum[i][j] : sum[i][j]);
      }
    }
  }
}

template <TileLeft Left, TileResult Result, int Vectors, class Element>
void multiply_all_rows(Index rows, TileOperands<Element> o) {
  Index const next = tile_rows * (Left == TileLeft::rows ? o.a_stride : 1);
  for (; rows >= tile_rows; rows -= tile_rows, o.a += next, o.y += tile_rows * o.y_stride) { multiply_tile<Left, Result, tile_rows, Vectors>(o); }
  switch (rows) {
    case 5: return multiply_tile<Left, Result, 5, Vectors>(o);
    case 4: return multiply_tile<Left, Result, 4, Vectors>(o);
    case 3: return multiply_tile<Left, Result, 3, Vectors>(o);
    case 2: return multiply_tile<Left, Result, 2, Vectors>(o);
    case 1: return multiply_tile<Left, Result, 1, Vectors>(o);
    default: return;
  }
}
}  // namespace detail

/// y = a b, or y += a b, for any number of rows and `vectors` <= tile_vectors vectors of columns, by register tiles.
template <class Element, TileLeft Left = TileLeft::rows, TileResult Result = TileResult::replace>
void multiply_panel(Index rows, Index vectors, TileOperands<Element> const& operands) {
  switch (vectors) {
    case 1: return detail::multiply_all_rows<Left, Result, 1>(rows, operands);
    case 2: return detail::multiply_all_rows<Left, Result, 2>(rows, operands);
    default: break;
  }
  if constexpr (tile_vectors == 4) {
    if (vectors == 3) { return detail::multiply_all_rows<Left, Result, 3>(rows, operands); }
    detail::multiply_all_rows<Left, Result, 4>(rows, operands);
  }
}

}  // namespace accrete::host
