#pragma once

#include <accrete/core/symmetric.hpp>
#include <accrete/host/blocks.hpp>
#include <accrete/host/columns.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/panel_qr.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/host/symmetric_product.hpp>
#include <accrete/kernels/symmetric_band.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace accrete::host {

namespace detail {

inline constexpr Index band_width = kernels::SymmetricBand::width;

/// y (+ or -)= x m for x [rows, 48] and m [48, 48], both row-major.
inline void multiply_small(int threads, Index rows, double sign, double const* x, double const* m, double* y) {
  share_out(threads, rows / band_width, [&](Index p) {
    Index const at = p * band_width * band_width;
    micro::multiply<double, band_width>(band_width, band_width, band_width, sign, {x + at, 1}, {m, band_width}, y + at, band_width);
  });
}

/// m = x^T y for x and y [rows, 48] row-major.
inline Matrix<double> overlap(Index rows, double const* x, double const* y) {
  auto m = Matrix<double>::zeros({band_width, band_width});
  micro::multiply<double, 1>(band_width, band_width, rows, 1.0, {x, band_width}, {y, band_width}, m.data(), band_width);
  return m;
}

/// A block of a symmetric matrix, column after column, as rows.
inline void transpose_block(double const* block, double* rows) {
  for (Index r = 0; r < band_width; ++r) {
    for (Index c = 0; c < band_width; ++c) { rows[r * band_width + c] = block[c * band_width + r]; }
  }
}

/// Work space of the reduction; every matrix has the rows of the stored blocks.
struct BandWork {
  explicit BandWork(Index rows) : u(Matrix<double>::zeros({rows, band_width})), y(Matrix<double>::zeros({rows, band_width})), left({rows * 2 * band_width}), right({rows * 2 * band_width}) {}

  Matrix<double> u;      // V T
  Matrix<double> y;      // A V T, then X
  Vector<double> left;   // [V X] in blocks [2 * 48][48]
  Vector<double> right;  // [X V] likewise
};

/// A <- (I - V T V^T)^T A (I - V T V^T) for the blocks from `first` on, as A - V X^T - X V^T with X = Y - V (U^T Y) / 2, U = V T, Y = A U.
inline void apply_both_sides(int threads, SymmetricView<double> matrix, kernels::SymmetricBand::Reflector const& reflector, BandWork& work) {
  Blocks<double> const a(matrix);
  Index const first = reflector.first / band_width;
  Index const blocks = a.count() - first;
  Index const rows = blocks * band_width;
  constexpr Index size = band_width * band_width;
  double const* const v = reflector.v.data();
  double* const u = work.u.data() + first * size;
  double* const y = work.y.data() + first * size;

  std::fill_n(u, rows * band_width, 0.0);
  std::fill_n(y, rows * band_width, 0.0);
  multiply_small(threads, rows, 1.0, v, reflector.t.data(), u);
  symmetric_product<double>(threads, 1.0, Blocks<double const>(matrix), first, work.u.cview(), work.y.view());
  auto half = overlap(rows, u, y);
  scale(0.5, half.data(), half.size());
  multiply_small(threads, rows, -1.0, v, half.data(), y);

  share_out(threads, blocks, [&](Index p) {
    double* const left = work.left.data() + p * 2 * size;
    double* const right = work.right.data() + p * 2 * size;
    for (Index r = 0; r < band_width; ++r) {
      for (Index k = 0; k < band_width; ++k) {
        left[k * band_width + r] = right[size + k * band_width + r] = v[(p * band_width + r) * band_width + k];
        right[k * band_width + r] = left[size + k * band_width + r] = y[(p * band_width + r) * band_width + k];
      }
    }
  });
  share_out(threads, blocks, [&](Index item) {
    Index const p = blocks - 1 - item;  // the longest rows first
    for (Index q = 0; q <= p; ++q) { multiply_blocks(2 * band_width, -1.0, work.left.data() + p * 2 * size, work.right.data() + q * 2 * size, a.block(first + p, first + q)); }
  });
}

/// Diagonal blocks and the triangles below them, row by row.
inline Matrix<double> band_of(SymmetricView<double const> a) {
  auto band = Matrix<double>::zeros({a.order(), band_width + 1});
  for (Index i = 0; i < a.order(); ++i) {
    for (Index j = std::max<Index>(0, i - band_width); j <= i; ++j) { band(i, band_width - (i - j)) = a(i, j); }
  }
  return band;
}

}  // namespace detail

