#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/prompt/placement/prefix.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace accrete {

/// No rows that all samples share.
struct NoGeneral {
  static constexpr std::string_view name = "none";
  [[nodiscard]] static BundlePlan plan(PromptPlace const& /*place*/) { return {}; }
};

/// Rows that all samples and all tasks share, beside those that are chosen.
/// @tparam Placement  PromptPlacement
/// @source Wang et al., "DualPrompt", ECCV 2022, arXiv:2204.04799, section 4.1 (G-prompt)
template <class Placement = Prefix>
struct General {
  static constexpr std::string_view name = "general";

  Placement placement = {.length = 5, .first = 0, .blocks = 2};

  [[nodiscard]] BundlePlan plan(PromptPlace const& place) const { return placement.plan(place); }

  [[nodiscard]] static std::vector<Setting<General>> settings() { return part_settings(&General::placement, Placement::settings(), "general-"); }
};

}  // namespace accrete
