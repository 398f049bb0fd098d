#pragma once

#include <accrete/method/detail/ranpac_tuned.hpp>
#include <accrete/tuning/ssf.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// RanPAC with scales and shifts learned on the first task.
/// @source McDonnell et al., NeurIPS 2023, arXiv:2307.02251, Algorithm 1
struct RanpacSsf : detail::RanpacTuned<Ssf, NoPrompt> {
  static constexpr std::string_view name = "ranpac-ssf";
  static constexpr std::string_view summary = "random projection of features that scales and shifts bend, learned on the first task, and a ridge classifier";

  /// The data sets for which the authors chose this module; pilot-*: as in PILOT.
  [[nodiscard]] static std::vector<Published<Settings>> published() { return {{"imagenet-r", standard()}, {"imagenet-a", standard()}, {"vtab", standard()}}; }
};

}  // namespace accrete::method
