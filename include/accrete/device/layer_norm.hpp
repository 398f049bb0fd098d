#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/column_sums.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/layer_norm.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>

namespace accrete::device {

/// What a row is normed with.
template <class Sum>
struct Moments {
  Sum mean;
  Sum scale;  ///< 1 / sqrt(variance + epsilon)
};

/// In two passes, since E[x^2] - E[x]^2 cancels.
template <class T>
[[nodiscard]] ACCRETE_HD Moments<T> moments_of(T const* x, Index width, T epsilon) {
  T const mean = sum_of<T>(width, [x](Index i) { return x[i]; }) / static_cast<T>(width);
  T const variance = sum_of<T>(width, [x, mean](Index i) { return (x[i] - mean) * (x[i] - mean); }) / static_cast<T>(width);
  return {mean, T{1} / std::sqrt(variance + epsilon)};
}

/// One row of a layer norm. x and y may be the same rows.
template <class T, class Y>
struct LayerNormRow {
  RowsView<T const> x;
  T const* gain;
  T const* offset;
  T epsilon;
  RowsView<Y> y;

  ACCRETE_HD void operator()(Index row) const {
    T const* const from = x.data + row * x.stride;
    Y* const to = y.data + row * y.stride;
    auto const moments = moments_of(from, x.width, epsilon);
    for (Index i = 0; i < x.width; ++i) { to[i] = converted<Y>((from[i] - moments.mean) * moments.scale * gain[i] + offset[i]); }
  }
};

template <OnProcessor System, std::floating_point T, class Y>
  requires(std::same_as<Y, T> || std::same_as<Y, bfloat16>)
void layer_norm_on(DeviceExecutor<System> const& exec, RowsView<T const> x, VectorView<T const> gain, VectorView<T const> offset, double epsilon, RowsView<Y> y) {
  for_each_index(exec, "layer_norm", x.rows, LayerNormRow<T, Y>{x, gain.data(), offset.data(), static_cast<T>(epsilon), y});
}

/// One row of dx += r (g - mean(g) - xhat mean(g xhat)).
template <class T>
struct LayerNormGradientRow {
  using Sum = SumScalar<T>;

  RowsView<Sum const> x;
  Sum const* gain;
  Sum epsilon;
  RowsView<T const> dy;
  RowsView<Sum> dx;

  ACCRETE_HD void operator()(Index row) const {
    Sum const* const from = x.data + row * x.stride;
    T const* const d = dy.data + row * dy.stride;
    Sum* const to = dx.data + row * dx.stride;
    Sum const* const gains = gain;
    auto const width = static_cast<Sum>(x.width);
    auto const moments = moments_of(from, x.width, epsilon);
    Sum const mean = sum_of<Sum>(x.width, [d, gains](Index i) { return gains[i] * converted<Sum>(d[i]); }) / width;
    Sum const slope = sum_of<Sum>(x.width, [d, gains, from, moments](Index i) { return gains[i] * converted<Sum>(d[i]) * ((from[i] - moments.mean) * moments.scale); }) / width;
    for (Index i = 0; i < x.width; ++i) { to[i] += moments.scale * (gains[i] * converted<Sum>(d[i]) - mean - (from[i] - moments.mean) * moments.scale * slope); }
  }
};

template <OnProcessor System, class T>
void layer_norm_backward_on(DeviceExecutor<System> const& exec, RowsView<SumScalar<T> const> x, VectorView<SumScalar<T> const> gain, double epsilon, RowsView<T const> dy, RowsView<SumScalar<T>> dx) {
  for_each_index(exec, "layer_norm_backward", x.rows, LayerNormGradientRow<T>{x, gain.data(), static_cast<SumScalar<T>>(epsilon), dy, dx});
}

template <class T>
struct MomentsOfRow {
  RowsView<T const> x;
  T epsilon;
  Moments<T>* moments;

  ACCRETE_HD void operator()(Index row) const { moments[row] = moments_of(x.data + row * x.stride, x.width, epsilon); }
};

/// @param[out] moments [rows]
template <OnProcessor System, std::floating_point T>
void find_moments(DeviceExecutor<System> const& exec, RowsView<T const> x, double epsilon, Moments<T>* moments) {
  for_each_index(exec, "layer_norm_parameter_gradients", x.rows, MomentsOfRow<T>{x, static_cast<T>(epsilon), moments});
}

/// dy xhat
template <class T>
struct GainTerm {
  using Sum = SumScalar<T>;

  RowsView<Sum const> x;
  RowsView<T const> dy;
  Moments<Sum> const* moments;

  [[nodiscard]] ACCRETE_HD Sum operator()(Index row, Index column) const {
    return converted<Sum>(dy.data[row * dy.stride + column]) * ((x.data[row * x.stride + column] - moments[row].mean) * moments[row].scale);
  }
};

template <class System, class T>
void layer_norm_parameter_gradients_on(DeviceExecutor<System> const& exec, RowsView<SumScalar<T> const> x, double epsilon, RowsView<T const> dy, VectorView<SumScalar<T>> d_gain,
                                       VectorView<SumScalar<T>> d_offset) {
  using Sum = SumScalar<T>;
  if (x.rows == 0) { return; }
  auto const memory = exec.system.borrow(static_cast<std::size_t>(x.rows) * sizeof(Moments<Sum>));
  auto* const moments = static_cast<Moments<Sum>*>(memory.data());
  find_moments(exec, x, epsilon, moments);
  add_column_sums(exec, "layer_norm_parameter_gradients", x.rows, x.width, GainTerm<T>{x, dy, moments}, d_gain.data());
  add_column_sums(exec, "layer_norm_parameter_gradients", x.rows, x.width, ValueTerm<Sum, T>{dy}, d_offset.data());
}

}  // namespace accrete::device
