#pragma once

#include <concepts>
#include <string_view>

namespace accrete {

/// Which tasks learn by gradient.
enum class Trains { none, first_task, every_task };

/// Which classes compete in the loss of a task.
///   of_task  those that occur in the task; older rows of the head neither push nor are pushed
///   seen     all classes seen so far
enum class Competing { of_task, seen };

/// Which pictures of earlier tasks are looked at again.
///   none  no picture is kept
///   all   every picture of every task: the upper bound
enum class Replays { none, all };

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

/// Learns all pictures of all tasks again.
template <class P>
concept ReplaysAll = P::replays == Replays::all;

/// Looks at pictures of earlier tasks again: at all of them, or at those that its gradient policy keeps.
template <class P>
concept LooksBack = ReplaysAll<P> || P::GradientPolicy::needs != decltype(P::GradientPolicy::needs){};

[[nodiscard]] constexpr std::string_view name_of(Trains trains) { return trains == Trains::none ? "no-task" : trains == Trains::first_task ? "first-task" : "every-task"; }
[[nodiscard]] constexpr std::string_view name_of(Competing competing) { return competing == Competing::of_task ? "classes-of-task" : "classes-seen"; }

}  // namespace accrete
