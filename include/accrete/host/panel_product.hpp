#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/epilogue.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/kernels/product.hpp>

#include <algorithm>

namespace accrete::host {
namespace detail {
struct PanelSums;

/// Rows of one item of work: those of an item stay in the second-level cache. A multiple of the rows of either kind of tile.
inline constexpr Index panel_item_rows = 96;
}  // namespace detail

/// y = act(x W^T + b), or y += x W^T + b, over a weight packed in panels of `Panels::width` outputs each, summed in float.
/// Panels multiply up to `panel_item_rows` rows by the panels of an item (`Panels::item_panels`) in `multiply`, in an order that neither
/// depends on the number of rows nor on their place, so a row's bits depend on that row alone.
/// @param[in] bias [out] or nullptr
template <class X, class Panels, class Y>
void panel_product(int threads, RowsView<X const> x, Panels const& weight, float const* bias, kernels::Epilogue epilogue, RowsView<Y> y) {
  Index const groups = (weight.panels() + Panels::item_panels - 1) / Panels::item_panels;
  Index const blocks = (x.rows + detail::panel_item_rows - 1) / detail::panel_item_rows;
  share_out(threads, blocks * groups, [&](Index item) {
    Index const first_row = item / groups * detail::panel_item_rows;
    Index const rows = std::min(detail::panel_item_rows, x.rows - first_row);
    Index const first = item % groups * Panels::item_panels;
    Index const last = std::min(weight.panels(), first + Panels::item_panels);
    Index const stride = (last - first) * Panels::width;
    float* const sums = ThreadScratch<detail::PanelSums>::get<float>(detail::panel_item_rows * Panels::item_panels * Panels::width);
    weight.multiply(RowsView<X const>(x.row(first_row), rows, x.width, x.stride), first, last, sums, stride);
    Index const column = first * Panels::width;
    Index const columns = std::min(stride, y.width - column);
    for (Index i = 0; i < rows; ++i) { finish_row(sums + i * stride, bias == nullptr ? nullptr : bias + column, epilogue, columns, y.row(first_row + i) + column); }
  });
}

}  // namespace accrete::host
