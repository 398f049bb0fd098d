#pragma once

#include <accrete/method/detail/lae.hpp>
#include <accrete/prompt/fixed_prefix.hpp>

#include <string_view>

namespace accrete::method {

/// LAE: keys and values in front of the first blocks' own learn every task, and their average over all steps votes with them.
/// @source Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning", ICCV 2023, arXiv:2303.10070
struct LaePrefix : detail::Lae<Frozen, FixedPrefix> {
  static constexpr std::string_view name = "lae-prefix";
  static constexpr std::string_view summary = "keys and values in front of the first blocks' own learn every task, and their average over all steps votes with them";
};

}  // namespace accrete::method
