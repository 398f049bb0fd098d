#pragma once

#include <accrete/backbone/vit_parameter_list.hpp>
#include <accrete/tuning/concept.hpp>

#include <algorithm>
#include <vector>

namespace accrete {

/// Every parameter of the network learns, from its published value on.
struct Full {
  static constexpr std::string_view name = "full";

  void declare(TunedNetwork const& network, RngKey const& /*key*/, ParameterStore<float>& store) const {
    VitShape const& shape = network.shape;
    std::vector<ParameterSegment> segments;
    for (ParameterEntry& entry : parameters_of(shape)) {
      if (entry.name == "pos_embed") { entry.extents = {network.positioned + shape.patches(), shape.width}; }
      segments.push_back(detail::learned_segment(entry.name, entry.extents));
    }
    store.add_all(segments);
    for (ParameterSegment const& segment : segments) {
      auto const published = network.published(segment.name);
      auto const values = store.values(segment.name);
      expects(published.size() == values.size(), "Full::declare", "a published tensor must have the extents of the network", segment.name, published.size(), values.size());
      std::copy(published.begin(), published.end(), values.begin());
    }
  }
  [[nodiscard]] TuningForm form() const { return {}; }
  [[nodiscard]] static std::vector<Setting<Full>> settings() { return {}; }
};
static_assert(BackboneTuning<Full>);

}  // namespace accrete
