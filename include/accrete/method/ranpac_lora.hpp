#pragma once

#include <accrete/method/detail/ranpac_tuned.hpp>
#include <accrete/tuning/lora.hpp>

#include <string_view>
#include <vector>

namespace accrete::method {

/// RanPAC with low-rank parts of queries and values learned on the first task.
/// @source McDonnell et al., NeurIPS 2023, arXiv:2307.02251, Algorithm 1
struct RanpacLora : detail::RanpacTuned<Lora, NoPrompt> {
  static constexpr std::string_view name = "ranpac-lora";
  static constexpr std::string_view summary = "random projection of features that low-rank parts bend, learned on the first task, and a ridge classifier";
};

}  // namespace accrete::method
