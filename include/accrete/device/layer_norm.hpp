#pragma once

#include <accrete/device/arithmetic.hpp>
#include <accrete/device/for_each_index.hpp>
#include <accrete/kernels/layer_norm.hpp>

#include <cmath>
#include <concepts>

namespace accrete::device {

/// One row of a layer norm, in two passes. x and y may be the same rows.
template <class T, class Y>
struct LayerNormRow {
  using Sum = Accumulator<T>;

  RowsView<T const> x;
  T const* gain;
  T const* offset;
  Sum epsilon;
  RowsView<Y> y;

  ACCRETE_HD void operator()(Index row) const {
    T const* const from = x.data + row * x.stride;
    Y* const to = y.data + row * y.stride;
    auto const width = static_cast<Sum>(x.width);
    Sum const mean = sum_of<Sum>(x.width, [from](Index i) { return from[i]; }) / width;
    Sum const variance = sum_of<Sum>(x.width, [from, mean](Index i) { return (from[i] - mean) * (from[i] - mean); }) / width;
    Sum const scale = Sum{1} / std::sqrt(variance + epsilon);
    for (Index i = 0; i < x.width; ++i) { to[i] = converted<Y>((from[i] - mean) * scale * gain[i] + offset[i]); }
  }
};

template <class System, std::floating_point T, class Y>
  requires(std::same_as<Y, T> || std::same_as<Y, bfloat16>)
void layer_norm_on(DeviceExecutor<System> const& exec, RowsView<T const> x, VectorView<T const> gain, VectorView<T const> offset, double epsilon, RowsView<Y> y) {
  for_each_index(exec, "layer_norm", x.rows, LayerNormRow<T, Y>{x, gain.data(), offset.data(), static_cast<Accumulator<T>>(epsilon), y});
}

}  // namespace accrete::device
