#pragma once

#include <accrete/method/detail/lae.hpp>
#include <accrete/tuning/lora.hpp>

#include <string_view>

namespace accrete::method {

/// LAE: low-rank parts of the first blocks' keys and values learn every task, and their average over all steps votes with them.
/// @source Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning", ICCV 2023, arXiv:2303.10070
struct LaeLora : detail::Lae<Lora> {
  static constexpr std::string_view name = "lae-lora";
  static constexpr std::string_view summary = "low-rank parts of the first blocks' keys and values learn every task, and their average over all steps votes with them";
};

}  // namespace accrete::method
