#pragma once

#include <accrete/merge/concept.hpp>

#include <algorithm>

namespace accrete {

/// The newest parameters are the kept ones.
struct NoMerge {
  static constexpr std::string_view name = "none";
  struct State {};

  /// @param[out] kept [P] becomes `fresh`
  /// @throws ShapeError  when the two lengths differ; `kept` is then unchanged
  void fold(State& /*state*/, VectorView<float> kept, VectorView<float const> fresh) const {
    expects(kept.size() == fresh.size(), "NoMerge::fold", "both must have one length", kept.size(), fresh.size());
    std::copy(fresh.begin(), fresh.end(), kept.begin());
  }
};
static_assert(MergeRule<NoMerge>);

}  // namespace accrete
