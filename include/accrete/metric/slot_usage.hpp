#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

namespace accrete {

/// How often each slot of a pool was selected for samples of each task, and what that tells: whether a pool collapses to a few slots, and whether its
/// slots belong to tasks. One for training and one for test, of the slots and tasks there are by then. Measures are NaN while nothing was selected.
class SlotUsage {
 public:
  /// @throws ShapeError  for a negative number
  SlotUsage(Index slots, Index tasks) : counts_(Matrix<Index>::zeros({slots, tasks})) {}

  /// Samples of `task` selected `slot`, so many times; a sample with k slots is k selections.
  /// @throws ShapeError  when there is no such slot or task
  void add(Index slot, Index task, Index times = 1) {
    expects(slot >= 0 && slot < slots(), "SlotUsage::add", "there must be such a slot", slot, slots());
    expects(task >= 0 && task < tasks(), "SlotUsage::add", "there must be such a task", task, tasks());
    counts_(slot, task) += times;
  }

  [[nodiscard]] Index slots() const { return counts_.extent(0); }
  [[nodiscard]] Index tasks() const { return counts_.extent(1); }
  /// [slots, tasks]
  [[nodiscard]] MatrixView<Index const> counts() const { return counts_.cview(); }
  [[nodiscard]] Index selections() const { return std::accumulate(counts_.begin(), counts_.end(), Index{0}); }

  /// [slots] share of all selections.
  [[nodiscard]] std::vector<double> shares() const {
    std::vector<double> shares;
    for (Index const count : per_slot()) { shares.push_back(ratio(count, selections())); }
    return shares;
  }

  /// -sum_m s_m ln s_m / ln M over the shares s: 1 when all slots are used alike, 0 when one is used for everything, and 0 for M < 2.
  [[nodiscard]] double entropy() const {
    if (slots() < 2) { return 0.0; }
    double sum = 0.0;
    for (double const share : shares()) { sum -= share == 0.0 ? 0.0 : share * std::log(share); }
    return sum / std::log(static_cast<double>(slots()));
  }

  /// Number of slots whose share is above `least`; 0 while nothing was selected.
  [[nodiscard]] Index used_slots(double least = 0.01) const {
    auto const all = shares();
    return std::count_if(all.begin(), all.end(), [least](double share) { return share > least; });
  }

  /// Mutual information of slot and task in nats, 0 when slots are selected regardless of tasks, the entropy of the tasks when each has slots of its own:
  ///   sum_mt p_mt ln(p_mt / (p_m p_t))
  [[nodiscard]] double information() const {
    auto const of_slot = per_slot();
    auto const of_task = per_task();
    Index const all = selections();
    double sum = all == 0 ? std::numeric_limits<double>::quiet_NaN() : 0.0;
    for (Index m = 0; m < slots(); ++m) {
      for (Index t = 0; t < tasks(); ++t) {
        if (counts_(m, t) == 0) { continue; }
        double const alike = ratio(of_slot[static_cast<std::size_t>(m)], all) * static_cast<double>(of_task[static_cast<std::size_t>(t)]);
        sum += ratio(counts_(m, t), all) * std::log(static_cast<double>(counts_(m, t)) / alike);
      }
    }
    return std::isnan(sum) ? sum : std::max(sum, 0.0);  // rounding may leave it a little below
  }

  /// Share of the selections whose slot is the one of the task: slot == task.
  [[nodiscard]] double slot_accuracy() const {
    Index own = 0;
    for (Index t = 0; t < std::min(slots(), tasks()); ++t) { own += counts_(t, t); }
    return ratio(own, selections());
  }

 private:
  static double ratio(Index part, Index whole) { return whole == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(part) / static_cast<double>(whole); }

  [[nodiscard]] std::vector<Index> per_slot() const {
    std::vector<Index> sums;
    for (Index m = 0; m < slots(); ++m) { sums.push_back(std::accumulate(counts_[m].begin(), counts_[m].end(), Index{0})); }
    return sums;
  }
  [[nodiscard]] std::vector<Index> per_task() const {
    std::vector<Index> sums(static_cast<std::size_t>(tasks()), 0);
    for (Index m = 0; m < slots(); ++m) { std::transform(counts_[m].begin(), counts_[m].end(), sums.begin(), sums.begin(), std::plus<>()); }
    return sums;
  }

