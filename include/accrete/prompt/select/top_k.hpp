#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/prompt/select/concept.hpp>

#include <string_view>
#include <vector>

namespace accrete {

/// The k slots whose keys are most similar, while learning and afterwards; the whole pool competes.
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654, Eq. 3
struct TopK {
  static constexpr std::string_view name = "top-k";
  static constexpr bool slots_of_tasks = false;

  Index count = 5;  ///< k

  [[nodiscard]] Index per_sample() const { return count; }
  [[nodiscard]] Index needed(Index /*task*/) const { return count; }
  void select(std::span<double const> similarity, SlotContext const& /*context*/, std::span<Index> chosen) const { detail::top_slots(similarity, static_cast<Index>(similarity.size()), chosen); }

  [[nodiscard]] static std::vector<Setting<TopK>> settings() { return {number_setting("select", "prompts of one picture", &TopK::count, Index{1}, Index{10000})}; }
};
static_assert(SlotSelector<TopK>);

}  // namespace accrete
