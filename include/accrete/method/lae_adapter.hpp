#pragma once

#include <accrete/method/detail/lae.hpp>
#include <accrete/tuning/attention_adapter.hpp>

#include <string_view>

namespace accrete::method {

/// LAE: adapters beside the attention of the first blocks learn every task, and their average over all steps votes with them.
/// @source Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning", ICCV 2023, arXiv:2303.10070
struct LaeAdapter : detail::Lae<AttentionAdapter> {
  static constexpr std::string_view name = "lae-adapter";
  static constexpr std::string_view summary = "adapters beside the attention of the first blocks learn every task, and their average over all steps votes with them";
};

}  // namespace accrete::method
