#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace accrete {

/// All that a projection needs to know of gradients of length P. Over parts of P they add up, so shards of parameters sum their products and solve alike.
struct GradientProducts {
  Matrix<double> gram;     ///< [k, k] between constraints
  Vector<double> aligned;  ///< [k] of each constraint with the gradient; negative: violated

  [[nodiscard]] Index violated() const {
    return std::count_if(aligned.begin(), aligned.end(), [](double product) { return product < 0.0; });
  }
};

namespace detail {
inline constexpr Index gradient_block = 4096;  ///< elements of each row that stay in the cache while all pairs are formed
}  // namespace detail

/// Products of a gradient with constraint gradients, in double and in a fixed order.
/// @param[in] gradient [P];  @param[in] constraints [k, P]
/// @throws ShapeError  when the lengths differ;  ValueError  when a product with the gradient is not finite
/// Cost: k (k + 3) P flop
template <class T>
[[nodiscard]] GradientProducts gradient_products(std::string_view function, VectorView<T const> gradient, MatrixView<T const> constraints) {
  Index const count = constraints.extent(0);
  Index const length = gradient.size();
  expects(constraints.extent(1) == length, function, "constraints [k, P] must be as long as the gradient [P]", count, constraints.extent(1), length);
  GradientProducts products{Matrix<double>::zeros({count, count}), Vector<double>::zeros({count})};
  for (Index first = 0; first < length; first += detail::gradient_block) {
    Index const part = std::min(detail::gradient_block, length - first);
    auto const product = [part](T const* a, T const* b) {
      double sum = 0.0;
      for (Index i = 0; i < part; ++i) { sum += static_cast<double>(a[i]) * static_cast<double>(b[i]); }
      return sum;
    };
    for (Index i = 0; i < count; ++i) {
      T const* const row = constraints[i].data() + first;
      products.aligned(i) += product(row, gradient.data() + first);
      for (Index j = 0; j <= i; ++j) { products.gram(i, j) += product(row, constraints[j].data() + first); }
    }
  }
  for (Index i = 0; i < count; ++i) {
    if (!std::isfinite(products.aligned(i)) || !std::isfinite(products.gram(i, i))) { fail<ValueError>(function, "the gradient of constraint ", i, " or its product with the gradient is not finite"); }
    for (Index j = 0; j < i; ++j) { products.gram(j, i) = products.gram(i, j); }
  }
  return products;
}

/// gradient += sum_k multipliers_k constraints_k, each element rounded once.
template <class T>
void add_constraints(VectorView<T> gradient, MatrixView<T const> constraints, VectorView<double const> multipliers) {
  Vector<double> sums({std::min(detail::gradient_block, gradient.size())});
  for (Index first = 0; first < gradient.size(); first += detail::gradient_block) {
    Index const part = std::min(detail::gradient_block, gradient.size() - first);
    T* const g = gradient.data() + first;
    for (Index i = 0; i < part; ++i) { sums(i) = static_cast<double>(g[i]); }
    for (Index k = 0; k < constraints.extent(0); ++k) {
      T const* const row = constraints[k].data() + first;
      for (Index i = 0; i < part; ++i) { sums(i) += multipliers(k) * static_cast<double>(row[i]); }
    }
    for (Index i = 0; i < part; ++i) { g[i] = static_cast<T>(sums(i)); }
  }
}

}  // namespace accrete
