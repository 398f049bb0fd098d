#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/train/term/concept.hpp>

#include <string_view>
#include <vector>

namespace accrete {

/// Ties what learns below the head to what the task began with, s:
///   loss = (weight / 2) |v - s|^2,   dv = weight (v - s)
/// The square is a sum over all parameters, no mean; the lambda of ZSCL, which has no half, is half this weight.
/// @source Zheng et al., "Preventing Zero-Shot Transfer Degradation in Continual Learning of Vision-Language Models" (ZSCL), ICCV 2023, arXiv:2303.06628; specification: mixture-methods.md §4.4
struct Anchor {
  static constexpr std::string_view name = "anchor";

  double weight = 1.0;

  [[nodiscard]] bool holds() const { return weight > 0.0; }

  /// @param[in] values, start [P];  @param[in,out] gradient [P]
  /// @throws ShapeError  when lengths differ; `gradient` is unchanged then
  template <class T>
  double hold(NonDeduced<VectorView<T const>> values, NonDeduced<VectorView<T const>> start, VectorView<T> gradient) const {
    expects(start.size() == values.size() && gradient.size() == values.size(), "Anchor", "values, start and gradient must have one length", values.size(), start.size(), gradient.size());
    double squares = 0.0;
    for (Index i = 0; i < values.size(); ++i) {
      double const off = static_cast<double>(values[i]) - static_cast<double>(start[i]);
      squares += off * off;
      gradient[i] = static_cast<T>(static_cast<double>(gradient[i]) + weight * off);
    }
    return 0.5 * weight * squares;
  }

  [[nodiscard]] static std::vector<Setting<Anchor>> settings() {
    return {number_setting("start-anchor", "ties what learns below the head to what the task began with; 0: not", &Anchor::weight, 0.0, 1e12)};
  }
};
static_assert(HoldsParameters<Anchor>);

}  // namespace accrete
