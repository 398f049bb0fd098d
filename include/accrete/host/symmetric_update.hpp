#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/host/micro_kernel.hpp>
#include <accrete/host/panels.hpp>
#include <accrete/host/share_out.hpp>

#include <algorithm>
#include <cmath>

namespace accrete::host {

namespace detail {
/// Summation indices of one call of the block kernel: what a tile reads of both operands meanwhile stays in the second-level cache beside the tile itself.
inline constexpr Index update_depth = 128;

/// One tile of C += sign * sum_k x(k, i) x(k, j).
inline void update_tile(double sign, Panels const& x, Index row, Index column, double* tile) {
  constexpr Index width = TriangleTiles::panel;
  constexpr Index across = TriangleTiles::edge / width;
  for (Index k = 0; k < x.depth(); k += update_depth) {
    Index const depth = std::min(update_depth, x.depth() - k);
    for (Index p = 0; p < std::min(across, x.real() - row * across); ++p) {
      Index const last = row == column ? p + 1 : across;  // nobody reads above the diagonal
      for (Index q = 0; q < last; ++q) {
        micro::multiply<double, 1>(width, width, depth, sign, {x.panel(column * across + q, k), width}, {x.panel(row * across + p, k), width}, tile + TriangleTiles::inside(p * width, q * width),
                                   width);
      }
    }
  }
}
}  // namespace detail

/// C += sign * X^T X for X in panels, the lower triangle only. Every tile is computed by one thread in a fixed order of sums,
/// so the bits do not depend on the number of threads.
/// @pre x has as many panels as C has panels of rows
/// Cost: depth * order^2 flop
inline void symmetric_update(int threads, double sign, Panels const& x, SymmetricView<double> c) {
  Index const tiles = c.layout().tiles();
  share_out(threads, tiles * (tiles + 1) / 2, [&](Index t) {
    // Tile t in memory order; the square root is exact enough for any order that fits memory, and corrected where it rounds.
    auto row = static_cast<Index>((std::sqrt(8.0 * static_cast<double>(t) + 1.0) - 1.0) / 2.0);
    while (row * (row + 1) / 2 > t) { --row; }
    while ((row + 1) * (row + 2) / 2 <= t) { ++row; }
    Index const column = t - row * (row + 1) / 2;
    detail::update_tile(sign, x, row, column, c.tile(row, column));
  });
}

}  // namespace accrete::host
