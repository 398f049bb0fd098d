#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/amx.hpp>
#include <accrete/host/bfloat16_pair.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/host/threads.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace accrete::host {
namespace detail {
struct AmxInput;
}

/// The weight of a linear layer, rounded to bfloat16, as tile registers read it: panels of 32 outputs, [panel][32 inputs][left or right half]
/// [pair of inputs][output of the half], filled up with zeros.
class AmxPanels {
 public:
  static constexpr Index width = amx::block_columns;
  /// An item of work: its panels, rows and sums stay in the second-level cache.
  static constexpr Index item_panels = 12;
  static constexpr Index item_rows = 128;
  static constexpr Index row_multiple = amx::tile_rows;

  AmxPanels() = default;
  AmxPanels(Index inputs, Index outputs) : steps_((inputs + step_inputs - 1) / step_inputs), panels_((outputs + width - 1) / width), data_({panels_ * steps_ * step_pairs}) {}

  [[nodiscard]] bool empty() const { return data_.empty(); }
  [[nodiscard]] Index panels() const { return panels_; }

  /// @param[in] weight [out, in], or [in, out] for `input_rows`, with the extents this was made for
  void assign(int threads, MatrixView<float const> weight, kernels::WeightOrder order) {
    parallel_ranges(threads, panels_, steps_ * width * step_inputs, [&](Index first, Index last) {
      for (Index half = 2 * first; half < 2 * last; ++half) {
        for (Index step = 0; step < steps_; ++step) {
          bfloat16_pair* const to = data_.data() + (half / 2 * steps_ + step) * step_pairs + half % 2 * amx::tile_size;
          if (order == kernels::WeightOrder::output_rows) {
            copy_transposed(weight, half * amx::tile_columns, step * step_inputs, to);
          } else {
            copy(weight, step * step_inputs, half * amx::tile_columns, to);
          }
        }
      }
    });
  }

  /// sums = x W^T for panels [first, last), `stride` floats from row to row; rows up to the next multiple of 16 are overwritten as well.
  /// Each sum is one chain over the inputs.
  void multiply(RowsView<bfloat16 const> x, Index first, Index last, float* sums, Index stride) const {  // NOLINT(readability-non-const-parameter): the tiles write it
    [[maybe_unused]] amx::TileScope const scope;
    Index const blocks = (x.rows + amx::block_rows - 1) / amx::block_rows;
    bfloat16_pair* const input = ThreadScratch<detail::AmxInput>::get<bfloat16_pair>(blocks * steps_at_once * step_pairs);
    for (Index step = 0; step < steps_; step += steps_at_once) {
      Index const steps = std::min(steps_at_once, steps_ - step);
      pack_rows(x, step * step_inputs, steps, input);
      for (Index p = first; p < last; ++p) {
        for (Index block = 0; block < blocks; ++block) {
          Index const row = block * amx::block_rows;
          bfloat16_pair const* const left = input + block * steps * step_pairs;
          bfloat16_pair const* const right = data_.data() + (p * steps_ + step) * step_pairs;
          amx::multiply_rows(x.rows - row, amx::packed_operands(left, right, steps, sums + row * stride + (p - first) * width, stride), step > 0);
        }
      }
    }
  }

 private:
  static constexpr Index step_inputs = 2 * amx::tile_pairs;
  static constexpr Index step_pairs = 2 * amx::tile_size;  ///< two left tiles, or two right ones
  /// Inputs summed in registers: 768 of them. A panel over that many just fills a first-level cache; over fewer, sums would come and go more often than that spares.
  static constexpr Index steps_at_once = 24;

  /// 16 pairs out of `count` scalars; missing ones are zero.
  static void copy_pairs(bfloat16 const* from, Index count, bfloat16_pair* to) {
    if (count >= step_inputs) {
      std::memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(step_inputs) * sizeof(bfloat16));
    } else {
      std::fill_n(to, amx::tile_pairs, bfloat16_pair{});
      if (count > 0) { std::memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(count) * sizeof(bfloat16)); }
    }
  }

  /// [block of 32 rows][step][row][16 pairs]. Missing rows and inputs are zero.
  static void pack_rows(RowsView<bfloat16 const> x, Index first, Index steps, bfloat16_pair* to) {
    for (Index row = 0; row < x.rows; row += amx::block_rows, to += steps * step_pairs) {
      for (Index i = 0; i < amx::block_rows; ++i) {
        bool const real = row + i < x.rows;
        bfloat16 const* const from = x.row(real ? row + i : row) + first;
        for (Index step = 0; step < steps; ++step) { copy_pairs(from + step * step_inputs, real ? x.width - first - step * step_inputs : 0, to + step * step_pairs + i * amx::tile_pairs); }
      }
    }
  }

  /// One right tile out of [in, out]: two rows of inputs interleave.
  static void copy(MatrixView<float const> weight, Index input, Index output, bfloat16_pair* to) {
    Index const count = std::clamp<Index>(weight.extent(1) - output, 0, amx::tile_columns);
    for (Index pair = 0; pair < amx::tile_pairs; ++pair, to += amx::tile_columns) {
      std::array<std::array<bfloat16, amx::tile_columns>, 2> rows{};
      for (Index i = 0; i < 2; ++i) {
        Index const k = input + 2 * pair + i;
        if (k < weight.extent(0)) { round_row(weight.data() + k * weight.extent(1) + output, count, rows[static_cast<std::size_t>(i)].data()); }
      }
      for (Index j = 0; j < amx::tile_columns; j += simd::lanes<float>) { simd::store(&to[j].bits, simd::zip_pairs(rows[0].data() + j, rows[1].data() + j, simd::lanes<float>)); }
    }
  }

  /// One right tile out of [out, in]: square blocks of pairs are transposed in registers.
  static void copy_transposed(MatrixView<float const> weight, Index output, Index input, bfloat16_pair* to) {
    constexpr Index lanes = simd::lanes<float>;
    Index const count = std::min(step_inputs, weight.extent(1) - input);
    for (Index j = 0; j < amx::tile_columns; j += lanes) {
      std::array<std::array<bfloat16, step_inputs>, static_cast<std::size_t>(lanes)> rows{};
      for (Index i = 0; i < lanes; ++i) {
        Index const row = output + j + i;
        if (row < weight.extent(0)) { round_row(weight.data() + row * weight.extent(1) + input, count, rows[static_cast<std::size_t>(i)].data()); }
      }
      for (Index pair = 0; pair < amx::tile_pairs; pair += lanes) {
        simd::Vec<std::uint32_t> block[static_cast<std::size_t>(lanes)];
        for (Index i = 0; i < lanes; ++i) { block[i] = simd::load_pairs(rows[static_cast<std::size_t>(i)].data() + 2 * pair, 2 * lanes); }
        simd::transpose<std::uint32_t>(block);
        for (Index i = 0; i < lanes; ++i) { simd::store(&to[(pair + i) * amx::tile_columns + j].bits, block[i]); }
      }
    }
  }

  static void round_row(float const* from, Index count, bfloat16* to) {
    for_vectors<float>(count, [&](Index c, auto lanes) { lanes.store(to + c, lanes.load(from + c)); });
  }

  Index steps_ = 0;
  Index panels_ = 0;
  Vector<bfloat16_pair> data_;
};

}  // namespace accrete::host
