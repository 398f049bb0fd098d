#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/prompt/select/concept.hpp>

#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

namespace accrete {

/// While learning, slots that earlier tasks chose often cost more: the k smallest (1 - similarity) (share + epsilon), of equal ones the more similar, then the smaller number.
/// Afterwards the k most similar. In the first task all shares are 1.
/// @source Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, arXiv:2112.08654, "optionally diversifying prompt-selection"; there epsilon is 0, so that unused slots tie
struct FrequencyPenalty {
  static constexpr std::string_view name = "frequency-penalty";
  static constexpr bool slots_of_tasks = false;

  Index count = 5;  ///< k
  double epsilon = 1e-3;

  [[nodiscard]] Index per_sample() const { return count; }
  [[nodiscard]] Index needed(Index /*task*/) const { return count; }

  void select(std::span<double const> similarity, SlotContext const& context, std::span<Index> chosen) const {
    auto const slots = static_cast<Index>(similarity.size());
    double const total = std::accumulate(context.usage.begin(), context.usage.end(), 0.0);
    if (!context.learning || total == 0.0) { return detail::top_slots(similarity, slots, chosen); }
    std::vector<Index> order(similarity.size());
    std::iota(order.begin(), order.end(), Index{0});
    auto const near = [&](Index slot) { return similarity[static_cast<std::size_t>(slot)]; };
    auto const cost = [&](Index slot) { return (1.0 - near(slot)) * (context.usage[static_cast<std::size_t>(slot)] / total + epsilon); };
    std::sort(order.begin(), order.end(), [&](Index a, Index b) {
      if (cost(a) != cost(b)) { return cost(a) < cost(b); }
      return near(a) != near(b) ? near(a) > near(b) : a < b;
    });
    std::copy_n(order.begin(), chosen.size(), chosen.begin());
  }

  [[nodiscard]] static std::vector<Setting<FrequencyPenalty>> settings() {
    return {number_setting("select", "prompts of one picture", &FrequencyPenalty::count, Index{1}, Index{10000}),
            number_setting("penalty-epsilon", "what a slot costs that was never used", &FrequencyPenalty::epsilon, 0.0, 1.0)};
  }
};
static_assert(SlotSelector<FrequencyPenalty>);

}  // namespace accrete
