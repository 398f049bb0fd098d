#pragma once

#include <accrete/core/sum_scalar.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/host/executor.hpp>
#include <accrete/host/functions.hpp>
#include <accrete/host/row_vectors.hpp>
#include <accrete/kernels/activation.hpp>

#include <type_traits>

namespace accrete::host {
namespace detail {
template <kernels::Activation Value>
using ActivationConstant = std::integral_constant<kernels::Activation, Value>;

/// body(constant): the choice is made once for a whole array, not once for each vector.
template <class Body>
void with_activation(kernels::Activation activation, Body const& body) {
  using kernels::Activation;
  switch (activation) {
    case Activation::gelu: return body(ActivationConstant<Activation::gelu>{});
    case Activation::quick_gelu: return body(ActivationConstant<Activation::quick_gelu>{});
    case Activation::relu: return body(ActivationConstant<Activation::relu>{});
    case Activation::none: return body(ActivationConstant<Activation::none>{});
  }
}

/// act(u) in each lane.
template <kernels::Activation Value, class V>
[[nodiscard]] inline V activate(ActivationConstant<Value> /*activation*/, V u) {
  if constexpr (Value == kernels::Activation::gelu) {
    return simd::gelu(u);
  } else if constexpr (Value == kernels::Activation::quick_gelu) {
    return simd::quick_gelu(u);
  } else if constexpr (Value == kernels::Activation::relu) {
    return simd::relu(u);
  } else {
    return u;
  }
}

/// act'(u) in each lane.
template <kernels::Activation Value, class V>
[[nodiscard]] inline V activation_derivative(ActivationConstant<Value> /*activation*/, V u) {
  if constexpr (Value == kernels::Activation::gelu) {
    return simd::gelu_derivative(u);
  } else if constexpr (Value == kernels::Activation::quick_gelu) {
    return simd::quick_gelu_derivative(u);
  } else if constexpr (Value == kernels::Activation::relu) {
    return simd::relu_derivative(u);
  } else {
    return V{} + 1;
  }
}

/// How many additions an exponential and its polynomial cost, about.
inline constexpr Index activation_cost = 8;
}  // namespace detail

template <class Products, class T>
void activate_on(HostExecutor<Products> const& exec, kernels::Activation activation, RowsView<T const> u, RowsView<T> y) {
  parallel_ranges(exec.thread_count(), u.rows, detail::activation_cost * u.width, [&](Index first, Index last) {
    detail::with_activation(activation, [&](auto constant) {
      for (Index i = first; i < last; ++i) {
        T const* const from = u.row(i);
        T* const to = y.row(i);
        for_vectors<SumScalar<T>>(u.width, [&](Index c, auto lanes) { lanes.store(to + c, detail::activate(constant, lanes.load(from + c))); });
      }
    });
  });
}

template <class Products, class T>
void activate_backward_on(HostExecutor<Products> const& exec, kernels::Activation activation, RowsView<T const> u, RowsView<T> d) {
  parallel_ranges(exec.thread_count(), u.rows, detail::activation_cost * u.width, [&](Index first, Index last) {
    detail::with_activation(activation, [&](auto constant) {
      for (Index i = first; i < last; ++i) {
        T const* const from = u.row(i);
        T* const to = d.row(i);
        for_vectors<SumScalar<T>>(u.width, [&](Index c, auto lanes) { lanes.store(to + c, lanes.load(to + c) * detail::activation_derivative(constant, lanes.load(from + c))); });
      }
    });
  });
}

}  // namespace accrete::host