template <class Products>
kernels::SymmetricBand reduce_to_band_on(HostExecutor<Products> const& exec, SymmetricMatrix<double> a) {
  using detail::band_width;
  int const threads = exec.thread_count();
  Blocks<double> const blocks(a.view());
  detail::BandWork work(blocks.stored() * band_width);
  kernels::SymmetricBand form;
  form.order = a.order();
  for (Index j = 0; j + 1 < blocks.count(); ++j) {
    kernels::SymmetricBand::Reflector reflector{(j + 1) * band_width, Matrix<double>({(blocks.count() - j - 1) * band_width, band_width}), {}};
    for (Index p = j + 1; p < blocks.count(); ++p) { detail::transpose_block(blocks.block(p, j), reflector.v.data() + (p - j - 1) * band_width * band_width); }
    reflector.t = PanelQr::factor(reflector.v, blocks.block(j + 1, j));
    detail::apply_both_sides(threads, a.view(), reflector, work);
    form.reflectors.push_back(std::move(reflector));
  }
  form.band = detail::band_of(std::as_const(a).view());
  return form;
}

/// Each thread takes 48 columns of x through all reflectors at once; they stay in its cache.
template <class Products>
void rotate_on(HostExecutor<Products> const& exec, kernels::SymmetricBand const& form, kernels::Rotation rotation, MatrixView<double> x) {
  using detail::band_width;
  Index const rows = (form.order + band_width - 1) / band_width * band_width;
  Index const strips = (x.extent(1) + band_width - 1) / band_width;
  bool const inwards = rotation == kernels::Rotation::into_band;
  share_out(exec.thread_count(), strips, [&](Index s) {
    constexpr Index size = band_width * band_width;
    Index const first = s * band_width;
    Index const some = std::min(band_width, x.extent(1) - first);
    double* const strip = ThreadScratch<detail::BandWork>::get<double>(rows * band_width);
    std::fill_n(strip, rows * band_width, 0.0);
    for (Index i = 0; i < form.order; ++i) { std::copy_n(x.data() + i * x.extent(1) + first, some, strip + i * band_width); }
    for (std::size_t n = 0; n < form.reflectors.size(); ++n) {
      auto const& reflector = form.reflectors[inwards ? n : form.reflectors.size() - 1 - n];
      Index const depth = reflector.v.extent(0);
      double* const part = strip + reflector.first * band_width;
      alignas(64) double inner[static_cast<std::size_t>(size)] = {};
      alignas(64) double outer[static_cast<std::size_t>(size)] = {};
      micro::multiply<double, 1>(band_width, band_width, depth, 1.0, {reflector.v.data(), band_width}, {part, band_width}, inner, band_width);
      if (inwards) {
        micro::multiply<double, 1>(band_width, band_width, band_width, 1.0, {reflector.t.data(), band_width}, {inner, band_width}, outer, band_width);
      } else {
        micro::multiply<double, band_width>(band_width, band_width, band_width, 1.0, {reflector.t.data(), 1}, {inner, band_width}, outer, band_width);
      }
      micro::multiply<double, band_width>(depth, band_width, band_width, -1.0, {reflector.v.data(), 1}, {outer, band_width}, part, band_width);
    }
    for (Index i = 0; i < form.order; ++i) { std::copy_n(strip + i * band_width, some, x.data() + i * x.extent(1) + first); }
  });
}

}  // namespace accrete::host
