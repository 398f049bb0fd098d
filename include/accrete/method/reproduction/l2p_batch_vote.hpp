#pragma once

#include <accrete/method/detail/l2p.hpp>
#include <accrete/prompt/scope/batch_vote.hpp>

#include <string_view>

namespace accrete::method {

/// L2P as it was published: all pictures of a batch get the prompts that most of them ask for, so that test pictures sorted by task tell each other their task.
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654, the authors' release
struct L2pBatchVote : detail::L2pIn<BatchVote> {
  static constexpr std::string_view name = "l2p-batch-vote";
  static constexpr std::string_view summary = "l2p where the pictures of a batch vote for common prompts, also when they are judged: only to reproduce published numbers";
};

}  // namespace accrete::method
