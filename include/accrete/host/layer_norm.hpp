#pragma once

#include <accrete/core/bfloat16.hpp>
#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/row_chunks.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/host/simd.hpp>
#include <accrete/kernels/layer_norm.hpp>

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

/// What a norm takes off a row and multiplies it with.
template <class T>
struct RowNorm {
  T mean;
  T scale;  ///< 1 / sqrt(variance + epsilon)
};

template <class T>
[[nodiscard]] RowNorm<T> norm_of_row(T const* x, double epsilon, Index width) {
  T const mean = sum_over_row(x, width, [](simd::Vec<T> v) { return v; }) / static_cast<T>(width);
  T const variance = sum_over_row(x, width, [mean](simd::Vec<T> v) { return (v - mean) * (v - mean); }) / static_cast<T>(width);
  return {mean, T{1} / std::sqrt(variance + static_cast<T>(epsilon))};
}

template <class T, class Y>
void layer_norm_row(T const* x, T const* gain, T const* offset, double epsilon, Index width, Y* y) {
  auto const [mean, scale] = norm_of_row(x, epsilon, width);
  for_vectors<T>(width, [&, mean = mean, scale = scale](Index c, auto lanes) {
    auto const centred = (lanes.load(x + c) - mean) * scale;
    lanes.store(y + c, simd::multiply_add(centred, lanes.load(gain + c), lanes.load(offset + c)));
  });
}

template <class S, class T>
void layer_norm_row_backward(S const* x, S const* gain, double epsilon, Index width, T const* dy, S* dx) {
  auto const norm = norm_of_row(x, epsilon, width);
  simd::Vec<S> sum{};
  simd::Vec<S> dot{};
  for_vectors<S>(width, [&](Index c, auto lanes) {
    auto const g = lanes.load(dy + c) * lanes.load(gain + c);  // zero in lanes beyond the row
    sum += g;
    dot = simd::multiply_add(g, lanes.load(x + c) - norm.mean, dot);
  });
  S const mean_g = simd::sum_of_lanes<S>(sum) / static_cast<S>(width);
  S const slope = simd::sum_of_lanes<S>(dot) / static_cast<S>(width) * norm.scale * norm.scale;
  for_vectors<S>(width, [&](Index c, auto lanes) {
    auto const g = lanes.load(dy + c) * lanes.load(gain + c);
    auto const change = (g - mean_g) - (lanes.load(x + c) - norm.mean) * slope;
    lanes.store(dx + c, simd::multiply_add(change, simd::broadcast(norm.scale), lanes.load(dx + c)));
  });
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

/// As the forward pass, a row is read from memory once.
template <class Products, class T>
void layer_norm_backward_on(HostExecutor<Products> const& exec, RowsView<SumScalar<T> const> x, VectorView<SumScalar<T> const> gain, double epsilon, RowsView<T const> dy, RowsView<SumScalar<T>> dx) {
  parallel_ranges(exec.thread_count(), x.rows, 2 * x.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) { detail::layer_norm_row_backward(x.row(i), gain.data(), epsilon, x.width, dy.row(i), dx.row(i)); }
  });
}

template <class Products, class T>
void layer_norm_parameter_gradients_on(HostExecutor<Products> const& exec, RowsView<SumScalar<T> const> x, double epsilon, RowsView<T const> dy, VectorView<SumScalar<T>> d_gain,
                                       VectorView<SumScalar<T>> d_offset) {
  using S = SumScalar<T>;
  sum_row_chunks<S, 2>(exec.thread_count(), x.rows, x.width, {d_gain.data(), d_offset.data()}, [&](Index first, Index last, auto const& partial) {
    for (Index i = first; i < last; ++i) {
      S const* const row = x.row(i);
      T const* const d = dy.row(i);
      auto const norm = detail::norm_of_row(row, epsilon, x.width);
      for_vectors<S>(x.width, [&](Index c, auto lanes) {
        auto const g = lanes.load(d + c);
        lanes.store(partial[0] + c, simd::multiply_add(g, (lanes.load(row + c) - norm.mean) * norm.scale, lanes.load(partial[0] + c)));
        lanes.store(partial[1] + c, lanes.load(partial[1] + c) + g);
      });
    }
  });
}

}  // namespace accrete::host
