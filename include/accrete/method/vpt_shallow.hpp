#pragma once

#include <accrete/method/detail/vpt.hpp>

#include <string_view>

namespace accrete::method {

/// VPT with prompts in front of the input, learned task after task.
/// @source Jia et al., "Visual Prompt Tuning", ECCV 2022, arXiv:2203.12119
struct VptShallow : detail::Vpt<Shallow> {
  static constexpr std::string_view name = "vpt-shallow";
  static constexpr std::string_view summary = "a few learned tokens in front of the input and a linear head, tuned task after task";
};

}  // namespace accrete::method
