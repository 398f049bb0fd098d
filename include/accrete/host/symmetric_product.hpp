#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/host/blocks.hpp>
#include <accrete/host/share_out.hpp>

#include <algorithm>

namespace accrete::host {

/// y += sign * A x for the blocks of a symmetric matrix from block `first` on; the rows before are neither read nor written.
/// Each row block of y is one thread's, so every block of A is read twice, but nothing has to be summed across threads.
/// @param[in] x, y  [stored blocks * 48, columns] row-major; the number of columns is a multiple of the vector's lanes
/// Cost: 2 * order^2 * columns flop
template <class T>
void symmetric_product(int threads, T sign, Blocks<T const> const& a, Index first, MatrixView<T const> x, MatrixView<T> y) {
  constexpr Index width = Blocks<T>::width;
  Index const columns = x.extent(1);
  Index const last = a.count();
  share_out(threads, last - first, [&](Index item) {
    Index const p = first + item;
    T* const target = y.data() + p * width * columns;
    for (Index q = first; q < p;) {
      Index const run = Blocks<T>::run(q, p - q);
      multiply_panel(run * width, columns, sign, a.block(p, q), x.data() + q * width * columns, target, columns);
      q += run;
    }
    // Above the diagonal a block may hold anything.
    alignas(64) T full[static_cast<std::size_t>(width * width)];
    T const* const diagonal = a.block(p, p);
    for (Index c = 0; c < width; ++c) {
      for (Index r = c; r < width; ++r) { full[c * width + r] = full[r * width + c] = diagonal[c * width + r]; }
    }
    multiply_panel(width, columns, sign, full, x.data() + p * width * columns, target, columns);
    for (Index q = p + 1; q < last; ++q) { multiply_transposed(columns, sign, a.block(q, p), x.data() + q * width * columns, target, columns); }
  });
}

}  // namespace accrete::host
