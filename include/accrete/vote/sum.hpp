#pragma once

#include <accrete/vote/checks.hpp>
#include <accrete/vote/concept.hpp>

#include <string_view>

namespace accrete {

/// Each class gets the sum of the members' logits.
struct SumOfLogits {
  static constexpr std::string_view name = "sum-of-logits";

  /// @param[in] members [B, C] each;  @param[out] scores [B, C].  @throws ShapeError  when the extents differ
  void operator()(MemberLogits members, MatrixView<float> scores) const {
    detail::check_members("SumOfLogits", members, scores);
    for (Index i = 0; i < scores.size(); ++i) {
      double sum = 0.0;
      for (auto const& logits : members) { sum += static_cast<double>(logits.data()[i]); }
      scores.data()[i] = static_cast<float>(sum);
    }
  }
};
static_assert(MemberVote<SumOfLogits>);

}  // namespace accrete
