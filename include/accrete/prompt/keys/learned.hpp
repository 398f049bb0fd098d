#pragma once

#include <accrete/core/settings.hpp>

#include <string_view>
#include <vector>

namespace accrete {

/// Keys that are pulled towards the queries that chose them:  loss -= pull / B * sum over the batch and its slots of cos(query, key)
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654, Eq. 5
struct LearnedKeys {
  static constexpr std::string_view name = "learned-keys";
  static constexpr bool learns = true;
  static constexpr bool class_means = false;

  double pull = 1.0;

  [[nodiscard]] static std::vector<Setting<LearnedKeys>> settings() { return {number_setting("pull", "how strongly keys are pulled towards queries", &LearnedKeys::pull, 0.0, 1e6)}; }
};

/// Keys that stay where they began.
struct FrozenKeys {
  static constexpr std::string_view name = "frozen-keys";
  static constexpr bool learns = false;
  static constexpr bool class_means = false;
};

}  // namespace accrete
