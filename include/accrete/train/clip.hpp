#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <span>

namespace accrete {

/// The 2-norm of all gradients together, summed in double.
/// @param[in] gradient [P] of the store's layout;  @param[in] spans  those that received a gradient
/// @throws ShapeError  when a span leaves the gradient
template <class T>
[[nodiscard]] double gradient_norm(VectorView<T> gradient, std::span<ParameterSpan const> spans) {
  double squared = 0.0;
  for (ParameterSpan const& span : spans) {
    for (T const g : gradient.slice(span.first, span.count)) { squared += static_cast<double>(g) * static_cast<double>(g); }
  }
  return std::sqrt(squared);
}

/// Shortens all gradients together:  g *= min(1, most / (norm + 1e-6))
/// @param[in,out] gradient [P] of the store's layout;  @param[in] spans  those that received a gradient
/// @returns the norm before
/// @throws ValueError  when `most` is not positive or the norm is not finite;  ShapeError  when a span leaves the gradient;  nothing is changed then
/// @source specification: backbone.md §4, the semantics of PyTorch's clip_grad_norm_
template <class T>
double clip_gradient(VectorView<T> gradient, std::span<ParameterSpan const> spans, double most) {
  if (!(most > 0.0)) { fail<ValueError>("clip_gradient", "the largest norm must be positive (came: ", most, ")"); }
  double const norm = gradient_norm(gradient, spans);
  if (!std::isfinite(norm)) { fail<ValueError>("clip_gradient", "the norm of the gradient is not finite (came: ", norm, ")"); }
  T const factor = static_cast<T>(std::min(1.0, most / (norm + 1e-6)));
  if (factor == T{1}) { return norm; }
  for (ParameterSpan const& span : spans) {
    for (T& g : gradient.slice(span.first, span.count)) { g *= factor; }
  }
  return norm;
}

}  // namespace accrete
