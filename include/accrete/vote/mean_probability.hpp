#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/vote/checks.hpp>
#include <accrete/vote/concept.hpp>

#include <cmath>
#include <string_view>
#include <vector>

namespace accrete {

/// Each class gets the mean of the probabilities that the members give it, the first member counting `weight` and the others sharing the rest.
struct MeanProbability {
  static constexpr std::string_view name = "mean-probability";

  double weight = 0.5;  ///< of the first member, where there are others

  /// @param[in] members [B, C] each;  @param[out] scores [B, C] probabilities
  /// @throws ShapeError  when the extents differ;  ValueError  for a weight outside of [0, 1]
  void operator()(MemberLogits members, MatrixView<float> scores) const {
    detail::check_members("MeanProbability", members, scores);
    if (!(weight >= 0.0 && weight <= 1.0)) { fail<ValueError>("MeanProbability", "the weight must lie in [0, 1] (came: ", weight, ")"); }
    auto const others = static_cast<double>(members.size() - 1);
    for (Index i = 0; i < scores.extent(0); ++i) {
      std::vector<double> sums(static_cast<std::size_t>(scores.extent(1)), 0.0);
      for (std::size_t m = 0; m < members.size(); ++m) {
        auto const z = members[m].view()[i];
        double const log_sum = detail::log_sum_exp(z);
        double const share = others == 0.0 ? 1.0 : m == 0 ? weight : (1.0 - weight) / others;
        for (std::size_t c = 0; c < sums.size(); ++c) { sums[c] += share * std::exp(static_cast<double>(z[static_cast<Index>(c)]) - log_sum); }
      }
      for (std::size_t c = 0; c < sums.size(); ++c) { scores(i, static_cast<Index>(c)) = static_cast<float>(sums[c]); }
    }
  }

  [[nodiscard]] static std::vector<Setting<MeanProbability>> settings() { return {number_setting("first-weight", "how much the first member counts", &MeanProbability::weight, 0.0, 1.0)}; }
};
static_assert(MemberVote<MeanProbability>);

}  // namespace accrete
