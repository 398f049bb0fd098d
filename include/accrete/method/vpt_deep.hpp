#pragma once

#include <accrete/method/detail/vpt.hpp>

#include <string_view>

namespace accrete::method {

/// VPT with prompts in front of every block, learned task after task.
/// @source Jia et al., "Visual Prompt Tuning", ECCV 2022, arXiv:2203.12119
struct VptDeep : detail::Vpt<Deep> {
  static constexpr std::string_view name = "vpt-deep";
  static constexpr std::string_view summary = "a few learned tokens in front of every block and a linear head, tuned task after task";
};

}  // namespace accrete::method
