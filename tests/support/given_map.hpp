#pragma once

#include "support/matrices.hpp"

#include <accrete/core/tensor.hpp>
#include <accrete/head/feature_map.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace accrete::test {

/// max(0, f W) for a matrix W [L, M] that the test sets: the map of reference values.
class GivenMap {
 public:
  static constexpr std::string_view name = "given";
  static constexpr bool projects = true;
  static constexpr Index panel = 64;
  inline static Matrix<float> weights;  // [L, M]

  GivenMap() = default;
  GivenMap(Index inputs, Index /*outputs*/, std::uint64_t /*seed*/) { expects(inputs == weights.extent(0), "GivenMap", "the features must have the rows of the matrix", inputs); }

  [[nodiscard]] Index inputs() const { return weights.extent(0); }
  [[nodiscard]] Index outputs() const { return weights.extent(1); }

  template <class Exec>
  void apply(Exec const& /*exec*/, RowsView<float const> features, Index first, RowsView<float> out) const {
    for (Index i = 0; i < out.rows; ++i) {
      for (Index j = 0; j < out.width; ++j) {
        double sum = 0.0;
        for (Index k = 0; k < features.width; ++k) { sum += static_cast<double>(features.row(i)[k]) * static_cast<double>(weights(k, first + j)); }
        out.row(i)[j] = static_cast<float>(std::max(sum, 0.0));
      }
    }
  }

  friend bool operator==(GivenMap const&, GivenMap const&) { return true; }
};
static_assert(FeatureMap<GivenMap>);

}  // namespace accrete::test
