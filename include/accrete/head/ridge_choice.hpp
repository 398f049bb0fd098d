#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/head/holdout_dual.hpp>
#include <accrete/head/ridge_grid.hpp>
#include <accrete/head/ridge_report.hpp>
#include <accrete/head/ridge_selection.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// By what a ridge is chosen, and what it may look at.
struct RidgeChoice {
  RidgeSelection selection = RidgeSelection::holdout;
  Index most_samples = 8192;  ///< a larger task is sub-sampled
  RngKey key = {};            ///< draws the order of the samples: the hold-out split and the sub-sample
  double before = 0.0;        ///< the ridge of the fit before; 0 when there was none
};

[[nodiscard]] constexpr std::string_view name_of(RidgeSelection selection) {
  switch (selection) {
    case RidgeSelection::holdout: return "holdout";
    case RidgeSelection::gcv: return "gcv";
    case RidgeSelection::loo: return "loo";
    case RidgeSelection::prospective_loo: return "prospective-loo";
  }
  return "";
}

namespace detail {

/// Copies of rows in another order.
struct ReorderedRows {
  ReorderedRows(LabelledRows const& rows, std::vector<Index> const& order) : features({static_cast<Index>(order.size()), rows.features.extent(1)}) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      std::copy_n(rows.features.data() + order[i] * rows.features.extent(1), rows.features.extent(1), features.data() + static_cast<Index>(i) * rows.features.extent(1));
      columns.push_back(rows.columns[static_cast<std::size_t>(order[i])]);
    }
  }

  Matrix<float> features;
  std::vector<Index> columns;
};

/// Fewer samples say nothing about a ridge.
inline constexpr Index least_samples = 5;

/// Rows of a hold-out that are fitted: 80 %, rounded down.
[[nodiscard]] inline Index fitted_rows(LabelledRows const& rows) { return rows.features.extent(0) * 4 / 5; }

template <class Exec, class Map>
[[nodiscard]] std::vector<double> losses_of_task(Exec const& exec, Map const& map, LabelledRows const& rows, RidgeSums const& known, RidgeSelection selection) {
  switch (selection) {
    case RidgeSelection::loo: return loo_losses(exec, map, rows);
    case RidgeSelection::prospective_loo: return prospective_loo_losses(exec, map, rows, known);
    default: return holdout_losses(exec, map, rows, fitted_rows(rows));
  }
}

/// Takes the ridge of the smallest loss. @returns whether any loss was finite
inline bool take_best(std::vector<double> losses, std::string_view by, RidgeReport& report) {
  int const best = RidgeGrid::best(losses);
  if (best < 0) { return false; }
  report.chosen = RidgeGrid::values[static_cast<std::size_t>(best)];
  report.chosen_by = std::string(by);
  report.losses = std::move(losses);
  return true;
}

/// The choice without a look at the task's samples.
template <class Exec>
void choose_by_sums(Exec const& exec, RidgeSums const& known, RidgeChoice const& choice, RidgeReport& report) {
  if (choice.selection != RidgeSelection::gcv && choice.before > 0.0) {
    report.chosen = choice.before;
    report.chosen_by = "kept";
    return;
  }
  if (take_best(gcv_losses(exec, known), name_of(RidgeSelection::gcv), report)) { return; }
  double trace = 0.0;
  for (Index i = 0; i < known.gram.order(); ++i) { trace += known.gram(i, i); }
  report.chosen = choice.before > 0.0 ? choice.before : std::max(trace / static_cast<double>(known.gram.order()), RidgeGrid::values.front());
  report.chosen_by = choice.before > 0.0 ? "kept" : "mean diagonal";
}

}  // namespace detail

/// Chooses the ridge and says in the report how: `chosen`, `chosen_by`, `selection_samples`, `losses`.
/// Criteria that look at the task's samples need at least five of them and a finite loss; without, the ridge of the fit before is kept,
/// and where there is none the sums choose by generalised cross-validation, at last their mean diagonal.
/// @param[in] rows  samples since the fit before;  @param[in] known  sums of everything, those samples included
/// @returns the weights [C, M] where the choice gave them away: a hold-out over all samples there are, fewer than outputs
template <class Exec, class Map>
[[nodiscard]] std::optional<Matrix<double>> choose_ridge(Exec const& exec, Map const& map, LabelledRows const& rows, RidgeSums const& known, RidgeChoice const& choice, RidgeReport& report) {
  Index const given = rows.features.extent(0);
  if (choice.selection == RidgeSelection::gcv || given < detail::least_samples) {
    detail::choose_by_sums(exec, known, choice, report);
    return std::nullopt;
  }
  auto order = Rng(choice.key).permutation(given);
  order.resize(static_cast<std::size_t>(std::min(given, std::max(choice.most_samples, detail::least_samples))));
  detail::ReorderedRows const reordered(rows, order);
  LabelledRows const some{reordered.features.view(), reordered.columns, rows.classes};
  report.selection_samples = some.features.extent(0);
  if (choice.selection == RidgeSelection::holdout && report.selection_samples == known.samples && known.samples <= map.outputs()) {
    HoldoutDual<Exec, Map> const dual(exec, map, some, detail::fitted_rows(some));
    if (detail::take_best(dual.losses(), name_of(choice.selection), report)) { return dual.weights(report.chosen); }
  } else if (detail::take_best(detail::losses_of_task(exec, map, some, known, choice.selection), name_of(choice.selection), report)) {
    return std::nullopt;
  }
  detail::choose_by_sums(exec, known, choice, report);
  return std::nullopt;
}

}  // namespace accrete
