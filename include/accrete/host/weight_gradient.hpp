#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/amx.hpp>
#include <accrete/host/amx_weight_gradient.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/host/tile_product.hpp>
#include <accrete/kernels/weight_gradient.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace accrete::host {
namespace detail {
/// Rows of dy and x that are summed in registers before the gradient is visited.
/// One panel of x over that many rows and one of dy fill the first-level cache.
inline constexpr Index gradient_depth = 256;

struct GradientPanels;

/// Columns [first, first + Width) of the rows, row after row, filled up with zeros.
template <Index Width, class T, class S>
void pack_columns(RowsView<T const> from, Index first, S* to) {
  Index const real = std::min(Width, from.width - first);
  for (Index k = 0; k < from.rows; ++k, to += Width) {
    T const* const row = from.row(k) + first;
    auto const widened = [row](Index i) {
      if constexpr (std::is_same_v<T, bfloat16>) {
        return to_float(row[i]);
      } else {
        return row[i];
      }
    };
    if (real == Width) {
      ACCRETE_UNROLL
      for (Index i = 0; i < Width; ++i) { to[i] = widened(i); }
    } else {
      for (Index i = 0; i < Width; ++i) { to[i] = i < real ? widened(i) : S{}; }
    }
  }
}

/// The same in pairs of neighbouring rows; behind an odd number of them stands a row of zeros.
template <Index Width>
void pack_columns(RowsView<bfloat16 const> from, Index first, bfloat16_pair* to) {
  Index const real = std::min(Width, from.width - first);
  for (Index k = 0; k < from.rows; k += 2, to += Width) {
    bfloat16 const* const upper = from.row(k) + first;
    bfloat16 const* const lower = k + 1 < from.rows ? from.row(k + 1) + first : nullptr;
    if constexpr (Width % simd::lanes<float> == 0) {
      for (Index i = 0; i < Width; i += simd::lanes<float>) {
        if (i < real) {
          simd::store(&to[i].bits, simd::zip_pairs(upper + i, lower == nullptr ? nullptr : lower + i, std::min<Index>(real - i, simd::lanes<float>)));
        } else {
          std::fill_n(to + i, simd::lanes<float>, bfloat16_pair{});
        }
      }
    } else {
      for (Index i = 0; i < Width; ++i) { to[i].bits = i < real ? std::uint32_t{upper[i].bits} | (lower == nullptr ? 0U : std::uint32_t{lower[i].bits} << 16U) : 0U; }
    }
  }
}

/// The panels of dy and x over a few samples, each of as many rows, and the blocks of a result that takes the products of one sample after the other.
/// @tparam T  scalar of dy and x;  @tparam Result  TileResult::add or, for the first rows, replace for gradients, TileResult::add_square for their squares
template <class T, TileResult Result>
class GradientChunk {
  using Element = TileElement<T>;
  using S = SumScalar<T>;

 public:
  static constexpr Index down = tile_rows;
  static constexpr Index across = tile_vectors * simd::lanes<S>;
  /// Panels of one item of work: those of dy stay in the second-level cache while the ones of x pass by.
  static constexpr Index item_down = 96 / down;
  static constexpr Index item_across = 12;

  /// @param rows  of one sample
  GradientChunk(Index outputs, Index inputs, Index samples, Index rows)
      : outputs_(outputs),
        inputs_(inputs),
        samples_(samples),
        rows_(rows),
        depth_(in_pairs<Element> ? (rows + 1) / 2 : rows),
        panels_down_((outputs + down - 1) / down),
        panels_across_((inputs + across - 1) / across),
        dy_(ThreadScratch<GradientPanels>::get<Element>(samples * depth_ * (panels_down_ * down + panels_across_ * across))),
        x_(dy_ + samples * depth_ * panels_down_ * down) {}

  void pack(int threads, RowsView<T const> dy, RowsView<T const> x) {
    Index const groups = (panels_down_ + item_down - 1) / item_down;
    share_out(threads, samples_ * (groups + panels_across_), [&](Index item) {
      Index const b = item / (groups + panels_across_);
      Index const part = item % (groups + panels_across_);
      auto const own = [&](RowsView<T const> all) { return RowsView<T const>(all.row(b * rows_), rows_, all.width, all.stride); };
      if (part >= groups) { return pack_columns<across>(own(x), (part - groups) * across, right(b, part - groups)); }
      for (Index p = part * item_down; p < std::min(panels_down_, (part + 1) * item_down); ++p) { pack_columns<down>(own(dy), p * down, left(b, p)); }
    });
  }

