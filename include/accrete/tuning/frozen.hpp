#pragma once

#include <concepts>
#include <string_view>

namespace accrete {

/// Says whether gradients reach the backbone's own weights.
template <class T>
concept StatesWhatLearns = requires {
  { T::trains } -> std::convertible_to<bool>;
};

/// Says whether the forward pass differs from that of the published weights.
template <class T>
concept StatesWhatItBends = requires {
  { T::bends_forward } -> std::convertible_to<bool>;
};

/// What of a backbone moves while it learns.
template <class T>
concept BackboneTuning = std::copyable<T> && StatesWhatLearns<T> && StatesWhatItBends<T>;

/// Nothing moves: the weights stay the published ones, so they are packed once and shared by every copy.
struct Frozen {
  static constexpr std::string_view name = "frozen";
  static constexpr bool trains = false;
  static constexpr bool bends_forward = false;
};
static_assert(BackboneTuning<Frozen>);

}  // namespace accrete
