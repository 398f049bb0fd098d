#pragma once

#include <concepts>
#include <string_view>

namespace accrete {

/// Which tasks learn by gradient.
enum class Trains { none, first_task, every_task };

template <class P>
concept StatesWhatTrains = requires {
  { P::trains } -> std::convertible_to<Trains>;
};

/// How a learner spends a task: which tasks learn by gradient and which only add statistics.
template <class P>
concept LearningProtocol = std::copyable<P> && StatesWhatTrains<P>;

/// No task learns by gradient; each one adds its statistics in a single pass.
struct StatisticsOnly {
  static constexpr std::string_view name = "statistics-only";
  static constexpr Trains trains = Trains::none;
};
static_assert(LearningProtocol<StatisticsOnly>);

}  // namespace accrete
