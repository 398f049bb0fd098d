#pragma once

#include <accrete/method/detail/dap.hpp>
#include <accrete/prompt/scope/batch_vote.hpp>

#include <string_view>

namespace accrete::method {

/// DAP as it was published: the pictures of a test batch, sorted by task there, agree on one task.
/// @source Jung et al., "Generating Instance-level Prompts for Rehearsal-free Continual Learning", ICCV 2023, the authors' release; specification: prompt-methods.md §6.3
struct DapBatchVote : detail::DapIn<BatchVote> {
  static constexpr std::string_view name = "dap-batch-vote";
  static constexpr std::string_view summary = "dap where the pictures of a test batch vote for one task: only to reproduce published numbers";
};

}  // namespace accrete::method
