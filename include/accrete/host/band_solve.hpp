#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/columns.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/share_out.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/kernels/symmetric_band.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

namespace accrete::host {

template <class Products>
std::optional<kernels::BandFactor> factor_band_on(HostExecutor<Products> const& /*exec*/, kernels::SymmetricBand const& form, double shift) {
  constexpr Index width = kernels::SymmetricBand::width;
  kernels::BandFactor factor{form.band};
  for (Index i = 0; i < form.order; ++i) {
    double* const row = factor.lower[i].data();
    row[width] += shift;
    for (Index j = std::max<Index>(0, i - width); j < i; ++j) {
      // Rows i and j overlap in columns max(0, i - width) ... j - 1.
      Index const begin = std::max<Index>(0, i - width);
      double const* const other = factor.lower[j].data();
      double const sum = inner_product(row + (begin - i + width), other + (begin - j + width), j - begin);
      row[j - i + width] = (row[j - i + width] - sum) / other[width];
    }
    double const pivot = row[width] - inner_product(row, row, width);
    if (!(pivot > 0.0) || !std::isfinite(pivot)) { return std::nullopt; }
    row[width] = std::sqrt(pivot);
  }
  return factor;
}

namespace detail {

/// Doubles of a row of right-hand sides that are solved together: six vectors hide the latency of the additions.
inline constexpr Index solve_width = 6 * simd::lanes<double>;

/// x <- (x - sum_n coefficients[n * step] others[n * solve_width]) * factor
inline void eliminate(Index count, double const* coefficients, Index step, double const* others, double factor, double* x) {
  constexpr int vectors = 6;
  constexpr Index lanes = simd::lanes<double>;
  simd::Vec<double> sum[vectors];
  ACCRETE_UNROLL
  for (int v = 0; v < vectors; ++v) { sum[v] = simd::load(x + v * lanes); }
  for (Index n = 0; n < count; ++n) {
    auto const coefficient = simd::broadcast(-coefficients[n * step]);
    ACCRETE_UNROLL
    for (int v = 0; v < vectors; ++v) { sum[v] = simd::multiply_add(coefficient, simd::load(others + n * solve_width + v * lanes), sum[v]); }
  }
  ACCRETE_UNROLL
  for (int v = 0; v < vectors; ++v) { simd::store(x + v * lanes, sum[v] * simd::broadcast(factor)); }
}

inline void solve_strip_lower(kernels::BandFactor const& factor, double* strip) {
  constexpr Index width = kernels::SymmetricBand::width;
  for (Index i = 0; i < factor.lower.extent(0); ++i) {
    double const* const row = factor.lower.data() + i * (width + 1);
    Index const begin = std::max<Index>(0, i - width);
    eliminate(i - begin, row + (begin - i + width), 1, strip + begin * solve_width, 1.0 / row[width], strip + i * solve_width);
  }
}

inline void solve_strip_upper(kernels::BandFactor const& factor, double* strip) {
  constexpr Index width = kernels::SymmetricBand::width;
  Index const order = factor.lower.extent(0);
  for (Index i = order - 1; i >= 0; --i) {
    double const* const row = factor.lower.data() + i * (width + 1);
    Index const count = std::min(order - 1 - i, width);
    // L(i + 1 + n, i) lies one row further and one entry to the left for each n.
    eliminate(count, row + (width + 1) + width - 1, width, strip + (i + 1) * solve_width, 1.0 / row[width], strip + i * solve_width);
  }
}

struct BandStrip;

/// Lets every thread work on `solve_width` columns of x, copied together.
template <class Body>
void for_strips(int threads, MatrixView<double> x, Body const& body) {
  share_out(threads, (x.extent(1) + solve_width - 1) / solve_width, [&](Index s) {
    Index const first = s * solve_width;
    Index const some = std::min(solve_width, x.extent(1) - first);
    double* const strip = ThreadScratch<BandStrip>::get<double>(x.extent(0) * solve_width);
    for (Index i = 0; i < x.extent(0); ++i) {
      std::copy_n(x.data() + i * x.extent(1) + first, some, strip + i * solve_width);
      std::fill_n(strip + i * solve_width + some, solve_width - some, 0.0);
    }
    body(strip);
    for (Index i = 0; i < x.extent(0); ++i) { std::copy_n(strip + i * solve_width, some, x.data() + i * x.extent(1) + first); }
  });
}

}  // namespace detail

template <class Products>
void solve_band_lower_on(HostExecutor<Products> const& exec, kernels::BandFactor const& factor, MatrixView<double> x) {
  detail::for_strips(exec.thread_count(), x, [&](double* strip) { detail::solve_strip_lower(factor, strip); });
}

template <class Products>
void solve_band_on(HostExecutor<Products> const& exec, kernels::BandFactor const& factor, MatrixView<double> x) {
  detail::for_strips(exec.thread_count(), x, [&](double* strip) {
    detail::solve_strip_lower(factor, strip);
    detail::solve_strip_upper(factor, strip);
  });
}

/// With L = U D^1/2 and unit U, the inverse S satisfies S = D^-1 U^-1 + (I - U^T) S; inside the band this needs entries of the band only.
template <class Products>
double band_inverse_trace_on(HostExecutor<Products> const& /*exec*/, kernels::BandFactor const& factor) {
  constexpr Index width = kernels::SymmetricBand::width;
  Index const order = factor.lower.extent(0);
  // The part of S that the next row needs: S(i + 1 + a, i + 1 + b), a ring of `width` rows and columns.
  std::vector<double> ring(static_cast<std::size_t>(width * width), 0.0);
  auto const entry = [&](Index row, Index column) -> double& { return ring[static_cast<std::size_t>(row % width * width + column % width)]; };
  std::vector<double> fresh(static_cast<std::size_t>(width));
  double trace = 0.0;
  for (Index i = order - 1; i >= 0; --i) {
    Index const count = std::min(order - 1 - i, width);
    double const pivot = factor.lower(i, width);
    auto const unit = [&](Index k) { return factor.lower(k, width - (k - i)) / pivot; };
    double corner = 1.0 / (pivot * pivot);
    for (Index j = i + 1; j <= i + count; ++j) {
      double sum = 0.0;
      for (Index k = i + 1; k <= i + count; ++k) { sum -= unit(k) * entry(k, j); }
      fresh[static_cast<std::size_t>(j - i - 1)] = sum;
      corner -= unit(j) * sum;
    }
    // Row i + width leaves the ring and row i takes its place.
    for (Index j = i + 1; j < i + width && j <= i + count; ++j) { entry(i, j) = entry(j, i) = fresh[static_cast<std::size_t>(j - i - 1)]; }
    entry(i, i) = corner;
    trace += corner;
  }
  return trace;
}

}  // namespace accrete::host
