#pragma once

#include <accrete/vote/checks.hpp>
#include <accrete/vote/concept.hpp>

#include <algorithm>
#include <string_view>

namespace accrete {

/// Each class gets the largest probability that a member gives it:  s_c = max over m of (z_mc - log sum exp z_m),  the logarithm, which orders alike.
/// @source Gao et al. (LAE), ICCV 2023, arXiv:2303.10070, Eq. 5
struct MaxProbability {
  static constexpr std::string_view name = "max-probability";

  /// @param[in] members [B, C] each;  @param[out] scores [B, C].  @throws ShapeError  when the extents differ.   Cost: 2 * members * B * C exponentials and comparisons
  void operator()(MemberLogits members, MatrixView<float> scores) const {
    detail::check_members("MaxProbability", members, scores);
    for (std::size_t m = 0; m < members.size(); ++m) {
      for (Index i = 0; i < scores.extent(0); ++i) {
        auto const z = members[m].view()[i];
        double const sum = detail::log_sum_exp(z);
        auto const row = scores[i];
        for (Index c = 0; c < z.size(); ++c) {
          auto const logarithm = static_cast<float>(static_cast<double>(z[c]) - sum);
          row[c] = m == 0 ? logarithm : std::max(row[c], logarithm);
        }
      }
    }
  }
};
static_assert(MemberVote<MaxProbability>);

}  // namespace accrete
