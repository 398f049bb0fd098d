#pragma once

// Needs nvcc. Thrust gives a row to one thread, whose reads no other thread shares; here a warp reads a row together.

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/layer_norm.hpp>
#include <accrete/device/rows.hpp>
#include <accrete/device/warp.cuh>

#include <cmath>
#include <concepts>

namespace accrete::device {

/// `moments_of` by one warp.
template <class T>
[[nodiscard]] __device__ Moments<T> warp_moments_of(T const* x, Index width, T epsilon) {
  T const mean = warp_sum_of<T>(width, [x](Index i) { return x[i]; }) / static_cast<T>(width);
  T const variance = warp_sum_of<T>(width, [x, mean](Index i) { return (x[i] - mean) * (x[i] - mean); }) / static_cast<T>(width);
  return {mean, T{1} / std::sqrt(variance + epsilon)};
}

/// One row of a layer norm by one warp. x and y may be the same rows: a lane writes what it alone reads from then on.
template <class T, class Y>
struct WarpLayerNorm {
  RowsView<T const> x;
  T const* gain;
  T const* offset;
  T epsilon;
  RowsView<Y> y;

  __device__ void operator()(Index row) const {
    T const* const from = x.data + row * x.stride;
    Y* const to = y.data + row * y.stride;
    auto const moments = warp_moments_of(from, x.width, epsilon);
    for (Index i = threadIdx.x % warp_lanes; i < x.width; i += warp_lanes) { to[i] = converted<Y>((from[i] - moments.mean) * moments.scale * gain[i] + offset[i]); }
  }
};

template <std::floating_point T, class Y>
  requires(std::same_as<Y, T> || std::same_as<Y, bfloat16>)
void layer_norm_on(DeviceExecutor<CudaSystem> const& exec, RowsView<T const> x, VectorView<T const> gain, VectorView<T const> offset, double epsilon, RowsView<Y> y) {
  for_each_row(exec, "layer_norm", x.rows, WarpLayerNorm<T, Y>{x, gain.data(), offset.data(), static_cast<T>(epsilon), y});
}

/// One row of a layer norm's gradient by one warp.
template <class T>
struct WarpLayerNormGradient {
  using Sum = SumScalar<T>;

  RowsView<Sum const> x;
  Sum const* gain;
  Sum epsilon;
  RowsView<T const> dy;
  RowsView<Sum> dx;

  __device__ void operator()(Index row) const {
    Sum const* const from = x.data + row * x.stride;
    T const* const d = dy.data + row * dy.stride;
    Sum* const to = dx.data + row * dx.stride;
    auto const width = static_cast<Sum>(x.width);
    auto const moments = warp_moments_of(from, x.width, epsilon);
    auto const scaled = [d, this](Index i) { return gain[i] * converted<Sum>(d[i]); };
    auto const normed = [from, moments](Index i) { return (from[i] - moments.mean) * moments.scale; };
    Sum const mean = warp_sum_of<Sum>(x.width, scaled) / width;
    Sum const slope = warp_sum_of<Sum>(x.width, [scaled, normed](Index i) { return scaled(i) * normed(i); }) / width;
    for (Index i = threadIdx.x % warp_lanes; i < x.width; i += warp_lanes) { to[i] += moments.scale * (scaled(i) - mean - normed(i) * slope); }
  }
};

template <class T>
void layer_norm_backward_on(DeviceExecutor<CudaSystem> const& exec, RowsView<SumScalar<T> const> x, VectorView<SumScalar<T> const> gain, double epsilon, RowsView<T const> dy,
                            RowsView<SumScalar<T>> dx) {
  for_each_row(exec, "layer_norm_backward", x.rows, WarpLayerNormGradient<T>{x, gain.data(), static_cast<SumScalar<T>>(epsilon), dy, dx});
}

template <class T>
struct WarpMoments {
  RowsView<T const> x;
  T epsilon;
  Moments<T>* moments;

  __device__ void operator()(Index row) const {
    auto const found = warp_moments_of(x.data + row * x.stride, x.width, epsilon);
    if (threadIdx.x % warp_lanes == 0) { moments[row] = found; }
  }
};

template <std::floating_point T>
void find_moments(DeviceExecutor<CudaSystem> const& exec, RowsView<T const> x, double epsilon, Moments<T>* moments) {
  for_each_row(exec, "layer_norm_parameter_gradients", x.rows, WarpMoments<T>{x, static_cast<T>(epsilon), moments});
}

/// The softmax of one row by one warp, in place.
template <class T>
struct WarpSoftmax {
  T* data;
  Index width;

  __device__ void operator()(Index row) const {
    T* const x = data + row * width;
    Index const lane = threadIdx.x % warp_lanes;
    T largest = x[0];
    for (Index i = lane; i < width; i += warp_lanes) { largest = x[i] > largest ? x[i] : largest; }
    largest = largest_of_lanes(largest);
    __syncwarp();  // every lane has read the first element before one overwrites it
    T sum{};
    for (Index i = lane; i < width; i += warp_lanes) { sum += x[i] = std::exp(x[i] - largest); }
    T const total = sum_of_lanes(sum);
    for (Index i = lane; i < width; i += warp_lanes) { x[i] /= total; }
  }
};

template <std::floating_point T>
void softmax_on(DeviceExecutor<CudaSystem> const& exec, MatrixView<T> x) {
  if (!x.empty()) { for_each_row(exec, "softmax", x.extent(0), WarpSoftmax<T>{x.data(), x.extent(1)}); }
}

}  // namespace accrete::device
