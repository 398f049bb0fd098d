#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/amx.hpp>
#include <accrete/host/bfloat16_pair.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/host/simd.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace accrete::host {
namespace detail {
struct AmxGradientTiles;

/// dy and x over some rows as tile registers read them: panels of 32 outputs or inputs, each [32 rows][tile of the pair]. Missing rows and columns are zero.
class AmxGradientChunk {
 public:
  AmxGradientChunk(Index outputs, Index inputs, Index rows)
      : outputs_(outputs),
        inputs_(inputs),
        steps_((rows + step_rows - 1) / step_rows),
        down_((outputs + amx::block_rows - 1) / amx::block_rows),
        across_((inputs + amx::block_columns - 1) / amx::block_columns),
        dy_(ThreadScratch<AmxGradientTiles>::get<bfloat16_pair>((down_ + across_) * steps_ * step_pairs)),
        x_(dy_ + down_ * steps_ * step_pairs) {}

  void pack(int threads, RowsView<bfloat16 const> dy, RowsView<bfloat16 const> x) {
    parallel_ranges(threads, steps_, step_rows * (outputs_ + inputs_), [&](Index first, Index last) {
      for (Index step = first; step < last; ++step) {
        for (Index half = 0; half < 2 * down_; ++half) { pack_left(dy, step * step_rows, half * amx::tile_rows, dy_ + tile(half, step)); }
        for (Index half = 0; half < 2 * across_; ++half) { pack_right(x, step * step_rows, half * amx::tile_columns, x_ + tile(half, step)); }
      }
    });
  }

  /// @param accumulate  false: in the place of what is there
  void add_to(int threads, MatrixView<float> dw, bool accumulate) const {
    Index const items_down = (down_ + item_down - 1) / item_down;
    Index const items_across = (across_ + item_across - 1) / item_across;
    share_out(threads, items_down * items_across, [&](Index item) {
      [[maybe_unused]] amx::TileScope const scope;
      Index const first = item / items_across * item_down;
      Index const begin = item % items_across * item_across;
      for (Index p = first; p < std::min(down_, first + item_down); ++p) {
        for (Index q = begin; q < std::min(across_, begin + item_across); ++q) { add_block(p, q, dw, accumulate); }
      }
    });
  }

 private:
  static constexpr Index step_rows = 2 * amx::tile_pairs;
  static constexpr Index step_pairs = 2 * amx::tile_size;
  /// Panels of one item of work: those of x stay in the second-level cache while the ones of dy pass by.
  static constexpr Index item_down = 6;
  static constexpr Index item_across = 8;

  /// Where the tile of half a panel begins.
  [[nodiscard]] Index tile(Index half, Index step) const { return (half / 2 * steps_ + step) * step_pairs + half % 2 * amx::tile_size; }

  /// Pairs of neighbouring rows from `first` on, in `lanes` columns.
  static simd::Vec<std::uint32_t> pairs_of(RowsView<bfloat16 const> from, Index first, Index column) {
    Index const count = std::clamp<Index>(from.width - column, 0, simd::lanes<float>);
    auto const row = [&](Index i) { return i < from.rows && count > 0 ? from.row(i) + column : nullptr; };
    return simd::zip_pairs(row(first), row(first + 1), count);
  }

  static void pack_right(RowsView<bfloat16 const> from, Index first, Index column, bfloat16_pair* to) {
    for (Index pair = 0; pair < amx::tile_pairs; ++pair, to += amx::tile_columns) {
      for (Index j = 0; j < amx::tile_columns; j += simd::lanes<float>) { simd::store(&to[j].bits, pairs_of(from, first + 2 * pair, column + j)); }
    }
  }

  static void pack_left(RowsView<bfloat16 const> from, Index first, Index column, bfloat16_pair* to) {
    constexpr Index lanes = simd::lanes<float>;
    for (Index pair = 0; pair < amx::tile_pairs; pair += lanes) {
      for (Index i = 0; i < amx::tile_rows; i += lanes) {
        simd::Vec<std::uint32_t> block[static_cast<std::size_t>(lanes)];
        for (Index k = 0; k < lanes; ++k) { block[k] = pairs_of(from, first + 2 * (pair + k), column + i); }
        simd::transpose<std::uint32_t>(block);
        for (Index k = 0; k < lanes; ++k) { simd::store(&to[(i + k) * amx::tile_pairs + pair].bits, block[k]); }
      }
    }
  }

  void add_block(Index p, Index q, MatrixView<float> dw, bool accumulate) const {
    Index const row = p * amx::block_rows;
    Index const column = q * amx::block_columns;
    Index const rows = std::min(amx::block_rows, outputs_ - row);
    Index const columns = std::min(amx::block_columns, inputs_ - column);
    float* const place = dw.data() + row * inputs_ + column;
    amx::BlockOperands operands = amx::packed_operands(dy_ + tile(2 * p, 0), x_ + tile(2 * q, 0), steps_, place, inputs_);
    if (rows % amx::tile_rows == 0 && columns == amx::block_columns) { return amx::multiply_rows(rows, operands, accumulate); }
    std::array<float, amx::block_rows * amx::block_columns> block;
    operands.y = block.data();
    operands.y_stride = amx::block_columns;
    if (accumulate) {
      for (Index i = 0; i < rows; ++i) { std::copy_n(place + i * inputs_, columns, operands.y + i * amx::block_columns); }
    }
    amx::multiply_rows(rows, operands, accumulate);
    for (Index i = 0; i < rows; ++i) { std::copy_n(operands.y + i * amx::block_columns, columns, place + i * inputs_); }
  }

  Index outputs_;
  Index inputs_;
  Index steps_;
  Index down_;
  Index across_;
  bfloat16_pair* dy_;
  bfloat16_pair* x_;
};
}  // namespace detail

/// dw += dy^T x, or dw = dy^T x, by tile registers: 2048 rows at a time are copied to where they want them, and every element of dw gets one chain over those.
inline void amx_weight_gradient(int threads, RowsView<bfloat16 const> dy, RowsView<bfloat16 const> x, MatrixView<float> dw, bool accumulate = true) {
  constexpr Index rows_at_once = 2048;
  for (Index first = 0; first < dy.rows; first += rows_at_once) {
    Index const rows = std::min(rows_at_once, dy.rows - first);
    detail::AmxGradientChunk chunk(dy.width, x.width, rows);
    chunk.pack(threads, RowsView<bfloat16 const>(dy.row(first), rows, dy.width, dy.stride), RowsView<bfloat16 const>(x.row(first), rows, x.width, x.stride));
    chunk.add_to(threads, dw, accumulate || first > 0);
  }
}

}  // namespace accrete::host
