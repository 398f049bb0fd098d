#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/prompt/select/concept.hpp>

#include <string_view>
#include <vector>

namespace accrete {

/// All samples of a batch take the slots that most of them proposed, so that each answers with the help of the others: only to reproduce published numbers,
/// whose test batches came sorted by task. A learner does not `predict` with it, only `predict_batchwise`.
/// @source L2P's and DualPrompt's release, "batchwise_prompt"
struct BatchVote {
  static constexpr std::string_view name = "batch-vote";
  static constexpr bool batch_dependent = true;

  /// @param[in,out] chosen [B, k]
  static void agree(MatrixView<Index> chosen, Index slots) {
    if (chosen.extent(0) < 2) { return; }  // alone a sample keeps its own order
    std::vector<double> votes(static_cast<std::size_t>(slots), 0.0);
    for (Index const slot : chosen) { votes[static_cast<std::size_t>(slot)] += 1.0; }
    std::vector<Index> winners(static_cast<std::size_t>(chosen.extent(1)));
    detail::top_slots(votes, slots, winners);
    for (Index b = 0; b < chosen.extent(0); ++b) { std::copy(winners.begin(), winners.end(), chosen[b].begin()); }
  }
};

}  // namespace accrete
