#pragma once

#include <accrete/method/detail/gradient_memory.hpp>
#include <accrete/train/gradient/gem.hpp>

#include <string_view>

namespace accrete::method {

/// GEM: the least change of each gradient after which no earlier task's memory gets worse, to first order.
/// @source Lopez-Paz, Ranzato, "Gradient Episodic Memory for Continual Learning", NIPS 2017, arXiv:1706.08840
struct Gem : detail::GradientMemory<accrete::Gem> {
  static constexpr std::string_view name = "gem";
  static constexpr std::string_view summary = "adapters and a linear head; each gradient is projected so that the memory of no earlier task gets worse";
  static constexpr std::string_view paper = "Lopez-Paz, Ranzato, Gradient Episodic Memory for Continual Learning, NIPS 2017, arXiv:1706.08840";
};

}  // namespace accrete::method
