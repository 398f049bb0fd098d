#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/host/threads.hpp>
#include <accrete/host/tile_product.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <cstddef>

namespace accrete::host {
namespace detail {
struct PanelInput;
}

/// The weight of a linear layer as register tiles read it: panels of as many outputs as a tile is wide, [panel][input][output of the panel],
/// filled up with zeros.
class WeightPanels {
 public:
  static constexpr Index width = tile_vectors * simd::lanes<float>;
  /// An item of work: its rows stay in the second-level cache.
  static constexpr Index item_panels = 12;
  static constexpr Index item_rows = 96;
  static constexpr Index row_multiple = tile_rows;

  WeightPanels() = default;
  WeightPanels(Index inputs, Index outputs) : inputs_(inputs), panels_((outputs + width - 1) / width), data_({panels_ * inputs * width}) {}

  [[nodiscard]] bool empty() const { return data_.empty(); }
  [[nodiscard]] Index inputs() const { return inputs_; }
  [[nodiscard]] Index panels() const { return panels_; }

  /// @param[in] weight [out, in], or [in, out] for `input_rows`, with the extents this was made for
  void assign(int threads, MatrixView<float const> weight, kernels::WeightOrder order) {
    parallel_ranges(threads, panels_, inputs_ * width, [&](Index first, Index last) {
      for (Index p = first; p < last; ++p) {
        float* const to = data_.data() + p * inputs_ * width;
        if (order == kernels::WeightOrder::output_rows) {
          copy_transposed(weight, p * width, to);
        } else {
          copy(weight, p * width, to);
        }
      }
    });
  }

  /// sums = x W^T for panels [first, last), in float32 whatever the scalar of x, `stride` floats from row to row.
  /// Each sum is one chain of fused additions for every 256 inputs.
  template <class X>
  void multiply(RowsView<X const> x, Index first, Index last, float* sums, Index stride) const {  // NOLINT(readability-non-const-parameter): the tiles write it
    constexpr Index input_stride = depth_at_once + 16;                                            // rows at a power of two would share few sets of the cache
    float* const input = ThreadScratch<detail::PanelInput>::get<float>(x.rows * input_stride);
    for (Index k = 0; k < x.width; k += depth_at_once) {
      Index const depth = std::min(depth_at_once, x.width - k);
      for (Index i = 0; i < x.rows; ++i) {
        for_vectors<float>(depth, [&](Index c, auto lanes) { lanes.store(input + i * input_stride + c, lanes.load(x.row(i) + k + c)); });
      }
      for (Index p = first; p < last; ++p) {
        TileOperands<float> const operands{input, input_stride, panel(p, k), width, depth, sums + (p - first) * width, stride};
        if (k == 0) {
          multiply_panel<float>(x.rows, tile_vectors, operands);
        } else {
          multiply_panel<float, TileLeft::rows, TileResult::add>(x.rows, tile_vectors, operands);
        }
      }
    }
  }

 private:
  /// Inputs summed in registers: a panel over that many and the rows of a tile stay in the first-level cache.
  static constexpr Index depth_at_once = 256;

  /// Panel p from input k on.
  [[nodiscard]] float const* panel(Index p, Index k) const { return data_.data() + (p * inputs_ + k) * width; }

  static void copy(MatrixView<float const> weight, Index first, float* to) {
    Index const real = std::min(width, weight.extent(1) - first);
    for (Index k = 0; k < weight.extent(0); ++k, to += width) {
      std::copy_n(weight.data() + k * weight.extent(1) + first, real, to);
      std::fill(to + real, to + width, 0.0F);
    }
  }

  /// Square blocks in registers; missing rows and columns are zero.
  static void copy_transposed(MatrixView<float const> weight, Index first, float* to) {
    constexpr Index lanes = simd::lanes<float>;
    Index const inputs = weight.extent(1);
    for (Index r = 0; r < width; r += lanes) {
      for (Index k = 0; k < inputs; k += lanes) {
        Index const depth = std::min(lanes, inputs - k);
        simd::Vec<float> block[static_cast<std::size_t>(lanes)];
        for (Index i = 0; i < lanes; ++i) {
          Index const row = first + r + i;
          float const* const from = weight.data() + row * inputs + k;
          block[i] = row >= weight.extent(0) ? simd::Vec<float>{} : depth == lanes ? simd::load(from) : simd::load_part(from, depth);
        }
        simd::transpose<float>(block);
        for (Index i = 0; i < depth; ++i) { simd::store(to + (k + i) * width + r, block[i]); }
      }
    }
  }

  Index inputs_ = 0;
  Index panels_ = 0;
  Vector<float> data_;
};

}  // namespace accrete::host
