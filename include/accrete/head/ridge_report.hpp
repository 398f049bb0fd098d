#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/kernels/ridge_solve.hpp>

#include <string>
#include <vector>

namespace accrete {

/// What the last `fit` of a ridge head chose, how, and what it cost.
struct RidgeReport {
  double chosen = 0.0;              ///< the ridge that was selected
  double ridge = 0.0;               ///< the ridge the weights were solved with; larger than `chosen` where that was not definite in float64
  std::string chosen_by;            ///< "fixed", "holdout", "gcv", "loo", "prospective-loo", or "kept": the ridge of the fit before
  Index task_samples = 0;           ///< samples since the fit before
  Index selection_samples = 0;      ///< how many of them the choice looked at; 0 where it looked at none
  std::vector<double> losses;       ///< one per ridge of the grid; empty where nothing was compared
  kernels::RidgeSolution solution;  ///< how the system was solved
  bool by_inner_products = false;   ///< the weights came out of the choice of the ridge: fewer samples than outputs, none of them older
  double statistics_seconds = 0.0;
  double selection_seconds = 0.0;
  double solve_seconds = 0.0;
};

}  // namespace accrete
