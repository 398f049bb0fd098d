#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/kernels/layer_norm.hpp>

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace accrete::host {
namespace detail {
/// Sum over a row of f(x), four vectors side by side; the order of the additions depends on the width alone.
template <class T, class Map>
[[nodiscard]] T sum_over_row(T const* x, Index width, Map const& f) {
  constexpr Index step = simd::lanes<T>;
  simd::Vec<T> sum[4] = {};
  Index c = 0;
  for (; c + 4 * step <= width; c += 4 * step) {
    ACCRETE_UNROLL
    for (int i = 0; i < 4; ++i) { sum[i] += f(simd::load(x + c + i * step)); }
  }
  for (; c + step <= width; c += step) { sum[0] += f(simd::load(x + c)); }
  if (c < width) {
    auto const value = f(simd::load_part(x + c, width - c));
    sum[0] += simd::lane_numbers<T>() < static_cast<T>(width - c) ? value : simd::Vec<T>{};
  }
  return simd::sum_of_lanes<T>((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

template <class T, class Y>
void layer_norm_row(T const* x, T const* gain, T const* offset, double epsilon, Index width, Y* y) {
  constexpr Index step = simd::lanes<T>;
  T const mean = sum_over_row(x, width, [](simd::Vec<T> v) { return v; }) / static_cast<T>(width);
  T const variance = sum_over_row(x, width, [mean](simd::Vec<T> v) { return (v - mean) * (v - mean); }) / static_cast<T>(width);
  T const scale = T{1} / std::sqrt(variance + static_cast<T>(epsilon));
  Index c = 0;
  for (; c + step <= width; c += step) {
    auto const centred = (simd::load(x + c) - mean) * scale;
    simd::store_narrow(y + c, simd::multiply_add(centred, simd::load(gain + c), simd::load(offset + c)));
  }
  if (c < width) {
    Index const count = width - c;
    Y narrow[simd::lanes<T>];
    auto const centred = (simd::load_part(x + c, count) - mean) * scale;
    simd::store_narrow(narrow, simd::multiply_add(centred, simd::load_part(gain + c, count), simd::load_part(offset + c, count)));
    std::copy(narrow, narrow + count, y + c);
  }
}
}  // namespace detail

/// Rows are read from memory once: the passes over a row find it in the first-level cache.
template <class Products, class T, class Y>
  requires(std::is_same_v<T, Y> || (std::is_same_v<T, float> && std::is_same_v<Y, bfloat16>))
void layer_norm_on(HostExecutor<Products> const& exec, RowsView<T const> x, VectorView<T const> gain, VectorView<T const> offset, double epsilon, RowsView<Y> y) {
  parallel_ranges(exec.thread_count(), x.rows, x.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) { detail::layer_norm_row(x.row(i), gain.data(), offset.data(), epsilon, x.width, y.row(i)); }
  });
}

}  // namespace accrete::host
