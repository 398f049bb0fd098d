#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <string_view>

namespace accrete {

/// A pool that gets more slots when a task needs them.
struct GrowingPool {
  static constexpr std::string_view name = "growing";
  /// The number of slots for `needed`, of which there are `slots`.
  [[nodiscard]] static Index slots(Index slots, Index needed, Index /*task*/) { return std::max(slots, needed); }
};

/// A pool that keeps its size.
struct FixedPool {
  static constexpr std::string_view name = "fixed";
  /// @throws ValueError  when a task needs more
  [[nodiscard]] static Index slots(Index slots, Index needed, Index task) {
    if (needed > slots) { fail<ValueError>("FixedPool", "task ", task, " needs ", needed, " slots of a pool of ", slots, "; a GrowingPool has room for any number of tasks"); }
    return slots;
  }
};

}  // namespace accrete
