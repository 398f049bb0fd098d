#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/epilogue.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/host/tile_product.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>
#include <cstddef>

namespace accrete::host {

/// The weight of a linear layer as register tiles read it: panels of as many outputs as a tile is wide, [panel][input][output of the panel],
/// filled up with zeros.
class WeightPanels {
 public:
  static constexpr Index width = tile_vectors * simd::lanes<float>;

  WeightPanels() = default;
  WeightPanels(Index inputs, Index outputs) : inputs_(inputs), panels_((outputs + width - 1) / width), data_({panels_ * inputs * width}) {}

  [[nodiscard]] bool empty() const { return data_.empty(); }
  [[nodiscard]] Index inputs() const { return inputs_; }
  [[nodiscard]] Index panels() const { return panels_; }
  /// Panel p from input k on.
  [[nodiscard]] float const* panel(Index p, Index k) const { return data_.data() + (p * inputs_ + k) * width; }

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

 private:
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

namespace detail {
struct PanelInput;
struct PanelSums;

/// Rows of one item of work, its outputs (12 panels), and the inputs that are summed in registers: a panel over that many inputs and
/// the rows of a tile stay in the first-level cache, all rows of the item in the second.
inline constexpr Index panel_item_rows = 16 * tile_rows;
inline constexpr Index panel_item_panels = 12;
inline constexpr Index panel_depth = 256;

/// Rows [rows, panels of one item] of the product in `sums`.
template <class X>
void multiply_panels(RowsView<X const> x, WeightPanels const& weight, Index first, Index last, float* sums, Index sums_stride) {  // NOLINT(readability-non-const-parameter): the tiles write it
  constexpr Index input_stride = panel_depth + 16;                                                                                // rows at a power of two would share few sets of the cache
  float* const input = ThreadScratch<PanelInput>::get<float>(panel_item_rows * input_stride);
  for (Index k = 0; k < x.width; k += panel_depth) {
    Index const depth = std::min(panel_depth, x.width - k);
    for (Index i = 0; i < x.rows; ++i) {
      for_vectors<float>(depth, [&](Index c, auto lanes) { lanes.store(input + i * input_stride + c, lanes.load(x.row(i) + k + c)); });
    }
    for (Index p = first; p < last; ++p) {
      TileOperands<float> const operands{input, input_stride, weight.panel(p, k), WeightPanels::width, depth, sums + (p - first) * WeightPanels::width, sums_stride};
      if (k == 0) {
        multiply_panel<float>(x.rows, tile_vectors, operands);
      } else {
        multiply_panel<float, TileLeft::rows, TileResult::add>(x.rows, tile_vectors, operands);
      }
    }
  }
}
}  // namespace detail

/// y = act(x W^T + b), or y += x W^T + b, in float32 whatever the scalars of x and y.
/// Each sum is one chain of fused additions for every 256 inputs, so a row's bits depend on that row alone.
/// @param[in] bias [out] or nullptr
template <class X, class Y>
void panel_product(int threads, RowsView<X const> x, WeightPanels const& weight, float const* bias, kernels::Epilogue epilogue, RowsView<Y> y) {
  Index const groups = (weight.panels() + detail::panel_item_panels - 1) / detail::panel_item_panels;
  Index const blocks = (x.rows + detail::panel_item_rows - 1) / detail::panel_item_rows;
  share_out(threads, blocks * groups, [&](Index item) {
    Index const first_row = item / groups * detail::panel_item_rows;
    Index const rows = std::min(detail::panel_item_rows, x.rows - first_row);
    Index const first = item % groups * detail::panel_item_panels;
    Index const last = std::min(weight.panels(), first + detail::panel_item_panels);
    Index const stride = (last - first) * WeightPanels::width;
    float* const sums = ThreadScratch<detail::PanelSums>::get<float>(detail::panel_item_rows * detail::panel_item_panels * WeightPanels::width);
    detail::multiply_panels(RowsView<X const>(x.row(first_row), rows, x.width, x.stride), weight, first, last, sums, stride);
    Index const column = first * WeightPanels::width;
    Index const columns = std::min(stride, y.width - column);
    for (Index i = 0; i < rows; ++i) { finish_row(sums + i * stride, bias == nullptr ? nullptr : bias + column, epilogue, columns, y.row(first_row + i) + column); }
  });
}

}  // namespace accrete::host
