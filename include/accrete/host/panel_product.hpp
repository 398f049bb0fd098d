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
}

/// y = act(x W^T + b), or y += x W^T + b, over a weight packed in panels of `Panels::width` outputs each, summed in float.
/// An item of work is up to `Panels::item_rows` rows, a multiple of `Panels::row_multiple`, by the panels of an item (`Panels::item_panels`), in an order that
/// neither depends on the number of rows nor on their place, so a row's bits depend on that row alone. Rows fall into items as evenly as they can: few
/// rows would read all panels for next to nothing. Items that share panels follow each other, so that these are read from memory once.
/// @param[in] bias [out] or nullptr
template <class X, class Panels, class Y>
void panel_product(int threads, RowsView<X const> x, Panels const& weight, float const* bias, kernels::Epilogue epilogue, RowsView<Y> y) {
  if (x.rows == 0) { return; }
  auto const quotient = [](Index all, Index part) { return (all + part - 1) / part; };  // rounded up
  Index const groups = quotient(weight.panels(), Panels::item_panels);
  Index const item_rows = quotient(quotient(x.rows, quotient(x.rows, Panels::item_rows)), Panels::row_multiple) * Panels::row_multiple;
  Index const blocks = quotient(x.rows, item_rows);
  share_out(threads, blocks * groups, [&](Index item) {
    Index const first_row = item % blocks * item_rows;
    Index const rows = std::min(item_rows, x.rows - first_row);
    Index const first = item / blocks * Panels::item_panels;
    Index const last = std::min(weight.panels(), first + Panels::item_panels);
    Index const stride = (last - first) * Panels::width;
    float* const sums = ThreadScratch<detail::PanelSums>::get<float>(Panels::item_rows * Panels::item_panels * Panels::width);
    weight.multiply(RowsView<X const>(x.row(first_row), rows, x.width, x.stride), first, last, sums, stride);
    Index const column = first * Panels::width;
    Index const columns = std::min(stride, y.width - column);
    for (Index i = 0; i < rows; ++i) { finish_row(sums + i * stride, bias == nullptr ? nullptr : bias + column, epilogue, columns, y.row(first_row + i) + column); }
  });
}

}  // namespace accrete::host
