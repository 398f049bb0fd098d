#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/rank_k_update.hpp>

#include <concepts>

namespace accrete::device {

/// One block of G += sign * H^T H: 16 rows of a panel of a tile by 4 columns, each element summed over the rows of H in ascending order.
template <class T>
struct RankKBlock {
  using Layout = TriangleTiles;
  static constexpr int rows = 16;
  static constexpr int columns = 4;
  static_assert(Layout::panel % rows == 0 && Layout::edge % columns == 0, "blocks must fill a panel");
  static constexpr Index blocks_per_row = Layout::edge / columns;
  static constexpr Index blocks_per_tile = Layout::edge / rows * blocks_per_row;

  T const* samples;
  Index count;
  Index order;
  double sign;
  double* gram;

  /// @param block  tile in memory order * blocks of a tile + block in it
  ACCRETE_HD void operator()(Index block) const {
    Index const tile = block / blocks_per_tile;
    Index tile_row = 0;  // few tiles: a search costs nothing beside the sums
    while ((tile_row + 1) * (tile_row + 2) / 2 <= tile) { ++tile_row; }
    Index const tile_column = tile - tile_row * (tile_row + 1) / 2;
    Index const inside_row = block % blocks_per_tile / blocks_per_row * rows;
    Index const inside_column = block % blocks_per_row * columns;
    Index const row = tile_row * Layout::edge + inside_row;
    Index const column = tile_column * Layout::edge + inside_column;
    if (row >= order || column >= order || row + rows <= column) { return; }  // outside of the matrix, or above the diagonal
    double sum[columns][rows] = {};
    if (row + rows <= order && column + columns <= order) {
      add_products<true>(row, column, sum);
    } else {
      add_products<false>(row, column, sum);
    }
    double* const to = gram + tile * Layout::tile_size + inside_row / Layout::panel * Layout::panel * Layout::edge + inside_row % Layout::panel;
    for (int c = 0; c < columns; ++c) {
      for (int r = 0; r < rows; ++r) {
        if (row + r < order && column + c < order) { to[(inside_column + c) * Layout::panel + r] += sign * sum[c][r]; }
      }
    }
  }

 private:
  template <bool Whole>
  ACCRETE_HD void add_products(Index row, Index column, double (&result)[columns][rows]) const {
    double sum[columns][rows] = {};
    for (Index k = 0; k < count; ++k) {
      T const* const sample = samples + k * order;
      double left[rows];
      for (int r = 0; r < rows; ++r) { left[r] = Whole || row + r < order ? static_cast<double>(sample[row + r]) : 0.0; }
      for (int c = 0; c < columns; ++c) {
        double const factor = Whole || column + c < order ? static_cast<double>(sample[column + c]) : 0.0;
        for (int r = 0; r < rows; ++r) { sum[c][r] += factor * left[r]; }
      }
    }
    for (int c = 0; c < columns; ++c) {
      for (int r = 0; r < rows; ++r) { result[c][r] = sum[c][r]; }
    }
  }
};

template <class System, std::floating_point T>
void rank_k_update_on(DeviceExecutor<System> const& exec, double sign, MatrixView<T const> rows, SymmetricView<double> gram) {
  Index const tiles = gram.layout().tiles() * (gram.layout().tiles() + 1) / 2;
  for_each_index(exec, "rank_k_update", tiles * RankKBlock<T>::blocks_per_tile, RankKBlock<T>{rows.data(), rows.extent(0), gram.order(), sign, gram.data()});
}

}  // namespace accrete::device
