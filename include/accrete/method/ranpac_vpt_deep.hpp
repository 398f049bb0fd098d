#pragma once

#include <accrete/method/detail/ranpac_tuned.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/tuning/frozen.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// RanPAC with prompts in every block learned on the first task.
/// @source McDonnell et al., NeurIPS 2023, arXiv:2307.02251, Algorithm 1
struct RanpacVptDeep : detail::RanpacTuned<Frozen, FixedPrompt<Deep>> {
  static constexpr std::string_view name = "ranpac-vpt-deep";
  static constexpr std::string_view summary = "random projection of features under prompts in every block, learned on the first task, and a ridge classifier";

  /// The data sets for which the authors chose this module; pilot-*: as in PILOT.
  [[nodiscard]] static std::vector<Published<Settings>> published() { return {{"omnibenchmark", standard()}, {"cars", standard()}}; }
};

}  // namespace accrete::method
