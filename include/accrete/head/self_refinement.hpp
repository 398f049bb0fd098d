#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/loss/columns.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <vector>

namespace accrete {

/// Which adapter answers for each sample, found by asking: the one that the router proposes first; then, as long as the answer belongs to another task, that task's.
struct Refinement {
  static constexpr int most_visits = 4;

  std::vector<Index> adapters;  ///< [B] the adapter visited last: its logits are the answer
  std::vector<int> visits;      ///< [B] in [1, most_visits]
};

/// The adapters that samples settle on. Samples of a round are grouped by adapter, so that one that nobody asks for is never run.
/// @param[in] proposed [B] adapter the router proposes for each sample
/// @param[in] visit    visit(adapter, rows, answers): scores the samples `rows` (ascending) with that adapter and writes for each the task its best class came with.
///                     What it keeps for a row is replaced by its next visit; it must not change any parameter, so that asking twice gives the same
/// @source Sun et al., "MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning", AAAI 2025, arXiv:2412.09441, self-refined adapter retrieval
template <class Visit>
[[nodiscard]] Refinement refine_adapters(std::span<Index const> proposed, Visit const& visit) {
  Refinement result{{proposed.begin(), proposed.end()}, std::vector<int>(proposed.size(), 0)};
  std::vector<Index> asking(proposed.size());
  for (std::size_t i = 0; i < asking.size(); ++i) { asking[i] = static_cast<Index>(i); }
  for (int round = 1; round <= Refinement::most_visits && !asking.empty(); ++round) {
    std::vector<Index> next(result.adapters);
    std::vector<Index> left(asking);
    while (!left.empty()) {
      Index const adapter = result.adapters[static_cast<std::size_t>(left.front())];
      std::vector<Index> rows;
      std::copy_if(left.begin(), left.end(), std::back_inserter(rows), [&](Index row) { return result.adapters[static_cast<std::size_t>(row)] == adapter; });
      std::vector<Index> answers(rows.size(), adapter);
      visit(adapter, std::span<Index const>(rows), std::span<Index>(answers));
      for (std::size_t i = 0; i < rows.size(); ++i) { next[static_cast<std::size_t>(rows[i])] = answers[i]; }
      std::erase_if(left, [&](Index row) { return result.adapters[static_cast<std::size_t>(row)] == adapter; });
    }
    for (Index const row : asking) { result.visits[static_cast<std::size_t>(row)] = round; }
    std::erase_if(asking, [&](Index row) { return next[static_cast<std::size_t>(row)] == result.adapters[static_cast<std::size_t>(row)]; });
    if (round < Refinement::most_visits) { result.adapters = std::move(next); }
  }
  return result;
}

/// What the router and the refined answer say together: softmax(z) + softmax(tasks z0), over the classes seen.
/// @param[in] refined z [B, C];  @param[in] routed z0 [B, C] cosines;  @param[in] tasks how many there were so far;  @param[out] scores [B, C]
/// @throws ShapeError  when the shapes differ or there is no class
inline void ensemble_scores(MatrixView<float const> refined, MatrixView<float const> routed, Index tasks, MatrixView<float> scores) {
  expects(refined.shape() == routed.shape() && scores.shape() == refined.shape() && refined.extent(1) > 0, "ensemble_scores", "both logits and the scores must have one shape [B, C]",
          refined.extent(0), refined.extent(1), routed.extent(0), routed.extent(1), scores.extent(0), scores.extent(1));
  Vector<double> sharpened({refined.extent(1)});
  std::vector<double> p;
  std::vector<double> q;
  for (Index i = 0; i < refined.extent(0); ++i) {
    std::transform(routed[i].begin(), routed[i].end(), sharpened.begin(), [tasks](float z) { return static_cast<double>(tasks) * static_cast<double>(z); });
    detail::softmax_row<float>(refined[i], p);
    detail::softmax_row<double>(sharpened.cview(), q);
    for (Index c = 0; c < refined.extent(1); ++c) { scores(i, c) = static_cast<float>(p[static_cast<std::size_t>(c)] + q[static_cast<std::size_t>(c)]); }
  }
}

}  // namespace accrete
