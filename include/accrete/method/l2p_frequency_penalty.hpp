#pragma once

#include <accrete/method/detail/l2p.hpp>
#include <accrete/prompt/select/frequency_penalty.hpp>

#include <string_view>

namespace accrete::method {

/// L2P where prompts that earlier tasks chose often cost more while a task is learned, so that the pool does not collapse to a few of them.
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654, "optionally diversifying prompt-selection"; in no release
struct L2pFrequencyPenalty : detail::L2pIn<Instance, FrequencyPenalty> {
  static constexpr std::string_view name = "l2p-frequency-penalty";
  static constexpr std::string_view summary = "l2p whose prompts cost more the more often earlier tasks chose them, so that all of the pool is used";
};

}  // namespace accrete::method
