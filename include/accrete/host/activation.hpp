#pragma once

#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/functions.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/kernels/activation.hpp>

namespace accrete::host {
namespace detail {
/// act(u) in each lane.
template <class V>
[[nodiscard]] V activate(kernels::Activation activation, V u) {
  switch (activation) {
    case kernels::Activation::gelu: return simd::gelu(u);
    case kernels::Activation::quick_gelu: return simd::quick_gelu(u);
    case kernels::Activation::relu: return simd::relu(u);
    case kernels::Activation::none: break;
  }
  return u;
}

/// act'(u) in each lane.
template <class V>
[[nodiscard]] V activation_derivative(kernels::Activation activation, V u) {
  switch (activation) {
    case kernels::Activation::gelu: return simd::gelu_derivative(u);
    case kernels::Activation::quick_gelu: return simd::quick_gelu_derivative(u);
    case kernels::Activation::relu: return simd::relu_derivative(u);
    case kernels::Activation::none: break;
  }
  return V{} + 1;
}

/// How many additions an exponential and its polynomial cost, about.
inline constexpr Index activation_cost = 8;
}  // namespace detail

template <class Products, class T>
void activate_on(HostExecutor<Products> const& exec, kernels::Activation activation, RowsView<T const> u, RowsView<T> y) {
  parallel_ranges(exec.thread_count(), u.rows, detail::activation_cost * u.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      T const* const from = u.row(i);
      T* const to = y.row(i);
      for_vectors<SumScalar<T>>(u.width, [&](Index c, auto lanes) { lanes.store(to + c, detail::activate(activation, lanes.load(from + c))); });
    }
  });
}

template <class Products, class T>
void activate_backward_on(HostExecutor<Products> const& exec, kernels::Activation activation, RowsView<T const> u, RowsView<T> d) {
  parallel_ranges(exec.thread_count(), u.rows, detail::activation_cost * u.width, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i) {
      T const* const from = u.row(i);
      T* const to = d.row(i);
      for_vectors<SumScalar<T>>(u.width, [&](Index c, auto lanes) { lanes.store(to + c, lanes.load(to + c) * detail::activation_derivative(activation, lanes.load(from + c))); });
    }
  });
}

}  // namespace accrete::host
