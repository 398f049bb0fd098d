#pragma once

#include <accrete/method/detail/ranpac_tuned.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/tuning/frozen.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// RanPAC with a prompt in front of the first block learned on the first task.
/// @source McDonnell et al., NeurIPS 2023, arXiv:2307.02251, Algorithm 1
struct RanpacVptShallow : detail::RanpacTuned<Frozen, FixedPrompt<Shallow>> {
  static constexpr std::string_view name = "ranpac-vpt-shallow";
  static constexpr std::string_view summary = "random projection of features under a shallow prompt, learned on the first task, and a ridge classifier";
};

}  // namespace accrete::method
