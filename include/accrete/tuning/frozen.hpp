#pragma once

#include <accrete/tuning/concept.hpp>

namespace accrete {

/// Nothing moves: the weights stay the published ones, so they are packed once and shared by every copy.
struct Frozen {
  static constexpr std::string_view name = "frozen";

  void declare(TunedNetwork const& /*network*/, RngKey const& /*key*/, ParameterStore<float>& /*store*/) const {}
  [[nodiscard]] TuningForm form() const { return {}; }
  [[nodiscard]] static std::vector<Setting<Frozen>> settings() { return {}; }
};
static_assert(BackboneTuning<Frozen>);

}  // namespace accrete
