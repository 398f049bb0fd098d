#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/gradient/concept.hpp>
#include <accrete/train/gradient/nonnegative_quadratic.hpp>
#include <accrete/train/gradient/products.hpp>

#include <string_view>
#include <vector>

namespace accrete {

/// Gradient episodic memory: the least change of a gradient g after which no earlier task's loss rises to first order.
/// If <g, m_k> < 0 for any of the memories' gradients m_k, with M [k, P] their rows:
///   min_v  v^T (M M^T + eps I) v / 2 + (M g)^T v,   v >= margin;    g += M^T v
/// The margin holds for every task, also for those that are not violated. With margin 0 and eps 0 the result is the nearest gradient that violates none.
/// A momentum or a moment that comes after the projection voids the promise: meant for SGD without momentum.
/// @source Lopez-Paz, Ranzato, "Gradient Episodic Memory for Continual Learning", NIPS 2017, arXiv:1706.08840; specification: representation-methods.md §10
struct Gem {
  static constexpr std::string_view name = "gem";
  static constexpr GradientConstraints needs = GradientConstraints::every_task;

  double margin = 0.5;
  double epsilon = 1e-3;

  /// @param[in,out] gradient [P];  @param[in] constraints [k, P] gradients on the memories of the earlier tasks; the current task is none of them
  /// @throws ShapeError  when the lengths differ;  ValueError  for a negative setting or gradients that are not finite;  the gradient is unchanged then
  /// Cost: k (k + 3) P flop for the products, 2 k P for the change
  template <class T>
  GradientProjection project(VectorView<T> gradient, NonDeduced<MatrixView<T const>> constraints) const {
    GradientProducts const products = gradient_products<T>("Gem::project", gradient, constraints);
    GradientProjection result{.changed = products.violated() > 0, .violated = products.violated(), .multipliers = {}};
    if (!result.changed) { return result; }
    Vector<double> const v = multipliers(products);
    add_constraints<T>(gradient, constraints, v.view());
    result.multipliers.assign(v.begin(), v.end());
    return result;
  }

  /// The v of the formula, from products alone: where parameters are spread over ranks, these are summed and every rank solves alike.
  /// @returns [k]
  /// @throws ValueError  for a negative setting
  [[nodiscard]] Vector<double> multipliers(GradientProducts const& products) const {
    if (!(margin >= 0.0 && epsilon >= 0.0)) { fail<ValueError>("Gem", "margin and epsilon must not be negative (came: ", margin, ", ", epsilon, ")"); }
    // With u = v - margin >= 0 the slope becomes M g + margin P 1.
    Matrix<double> form = products.gram;
    Vector<double> slope = products.aligned;
    for (Index i = 0; i < slope.size(); ++i) {
      form(i, i) += epsilon;
      for (Index j = 0; j < slope.size(); ++j) { slope(i) += margin * form(i, j); }
    }
    Vector<double> v = NonnegativeQuadratic(form.cview(), slope.cview()).minimum();
    for (double& value : v) { value += margin; }
    return v;
  }

  [[nodiscard]] static std::vector<Setting<Gem>> settings() {
    return {number_setting("margin", "least share of every memory's gradient that a violation adds", &Gem::margin, 0.0, 1e6),
            number_setting("epsilon", "added to the diagonal of the quadratic form", &Gem::epsilon, 0.0, 1e6)};
  }
};
static_assert(GradientPolicy<Gem>);

}  // namespace accrete
