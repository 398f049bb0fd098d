#pragma once

#include <accrete/core/tensor.hpp>

#include <concepts>
#include <vector>

namespace accrete {

/// Which gradients of earlier tasks a policy wants to see at every step.
enum class GradientConstraints {
  none,
  every_task,  ///< one row per earlier task: the gradient on its whole memory
  average,     ///< one row: the gradient on a batch drawn from all memories; more rows are averaged
};

/// What a policy did to a gradient.
struct GradientProjection {
  bool changed = false;
  Index violated = 0;               ///< constraints whose product with the gradient was negative
  std::vector<double> multipliers;  ///< how much of each constraint gradient was added; empty when nothing changed
};

template <class G>
concept StatesItsConstraints = requires {
  { G::needs } -> std::convertible_to<GradientConstraints>;
};

/// Changes a gradient [P] in the light of constraint gradients [k, P].
template <class G>
concept ProjectsGradients = requires(G const& policy, VectorView<float> gradient, MatrixView<float const> constraints) {
  { policy.project(gradient, constraints) } -> std::same_as<GradientProjection>;
};

/// What becomes of a gradient before the optimiser sees it. P counts what learns, gathered in the order of the store; a parameter without a gradient
/// contributes zeros, so that all rows have one layout. With several ranks all gradients are reduced first: projections are not linear.
template <class G>
concept GradientPolicy = std::copyable<G> && StatesItsConstraints<G> && ProjectsGradients<G>;

}  // namespace accrete
