#pragma once

#include <accrete/method/detail/dualprompt.hpp>
#include <accrete/prompt/scope/batch_vote.hpp>

#include <string_view>

namespace accrete::method {

/// DualPrompt as PILOT computes it: the pictures of a test batch vote for one task, and keys and values change places between them.
/// @source PILOT's DualPrompt; specification: prompt-methods.md §4.7
struct DualpromptPilot : detail::DualpromptIn<BatchVote, PilotPrefix> {
  static constexpr std::string_view name = "dualprompt-pilot";
  static constexpr std::string_view summary = "dualprompt with PILOT's vote over the test batch and its mixed-up keys and values: only to reproduce its numbers";

  [[nodiscard]] static Settings standard() { return published_for(published(), "pilot-cifar100"); }
};

}  // namespace accrete::method
