#pragma once

#include <accrete/data/examples.hpp>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace accrete {

/// Several sequences of pictures, one behind the other, as one. Pictures stay where they are.
/// @throws ValueError  when there is nothing to join or the class names differ
[[nodiscard]] inline Examples join(std::vector<Examples> parts) {
  if (parts.empty()) { fail<ValueError>("join", "there is nothing to join"); }
  struct Joined {
    std::vector<Examples> parts;
    std::vector<Index> ends;

    [[nodiscard]] std::pair<Examples const&, Index> find(Index i) const {
      auto const part = std::upper_bound(ends.begin(), ends.end(), i) - ends.begin();
      return {parts[static_cast<std::size_t>(part)], part == 0 ? i : i - ends[static_cast<std::size_t>(part - 1)]};
    }
  };
  auto joined = std::make_shared<Joined>();
  Source source;
  source.class_names = parts.front().class_names();
  for (Examples const& part : parts) {
    if (part.class_names() != source.class_names) {
      fail<ValueError>("join", "all parts must have the same class names (", source.class_names.size(), " and ", part.class_names().size(), " names came)");
    }
    for (Index i = 0; i < part.size(); ++i) { source.labels.push_back(part.label(i)); }
    joined->ends.push_back(static_cast<Index>(source.labels.size()));
  }
  joined->parts = std::move(parts);
  auto const at = [joined = std::shared_ptr<Joined const>(std::move(joined))](auto read) {
    return [joined, read](Index i) {
      auto const place = joined->find(i);
      return read(place.first, place.second);
    };
  };
  source.image = at([](Examples const& part, Index i) { return part.image(i); });
  source.id = at([](Examples const& part, Index i) { return part.id(i); });
  source.where = at([](Examples const& part, Index i) { return part.where(i); });
  return Examples(std::move(source));
}

}  // namespace accrete
