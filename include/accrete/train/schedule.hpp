#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <numbers>
#include <string_view>
#include <variant>
#include <vector>

namespace accrete {

/// The rate while t steps of the schedule have been taken; most methods take one step per epoch, after it.
/// `factor` multiplies the base rate: the rate of a group that learns slower. Rates depend on t alone, so there is nothing to store but t.
template <class S>
concept RateSchedule = std::copyable<S> && requires(S const& schedule, Index t, double factor) {
  { schedule.rate(t, factor) } -> std::same_as<double>;
};

namespace detail {
inline void check_schedule(std::string_view function, Index t, Index least, Index steps) {
  expects(t >= 0, function, "the step must not be negative", t);
  if (steps < least) { fail<ValueError>(function, "needs at least ", least, " steps (came: ", steps, ")"); }
}
}  // namespace detail

/// l(t) = base
struct ConstantRate {
  double base = 0.01;

  [[nodiscard]] double rate(Index /*t*/, double factor = 1.0) const { return base * factor; }
};

/// l(t) = minimum + (base - minimum) (1 + cos(pi t / T)) / 2. With T epochs the last uses t = T - 1, so the minimum is never reached; beyond T it rises again.
/// The minimum is common to all groups.
struct CosineRate {
  double base = 0.01;
  Index steps = 1;  ///< T
  double minimum = 0.0;

  /// @throws ShapeError  for a negative t;  ValueError  for steps below 1
  [[nodiscard]] double rate(Index t, double factor = 1.0) const {
    detail::check_schedule("CosineRate", t, 1, steps);
    return minimum + (base * factor - minimum) * (1.0 + std::cos(std::numbers::pi * static_cast<double>(t) / static_cast<double>(steps))) / 2.0;
  }
};

/// l(t) = base gamma^(number of milestones <= t); a milestone that stands twice counts twice.
struct MultiStepRate {
  double base = 0.01;
  std::vector<Index> milestones = {};
  double gamma = 0.1;

  [[nodiscard]] double rate(Index t, double factor = 1.0) const {
    auto const passed = std::count_if(milestones.begin(), milestones.end(), [t](Index milestone) { return milestone <= t; });
    return base * factor * std::pow(gamma, static_cast<double>(passed));
  }
};

/// l(t) = base (start + (1 - start) min(t, n) / n)
struct WarmupRate {
  double base = 0.01;
  double start = 0.0;  ///< part of the base at t = 0
  Index steps = 1;     ///< n

  /// @throws ShapeError  for a negative t;  ValueError  for steps below 1
  [[nodiscard]] double rate(Index t, double factor = 1.0) const {
    detail::check_schedule("WarmupRate", t, 1, steps);
    return base * factor * (start + (1.0 - start) * static_cast<double>(std::min(t, steps)) / static_cast<double>(steps));
  }
};

/// Linear warm-up for `warmup` steps, then a cosine over `steps` whose clock starts at 0.
struct WarmupCosineRate {
  double base = 0.01;
  double start = 0.0;  ///< part of the base at t = 0
  Index warmup = 0;
  Index steps = 1;  ///< of the cosine, after the warm-up
  double minimum = 0.0;

  /// @throws ShapeError  for a negative t;  ValueError  for steps below 1 or a negative warm-up
  [[nodiscard]] double rate(Index t, double factor = 1.0) const {
    detail::check_schedule("WarmupCosineRate", t, 0, warmup);
    if (t < warmup) { return WarmupRate{base, start, warmup}.rate(t, factor); }
    return CosineRate{base, steps, minimum}.rate(t - warmup, factor);
  }
};

/// l(t) = base (1 - t / T), and 0 from T on.
struct LinearRate {
  double base = 0.01;
  Index steps = 1;  ///< T

  /// @throws ShapeError  for a negative t;  ValueError  for steps below 1
  [[nodiscard]] double rate(Index t, double factor = 1.0) const {
    detail::check_schedule("LinearRate", t, 1, steps);
    return base * factor * (1.0 - static_cast<double>(std::min(t, steps)) / static_cast<double>(steps));
  }
};

/// l(t) = base cos(99 pi t' / (200 (K - 1))),  t' = max(t - 1, 0). As published, epochs 0 and 1 both use the base.
/// @source Smith et al., "CODA-Prompt", CVPR 2023, arXiv:2211.13218, the authors' release; specification: backbone.md §4
struct CodaRate {
  double base = 1e-3;
  Index epochs = 2;  ///< K

  /// @throws ShapeError  for a negative t;  ValueError  for fewer than two epochs: one has no such schedule
  [[nodiscard]] double rate(Index t, double factor = 1.0) const {
    detail::check_schedule("CodaRate", t, 2, epochs);
    auto const late = static_cast<double>(std::max<Index>(t - 1, 0));
    return base * factor * std::cos(99.0 * std::numbers::pi * late / (200.0 * static_cast<double>(epochs - 1)));
  }
};

/// Any of them, where the choice is made while the program runs.
struct AnyRate {
  std::variant<ConstantRate, CosineRate, MultiStepRate, WarmupRate, WarmupCosineRate, LinearRate, CodaRate> schedule;

  [[nodiscard]] double rate(Index t, double factor = 1.0) const {
    return std::visit([&](auto const& chosen) { return chosen.rate(t, factor); }, schedule);
  }
};

static_assert(RateSchedule<ConstantRate> && RateSchedule<CosineRate> && RateSchedule<MultiStepRate> && RateSchedule<WarmupRate> && RateSchedule<WarmupCosineRate> && RateSchedule<LinearRate> &&
              RateSchedule<CodaRate> && RateSchedule<AnyRate>);

}  // namespace accrete
