#pragma once

#include <accrete/method/detail/dualprompt.hpp>

#include <string_view>

namespace accrete::method {

/// DualPrompt: prefixes that all tasks share in the first blocks, and in later ones those of the task that a picture looks like.
/// @source Wang et al., "DualPrompt", ECCV 2022, arXiv:2204.04799; keys and values as the authors lay them out, each picture chooses alone among the tasks seen
struct Dualprompt : detail::DualpromptIn<Instance> {
  static constexpr std::string_view name = "dualprompt";
  static constexpr std::string_view summary = "general prefixes of all tasks and expert prefixes of the task a picture looks like, under a linear head";
};

}  // namespace accrete::method
