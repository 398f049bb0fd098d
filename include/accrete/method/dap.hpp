#pragma once

#include <accrete/method/detail/dap.hpp>

#include <string_view>

namespace accrete::method {

/// DAP: prompts generated in front of every block out of the tokens that reach it, modulated by an embedding of the task a picture looks like.
/// @source Jung et al., "Generating Instance-level Prompts for Rehearsal-free Continual Learning", ICCV 2023; each picture chooses its task alone, and every task
/// begins with a fresh optimiser; the release votes over the test batch and goes on with the old one
struct Dap : detail::DapIn<Instance> {
  static constexpr std::string_view name = "dap";
  static constexpr std::string_view summary = "prompts generated in every block from its tokens, modulated by the embedding of the task a picture looks like, under a linear head";
};

}  // namespace accrete::method
