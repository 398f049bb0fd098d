#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/functions.hpp>
#include <accrete/host/scratch.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/kernels/rows.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace accrete::host {
namespace detail {
template <class T>
void softmax_row(T* x, Index width) {
  constexpr Index step = simd::lanes<T>;
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  auto best = simd::broadcast(lowest);
  Index c = 0;
  for (; c + step <= width; c += step) { best = simd::larger(best, simd::load(x + c)); }
  T largest = simd::largest_lane<T>(best);
  for (; c < width; ++c) { largest = largest > x[c] ? largest : x[c]; }

  simd::Vec<T> sum{};
  Index const rest = width % step;
  for (c = 0; c + step <= width; c += step) {
    auto const value = simd::exponential_of_negative(simd::load(x + c) - largest);
    simd::store(x + c, value);
    sum += value;
  }
  if (rest > 0) {
    auto const value = simd::exponential_of_negative(simd::load_part(x + c, rest) - largest);
    simd::store_part(x + c, value, rest);
    sum += simd::lane_numbers<T>() < static_cast<T>(rest) ? value : simd::Vec<T>{};
  }
  T const scale = T{1} / simd::sum_of_lanes<T>(sum);
  for (c = 0; c + step <= width; c += step) { simd::store(x + c, simd::load(x + c) * scale); }
  if (rest > 0) { simd::store_part(x + c, simd::load_part(x + c, rest) * scale, rest); }
}

/// Sum of f(x) in float64 with eight running sums; the order depends on the width alone.
template <class T, class Map>
[[nodiscard]] double wide_sum(T const* x, Index width, Map const& f) {
  constexpr std::size_t parts = 8;
  std::array<double, parts> sum{};
  Index const whole = width - width % static_cast<Index>(parts);
  for (Index c = 0; c < whole; c += static_cast<Index>(parts)) {
    ACCRETE_SIMD
    for (std::size_t i = 0; i < parts; ++i) { sum[i] += f(static_cast<double>(x[c + static_cast<Index>(i)])); }
  }
  for (Index c = whole; c < width; ++c) { sum[0] += f(static_cast<double>(x[c])); }
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/// Inner products of one row with `Count` others. Each sum runs through the same additions whatever `Count` is.
template <int Count, class T>
[[nodiscard]] std::array<T, static_cast<std::size_t>(Count)> dots(T const* a, T const* b, Index width) {
  constexpr Index step = simd::lanes<T>;
  simd::Vec<T> sum[static_cast<std::size_t>(Count)] = {};
  Index c = 0;
  for (; c + step <= width; c += step) {
    auto const left = simd::load(a + c);
    ACCRETE_UNROLL
    for (int j = 0; j < Count; ++j) { sum[j] = simd::multiply_add(left, simd::load(b + j * width + c), sum[j]); }
  }
  if (c < width) {
    auto const left = simd::load_part(a + c, width - c);
    for (int j = 0; j < Count; ++j) { sum[j] = simd::multiply_add(left, simd::load_part(b + j * width + c, width - c), sum[j]); }
  }
  std::array<T, static_cast<std::size_t>(Count)> result{};
  for (int j = 0; j < Count; ++j) { result[static_cast<std::size_t>(j)] = simd::sum_of_lanes<T>(sum[j]); }
  return result;
}

template <class T>
[[nodiscard]] T length_for_cosine(T const* x, Index width) {
  return std::max(std::sqrt(dots<1>(x, x, width)[0]), static_cast<T>(1e-12));
}

template <class T>
void cosine_row(T const* query, MatrixView<T const> keys, T const* lengths, T* y) {
  Index const width = keys.extent(1);
  T const length = length_for_cosine(query, width);
  Index j = 0;
  for (; j + 4 <= keys.extent(0); j += 4) {
    auto const found = dots<4>(query, keys.data() + j * width, width);
    for (Index i = 0; i < 4; ++i) { y[j + i] = found[static_cast<std::size_t>(i)] / (length * lengths[j + i]); }
  }
  for (; j < keys.extent(0); ++j) { y[j] = dots<1>(query, keys.data() + j * width, width)[0] / (length * lengths[j]); }
}

struct CosineLengths;
struct TopkOrder;

template <class T>
void topk_row(VectorView<T const> scores, Index* index, T* best, Index k) {
  Index const columns = scores.extent(0);
  auto const before = [&](Index a, Index b) {
    T const x = scores[a];
    T const y = scores[b];
    if (std::isnan(x) || std::isnan(y)) { return std::isnan(x) == std::isnan(y) ? a < b : std::isnan(y); }
    return x == y ? a < b : x > y;
  };
  Index* const order = ThreadScratch<TopkOrder>::get<Index>(columns);
  std::iota(order, order + columns, Index{0});
  std::partial_sort(order, order + k, order + columns, before);
  for (Index i = 0; i < k; ++i) {
    index[i] = order[i];
    best[i] = scores[order[i]];
  }
}
}  // namespace detail

template <class Products, class T>
void softmax_on(HostExecutor<Products> const& exec, MatrixView<T> x) {
  Index const width = x.extent(1);
  parallel_ranges(exec.thread_count(), x.extent(0), 4 * width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) { detail::softmax_row(x.data() + i * width, width); }
  });
}

template <class Products, class T>
void row_statistics_on(HostExecutor<Products> const& exec, MatrixView<T const> x, VectorView<double> mean, VectorView<double> variance) {
  Index const width = x.extent(1);
  auto const count = static_cast<double>(width);
  parallel_ranges(exec.thread_count(), x.extent(0), 2 * width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      T const* const row = x.data() + i * width;
      double const centre = detail::wide_sum(row, width, [](double v) { return v; }) / count;
      mean[i] = centre;
      variance[i] = detail::wide_sum(row, width, [centre](double v) { return (v - centre) * (v - centre); }) / count;
    }
  });
}

template <class Products, class T>
void topk_on(HostExecutor<Products> const& exec, MatrixView<T const> scores, MatrixView<Index> index, MatrixView<T> best) {
  Index const k = index.extent(1);
  if (k == 0) { return; }
  parallel_ranges(exec.thread_count(), scores.extent(0), 8 * scores.extent(1), [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) { detail::topk_row(scores[i], index.data() + i * k, best.data() + i * k, k); }
  });
}

/// Each inner product is one chain of fused additions per lane, whatever rows share the call.
template <class Products, class T>
void cosine_on(HostExecutor<Products> const& exec, MatrixView<T const> queries, MatrixView<T const> keys, MatrixView<T> y) {
  Index const width = keys.extent(1);
  T* const lengths = ThreadScratch<detail::CosineLengths>::get<T>(keys.extent(0));
  parallel_ranges(exec.thread_count(), keys.extent(0), width, [&](Index first, Index last) {
    for (Index j = first; j < last; ++j) { lengths[j] = detail::length_for_cosine(keys.data() + j * width, width); }
  });
  parallel_ranges(exec.thread_count(), queries.extent(0), width * keys.extent(0), [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) { detail::cosine_row(queries.data() + i * width, keys, lengths, y.data() + i * keys.extent(0)); }
  });
}

}  // namespace accrete::host
