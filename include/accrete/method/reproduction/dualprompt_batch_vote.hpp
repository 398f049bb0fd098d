#pragma once

#include <accrete/method/detail/dualprompt.hpp>
#include <accrete/prompt/scope/batch_vote.hpp>

#include <string_view>

namespace accrete::method {

/// DualPrompt as it was published for CIFAR-100: the pictures of a test batch agree on one task.
/// @source Wang et al., "DualPrompt", ECCV 2022, arXiv:2204.04799, the authors' release
struct DualpromptBatchVote : detail::DualpromptIn<BatchVote> {
  static constexpr std::string_view name = "dualprompt-batch-vote";
  static constexpr std::string_view summary = "dualprompt where the pictures of a test batch vote for one task: only to reproduce published numbers";
};

}  // namespace accrete::method
