#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/train/gradient/concept.hpp>
#include <accrete/train/gradient/products.hpp>

#include <string_view>

namespace accrete {

/// Averaged gradient episodic memory: one constraint for all earlier tasks together.
///   m = mean_k m_k;   if <g, m> < 0:  g -= <g, m> / <m, m> m
/// @source Chaudhry et al., "Efficient Lifelong Learning with A-GEM", ICLR 2019, arXiv:1812.00420; specification: representation-methods.md §10
struct AveragedGem {
  static constexpr std::string_view name = "a-gem";
  static constexpr GradientConstraints needs = GradientConstraints::average;

  /// @param[in,out] gradient [P];  @param[in] constraints [k, P] gradients on memories; usually one, of a batch drawn from all of them
  /// @throws ShapeError  when the lengths differ;  ValueError  for gradients that are not finite;  the gradient is unchanged then
  template <class T>
  GradientProjection project(VectorView<T> gradient, NonDeduced<MatrixView<T const>> constraints) const {
    GradientProducts const products = gradient_products<T>("AveragedGem::project", gradient, constraints);
    double aligned = 0.0;  // k times <g, m>
    for (double const product : products.aligned) { aligned += product; }
    double length = 0.0;  // k^2 times <m, m>
    for (double const product : products.gram) { length += product; }
    GradientProjection result{.changed = aligned < 0.0 && length > 0.0, .violated = aligned < 0.0 ? 1 : 0, .multipliers = {}};
    if (!result.changed) { return result; }
    Vector<double> share(products.aligned.shape());
    for (double& value : share) { value = -aligned / length; }
    add_constraints<T>(gradient, constraints, share.view());
    result.multipliers.assign(share.begin(), share.end());
    return result;
  }
};
static_assert(GradientPolicy<AveragedGem>);

}  // namespace accrete
