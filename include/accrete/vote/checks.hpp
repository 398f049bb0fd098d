#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/vote/concept.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace accrete::detail {

/// @throws ShapeError  when there is no member, or one has other extents than the scores
inline void check_members(std::string_view function, MemberLogits members, MatrixView<float> scores) {
  expects(!members.empty(), function, "there must be a member", members.size());
  for (auto const& logits : members) { expects(logits.shape() == scores.shape(), function, "every member must give [B, C]", logits.extent(0), logits.extent(1), scores.extent(0), scores.extent(1)); }
}

/// log sum over c of exp(z_c); the largest is taken out first, so that nothing overflows.
[[nodiscard]] inline double log_sum_exp(VectorView<float const> z) {
  double const largest = *std::max_element(z.begin(), z.end());
  double sum = 0.0;
  for (float const value : z) { sum += std::exp(static_cast<double>(value) - largest); }
  return largest + std::log(sum);
}

}  // namespace accrete::detail
