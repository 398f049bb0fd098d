#pragma once

#include <accrete/method/detail/gradient_memory.hpp>
#include <accrete/train/gradient/agem.hpp>

#include <string_view>

namespace accrete::method {

/// A-GEM: one constraint, the gradient on a batch drawn from the memories of all earlier tasks.
/// @source Chaudhry et al., "Efficient Lifelong Learning with A-GEM", ICLR 2019, arXiv:1812.00420
struct AGem : detail::GradientMemory<AveragedGem> {
  static constexpr std::string_view name = "a-gem";
  static constexpr std::string_view summary = "adapters and a linear head; each gradient is projected so that the memories together do not get worse";
  static constexpr std::string_view paper = "Chaudhry et al., Efficient Lifelong Learning with A-GEM, ICLR 2019, arXiv:1812.00420";
};

}  // namespace accrete::method
