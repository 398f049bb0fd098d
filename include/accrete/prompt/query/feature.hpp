#pragma once

#include <string_view>

namespace accrete {

/// The query is the feature of the picture in the plain network: a pass of its own.
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654, section 4.1
struct FeatureQuery {
  static constexpr std::string_view name = "feature";
  static constexpr bool of_tokens = false;
};

}  // namespace accrete
