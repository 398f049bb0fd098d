#pragma once

#include <accrete/method/detail/l2p.hpp>

#include <string_view>

namespace accrete::method {

/// L2P: a pool of prompts in front of the input, of which every picture gets those whose keys are nearest to it; the feature is their mean behind the network.
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654; each picture chooses alone, and only classes seen compete
struct L2p : detail::L2pIn<Instance> {
  static constexpr std::string_view name = "l2p";
  static constexpr std::string_view summary = "a pool of prompts with keys in front of the input; each picture gets the nearest few, whose mean is the feature of a linear head";
};

}  // namespace accrete::method
