#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/host/blocks.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/kernels/cholesky.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>

namespace accrete::host {

using kernels::CholeskyFactor;

namespace detail {

/// Factors one diagonal block in double and inverts the factor.
/// @returns whether every pivot was positive
template <class T>
inline bool factor_block(T* block, T* inverse) {
  constexpr Index n = Blocks<T>::width;
  std::array<double, static_cast<std::size_t>(n * n)> lower;  // row-major
  std::array<double, static_cast<std::size_t>(n * n)> inverted{};
  auto const at = [](auto& matrix, Index r, Index c) -> double& { return matrix[static_cast<std::size_t>(r * n + c)]; };
  for (Index r = 0; r < n; ++r) {
    for (Index c = 0; c < r; ++c) {
      double sum = static_cast<double>(block[c * n + r]);
      for (Index k = 0; k < c; ++k) { sum -= at(lower, r, k) * at(lower, c, k); }
      at(lower, r, c) = sum * at(inverted, c, c);
    }
    double pivot = static_cast<double>(block[r * n + r]);
    for (Index k = 0; k < r; ++k) { pivot -= at(lower, r, k) * at(lower, r, k); }
    if (!(pivot > 0.0) || !std::isfinite(pivot)) { return false; }
    at(lower, r, r) = std::sqrt(pivot);
    at(inverted, r, r) = 1.0 / at(lower, r, r);
  }
  for (Index c = 0; c < n; ++c) {
    for (Index r = c + 1; r < n; ++r) {
      double sum = 0.0;
      for (Index k = c; k < r; ++k) { sum += at(lower, r, k) * at(inverted, k, c); }
      at(inverted, r, c) = -sum * at(inverted, r, r);
    }
  }
  for (Index c = 0; c < n; ++c) {
    for (Index r = 0; r < n; ++r) {
      block[c * n + r] = r >= c ? static_cast<T>(at(lower, r, c)) : T{};
      inverse[c * n + r] = static_cast<T>(at(inverted, r, c));
    }
  }
  return true;
}

/// x <- x L^-T for one row block x [48, 192] of a tile column whose diagonal tile is factored; only the first `blocks` of it.
template <class T>
inline void solve_row_block(T const* diagonal, T const* inverses, Index blocks, T* x) {
  constexpr Index width = Blocks<T>::width;
  constexpr Index size = width * width;
  alignas(64) T copy[static_cast<std::size_t>(size)];
  for (Index s = 0; s < blocks; ++s) {
    T* const here = x + s * size;
    if (s > 0) { multiply_blocks(s * width, T(-1), x, diagonal + TriangleTiles::inside(s * width, 0), here); }
    std::copy_n(here, size, copy);
    std::fill_n(here, size, T{});
    multiply_blocks(width, T(1), copy, inverses + s * size, here);
  }
}

/// Factors a diagonal tile that has seen all updates from the left.
template <class T>
inline bool factor_tile(T* tile, T* inverses) {
  constexpr Index width = Blocks<T>::width;
  for (Index p = 0; p < Blocks<T>::per_tile; ++p) {
    T* const row = tile + TriangleTiles::inside(p * width, 0);
    solve_row_block(tile, inverses, p, row);
    T* const diagonal = row + p * width * width;
    if (p > 0) { multiply_blocks(p * width, T(-1), row, row, diagonal); }
    if (!factor_block(diagonal, inverses + p * width * width)) { return false; }
  }
  return true;
}

/// A(i, j) -= sum over the tile columns left of j of L(i, k) L(j, k)^T, for row block p of tile row i.
template <class T>
inline void update_row_block(SymmetricView<T> a, Index i, Index j, Index p) {
  constexpr Index width = Blocks<T>::width;
  Index const last = i == j ? p + 1 : Blocks<T>::per_tile;
  T* const target = a.tile(i, j) + TriangleTiles::inside(p * width, 0);
  for (Index k = 0; k < j; ++k) {
    T const* const row = a.tile(i, k) + TriangleTiles::inside(p * width, 0);
    for (Index q = 0; q < last; ++q) { multiply_blocks(TriangleTiles::edge, T(-1), row, a.tile(j, k) + TriangleTiles::inside(q * width, 0), target + q * width * width); }
  }
}

}  // namespace detail

/// Factors a symmetric positive definite matrix in place, tile column by tile column (left-looking: each tile is written once).
/// Only the lower triangle is read. What lies outside of the matrix must be the identity's (`set_padding`).
/// @returns whether the matrix was positive definite in this precision; if not, its content is lost
/// Cost: order^3 / 3 flop.  The bits do not depend on the number of threads.
template <class T>
[[nodiscard]] bool cholesky(int threads, CholeskyFactor<T>& factor) {
  SymmetricView<T> const a = factor.lower.view();
  Index const tiles = a.layout().tiles();
  constexpr Index per_tile = Blocks<T>::per_tile;
  factor.inverses = Vector<T>({tiles * per_tile * Blocks<T>::width * Blocks<T>::width});
  for (Index j = 0; j < tiles; ++j) {
    // The heaviest row block of the diagonal tile first.
    share_out(threads, per_tile, [&](Index p) { detail::update_row_block(a, j, j, per_tile - 1 - p); });
    if (!detail::factor_tile(a.tile(j, j), factor.inverse(j * per_tile))) { return false; }
    share_out(threads, tiles - j - 1, [&](Index below) {
      Index const i = j + 1 + below;
      for (Index p = 0; p < per_tile; ++p) {
        detail::update_row_block(a, i, j, p);
        detail::solve_row_block(a.tile(j, j), factor.inverse(j * per_tile), per_tile, a.tile(i, j) + TriangleTiles::inside(p * Blocks<T>::width, 0));
      }
    });
  }
  return true;
}

/// Ones on the diagonal beyond the order, so that the padded matrix is as definite as the matrix.
template <class T>
void set_padding(SymmetricView<T> a) {
  for (Index i = a.order(); i < a.layout().tiles() * TriangleTiles::edge; ++i) { a(i, i) = T(1); }
}

namespace detail {

/// Columns solved by one thread at a time.
template <class T>
inline constexpr Index solve_strip = micro::block_vectors* simd::lanes<T>;

/// x_p <- inverse of diagonal block p, or its transpose, times x_p, for columns [first, first + some).
template <class T>
void solve_diagonal(CholeskyFactor<T> const& factor, MatrixView<T> x, Index p, Index first, Index some, bool transposed) {
  constexpr Index width = Blocks<T>::width;
  constexpr Index strip = solve_strip<T>;
  Index const columns = x.extent(1);
  alignas(64) T copy[static_cast<std::size_t>(width * strip)];
  for (Index r = 0; r < width; ++r) {
    T* const row = x.data() + (p * width + r) * columns + first;
    std::copy_n(row, some, copy + r * strip);
    std::fill_n(row, some, T{});
  }
  T* const target = x.data() + p * width * columns + first;
  if (transposed) {
    micro::multiply<T, width>(width, some, width, T(1), {factor.inverse(p), 1}, {copy, strip}, target, columns);
  } else {
    micro::multiply<T, 1>(width, some, width, T(1), {factor.inverse(p), width}, {copy, strip}, target, columns);
  }
}

}  // namespace detail

/// x <- L^-1 x for many right-hand sides at once.
/// @param[in,out] x  [tiles * 192, columns] row-major; the number of columns is a multiple of the vector's lanes; rows beyond the order are zero
/// Cost: order^2 * columns flop
template <class T>
void cholesky_solve_lower(int threads, CholeskyFactor<T> const& factor, MatrixView<T> x) {
  constexpr Index width = Blocks<T>::width;
  constexpr Index per_tile = Blocks<T>::per_tile;
  constexpr Index strip = detail::solve_strip<T>;
  Blocks<T const> const lower(factor.lower.view());
  Index const columns = x.extent(1);
  Index const count = lower.stored();
  ACCRETE_ASSERT(x.extent(0) == count * width && columns % simd::lanes<T> == 0);
  for (Index k = 0; k < count / per_tile; ++k) {
    share_out(threads, (columns + strip - 1) / strip, [&](Index s) {
      Index const first = s * strip;
      Index const some = std::min(strip, columns - first);
      for (Index p = k * per_tile; p < (k + 1) * per_tile; ++p) {
        Index const depth = (p - k * per_tile) * width;
        if (depth > 0) {
          micro::multiply<T, 1>(width, some, depth, T(-1), {lower.block(p, k * per_tile), width}, {x.data() + k * TriangleTiles::edge * columns + first, columns},
                                x.data() + p * width * columns + first, columns);
        }
        detail::solve_diagonal(factor, x, p, first, some, false);
      }
    });
    share_out(threads, count - (k + 1) * per_tile, [&](Index below) {
      Index const p = (k + 1) * per_tile + below;
      multiply_panel(TriangleTiles::edge, columns, T(-1), lower.block(p, k * per_tile), x.data() + k * TriangleTiles::edge * columns, x.data() + p * width * columns, columns);
    });
  }
}

/// x <- (L L^T)^-1 x for many right-hand sides at once.
/// @param[in,out] x  as for `cholesky_solve_lower`
/// Cost: 2 * order^2 * columns flop
template <class T>
void cholesky_solve(int threads, CholeskyFactor<T> const& factor, MatrixView<T> x) {
  constexpr Index width = Blocks<T>::width;
  constexpr Index per_tile = Blocks<T>::per_tile;
  constexpr Index strip = detail::solve_strip<T>;
  cholesky_solve_lower(threads, factor, x);
  Blocks<T const> const lower(factor.lower.view());
  Index const columns = x.extent(1);
  for (Index k = lower.stored() / per_tile - 1; k >= 0; --k) {
    share_out(threads, (columns + strip - 1) / strip, [&](Index s) {
      Index const first = s * strip;
      Index const some = std::min(strip, columns - first);
      for (Index q = (k + 1) * per_tile - 1; q >= k * per_tile; --q) {
        for (Index p = q + 1; p < (k + 1) * per_tile; ++p) {
          micro::multiply<T, width>(width, some, width, T(-1), {lower.block(p, q), 1}, {x.data() + p * width * columns + first, columns}, x.data() + q * width * columns + first, columns);
        }
        detail::solve_diagonal(factor, x, q, first, some, true);
      }
    });
    share_out(threads, k * per_tile, [&](Index q) {
      for (Index p = k * per_tile; p < (k + 1) * per_tile; ++p) { multiply_transposed(columns, T(-1), lower.block(p, q), x.data() + p * width * columns, x.data() + q * width * columns, columns); }
    });
  }
}

}  // namespace accrete::host