  /// A block of the result stays in the first-level cache while the samples pass by.
  void add_to(int threads, MatrixView<S> result) const {
    Index const items_down = (panels_down_ + item_down - 1) / item_down;
    Index const items_across = (panels_across_ + item_across - 1) / item_across;
    share_out(threads, items_down * items_across, [&](Index item) {
      Index const first = item / items_across * item_down;
      Index const last = std::min(panels_down_, first + item_down);
      for (Index q = item % items_across * item_across; q < std::min(panels_across_, (item % items_across + 1) * item_across); ++q) {
        for (Index b = 0; b < samples_; ++b) {
          for (Index p = first; p < last; ++p) { add_block(b, p, q, result); }
        }
      }
    });
  }

 private:
  [[nodiscard]] Element* left(Index b, Index p) const { return dy_ + (b * panels_down_ + p) * depth_ * down; }
  [[nodiscard]] Element* right(Index b, Index q) const { return x_ + (b * panels_across_ + q) * depth_ * across; }

  void add_block(Index b, Index p, Index q, MatrixView<S> result) const {
    S* const place = result.data() + p * down * inputs_ + q * across;
    Index const real_down = std::min(down, outputs_ - p * down);
    Index const real_across = std::min(across, inputs_ - q * across);
    if (real_across == across) { return multiply_panel<Element, TileLeft::columns, Result>(real_down, tile_vectors, {left(b, p), down, right(b, q), across, depth_, place, inputs_}); }
    S block[static_cast<std::size_t>(down * across)];
    multiply_panel<Element, TileLeft::columns>(real_down, tile_vectors, {left(b, p), down, right(b, q), across, depth_, block, across});
    for (Index i = 0; i < real_down; ++i) {
      for (Index j = 0; j < real_across; ++j) {
        S const value = block[i * across + j];
        S const before = Result == TileResult::replace ? S{} : place[i * inputs_ + j];
        place[i * inputs_ + j] = before + (Result == TileResult::add_square ? value * value : value);
      }
    }
  }

  Index outputs_;
  Index inputs_;
  Index samples_;
  Index rows_;   // of a sample
  Index depth_;  // elements of a sample that are summed over
  Index panels_down_;
  Index panels_across_;
  Element* dy_;
  Element* x_;
};
}  // namespace detail

/// Chunks of 256 rows one after the other: their columns are copied to where register tiles want them, bfloat16 in pairs or widened to float,
/// and every element of dw gets one chain of fused additions per chunk. Threads share the blocks of dw. bfloat16 goes to tile registers where there are any.
template <class Products, class T>
void weight_gradient_on(HostExecutor<Products> const& exec, RowsView<T const> dy, RowsView<T const> x, MatrixView<SumScalar<T>> dw, bool accumulate = true) {
  constexpr Index worth_threads = Index{1} << 17;
  if constexpr (std::is_same_v<T, bfloat16>) {
    if (amx::available()) { return amx_weight_gradient(dy.rows * dw.size() < worth_threads ? 1 : exec.thread_count(), dy, x, dw, accumulate); }
  }
  auto const take = [&]<TileResult result>(Index first) {
    Index const rows = std::min(detail::gradient_depth, dy.rows - first);
    int const threads = rows * dw.size() < worth_threads ? 1 : exec.thread_count();
    detail::GradientChunk<T, result> chunk(dy.width, x.width, 1, rows);
    chunk.pack(threads, RowsView<T const>(dy.row(first), rows, dy.width, dy.stride), RowsView<T const>(x.row(first), rows, x.width, x.stride));
    chunk.add_to(threads, dw);
  };
  if (!accumulate) { take.template operator()<TileResult::replace>(0); }
  for (Index first = accumulate ? 0 : detail::gradient_depth; first < dy.rows; first += detail::gradient_depth) { take.template operator()<TileResult::add>(first); }
}

}  // namespace accrete::host
