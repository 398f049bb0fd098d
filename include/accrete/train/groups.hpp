#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/optimizer_state.hpp>
#include <accrete/train/schedule.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace accrete {

/// How the segments of one role learn, beside the others.
struct ParameterGroup {
  std::string role;           ///< of `ParameterSegment`; empty: all roles without a group of their own
  double rate_factor = 1.0;   ///< multiplies the base rate of the schedule
  double weight_decay = 0.0;  ///< for the segments that decay at all
  double minimum_rate = 0.0;  ///< the rate never falls below it

  friend bool operator==(ParameterGroup const&, ParameterGroup const&) = default;

  [[nodiscard]] static std::vector<Setting<ParameterGroup>> settings() {
    return {number_setting("rate_factor", "multiplies the rate of the schedule", &ParameterGroup::rate_factor, 0.0, 1e6),
            number_setting("weight_decay", "pulls weights towards zero, per unit of the rate", &ParameterGroup::weight_decay, 0.0, 1e6),
            number_setting("minimum_rate", "the rate never falls below it", &ParameterGroup::minimum_rate, 0.0, 1e6)};
  }
};

/// The group of a role: the one that names it, else the one without a name.
/// @throws ValueError  when there is neither
[[nodiscard]] inline ParameterGroup const& group_of(std::span<ParameterGroup const> groups, std::string_view role) {
  auto const named = [&](std::string_view name) { return std::find_if(groups.begin(), groups.end(), [name](ParameterGroup const& group) { return group.role == name; }); };
  auto place = named(role);
  if (place == groups.end()) { place = named({}); }
  if (place == groups.end()) { fail<ValueError>("ParameterGroup", "no group gives a rate to parameters of role '", role, "'"); }
  return *place;
}

/// What the next step does to each span that received a gradient, by the groups and the schedule.
///   rate = max(minimum_rate of the group, schedule.rate(t, rate_factor of the group))
/// @param[in] received  spans of `store.trainable()` that received a gradient, in that order;  @param[in] t  steps of the schedule taken so far
/// @param[out] updates  one per span; its old memory is used again
/// @throws ValueError  for a role without a group;  ShapeError  for a span of no segment
template <class T, RateSchedule Schedule>
void plan_step(ParameterStore<T> const& store, std::span<ParameterGroup const> groups, Schedule const& schedule, Index t, std::span<ParameterSpan const> received,
               std::vector<ParameterUpdate>& updates) {
  updates.clear();
  for (ParameterSpan const& span : received) {
    expects(span.segment >= 0 && span.segment < store.size(), "plan_step", "a span must be of a segment of the store", span.segment, store.size());
    ParameterGroup const& group = group_of(groups, store.segments()[static_cast<std::size_t>(span.segment)].role);
    updates.push_back({span, std::max(group.minimum_rate, schedule.rate(t, group.rate_factor)), group.weight_decay});
  }
}

}  // namespace accrete
