#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/feature_map.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace accrete {

/// The features themselves: no projection and no rectification.
class NoProjection {
 public:
  static constexpr std::string_view name = "no-projection";
  static constexpr bool projects = false;
  static constexpr Index panel = 512;

  NoProjection() = default;
  /// @throws ShapeError  when the width is not positive, or a number of outputs is asked for that is not the width
  NoProjection(Index inputs, Index outputs, std::uint64_t /*seed*/) : width_(inputs) {
    expects(inputs > 0 && (outputs == 0 || outputs == inputs), "NoProjection", "the outputs are the inputs", inputs, outputs);
  }

  [[nodiscard]] Index inputs() const { return width_; }
  [[nodiscard]] Index outputs() const { return width_; }

  template <class Exec>
  void apply(Exec const& /*exec*/, RowsView<float const> features, Index first, RowsView<float> out) const {
    expects(features.width == width_ && features.rows == out.rows && first >= 0 && first + out.width <= width_, "NoProjection::apply", "the range must lie inside the features", features.width, first,
            out.width, features.rows, out.rows);
    for (Index i = 0; i < out.rows; ++i) { std::copy_n(features.row(i) + first, out.width, out.row(i)); }
  }

  friend bool operator==(NoProjection const&, NoProjection const&) = default;

 private:
  Index width_ = 0;
};
static_assert(FeatureMap<NoProjection>);

}  // namespace accrete