  Matrix<Index> counts_;
};

namespace detail {
/// |a - b|^2 in double.
template <class View>
[[nodiscard]] double squared_distance(View const& a, View const& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(), [](float x, float y) {
    double const difference = static_cast<double>(x) - static_cast<double>(y);
    return difference * difference;
  });
}
template <class View>
[[nodiscard]] double row_length(View const& a) {
  return std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0, std::plus<>(), [](float x, float y) { return static_cast<double>(x) * static_cast<double>(y); }));
}
/// 1 - cos(a, b), without the cancellation.
[[nodiscard]] inline double turned(VectorView<float const> a, VectorView<float const> b) {
  double const length_a = row_length(a);
  double const length_b = row_length(b);
  if (length_a == 0.0 || length_b == 0.0) { return length_a == length_b ? 0.0 : 1.0; }
  return 0.5 * std::inner_product(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(), [&](float x, float y) {
           double const difference = static_cast<double>(x) / length_a - static_cast<double>(y) / length_b;
           return difference * difference;
         });
}
}  // namespace detail

/// How different the rows of a prompt are: the largest distance of two over the largest length, 0 when they are all the same (then they act as one row).
///   max_ab |p_a - p_b| / max_a |p_a|
/// @param[in] rows [L, D];  fewer than two rows, or rows of zeros, give 0, a NaN gives NaN.   Cost: 1.5 L^2 D flop
[[nodiscard]] inline double row_diversity(MatrixView<float const> rows) {
  double farthest = 0.0;
  double longest = 0.0;
  for (Index a = 0; a < rows.extent(0); ++a) {
    double const length = detail::row_length(rows[a]);
    if (std::isnan(length)) { return length; }  // a maximum would step over it
    longest = std::max(longest, length);
    for (Index b = 0; b < a; ++b) { farthest = std::max(farthest, std::sqrt(detail::squared_distance(rows[a], rows[b]))); }
  }
  return longest == 0.0 ? 0.0 : farthest / longest;
}

/// How far each row has turned: 1 - cos(before, after), in [0, 2]. A row of zeros has turned by 1 unless it stayed one.
/// @param[in] before [M, D];  @param[in] after [M, D]
/// @returns [M]
/// @throws ShapeError  when the shapes differ
[[nodiscard]] inline std::vector<double> cosine_drifts(MatrixView<float const> before, MatrixView<float const> after) {
  expects(before.shape() == after.shape(), "cosine_drifts", "both must have one shape", before.extent(0), before.extent(1), after.extent(0), after.extent(1));
  std::vector<double> drifts;
  for (Index m = 0; m < before.extent(0); ++m) { drifts.push_back(detail::turned(before[m], after[m])); }
  return drifts;
}

/// The mean of `cosine_drifts`; NaN for no rows.
[[nodiscard]] inline double cosine_drift(MatrixView<float const> before, MatrixView<float const> after) {
  auto const drifts = cosine_drifts(before, after);
  return std::accumulate(drifts.begin(), drifts.end(), 0.0) / static_cast<double>(drifts.size());
}

/// |after - before| / |before| over all elements; of zeros: 0 when they stayed zeros, else infinite.
/// @throws ShapeError  when the shapes differ
template <int Rank>
[[nodiscard]] double relative_change(TensorView<float const, Rank> before, NonDeduced<TensorView<float const, Rank>> after) {
  expects(before.shape() == after.shape(), "relative_change", "both must have one shape", before.size(), after.size());
  double const change = std::sqrt(detail::squared_distance(before, after));
  return change == 0.0 ? 0.0 : change / detail::row_length(before);
}

/// Mean over the rows of how many weights are not 0; NaN for no rows.
/// @param[in] weights [B, M]
[[nodiscard]] inline double mean_support(MatrixView<float const> weights) {
  auto const support = std::count_if(weights.begin(), weights.end(), [](float weight) { return weight != 0.0F; });
  return static_cast<double>(support) / static_cast<double>(weights.extent(0));
}

}  // namespace accrete
