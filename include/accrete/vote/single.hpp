#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/vote/checks.hpp>
#include <accrete/vote/concept.hpp>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// One member answers alone.
struct SingleVote {
  static constexpr std::string_view name = "single";
  enum class Who { first, last };

  Who who = Who::first;

  /// @param[in] members [B, C] each;  @param[out] scores [B, C]: the logits of the one.  @throws ShapeError  when the extents differ
  void operator()(MemberLogits members, MatrixView<float> scores) const {
    detail::check_members("SingleVote", members, scores);
    auto const& logits = who == Who::first ? members.front() : members.back();
    std::copy(logits.begin(), logits.end(), scores.begin());
  }

  [[nodiscard]] static std::vector<Setting<SingleVote>> settings() {
    return {choice_setting("voter", "which member answers", &SingleVote::who, std::vector<std::pair<std::string, Who>>{{"first", Who::first}, {"last", Who::last}})};
  }
};
static_assert(MemberVote<SingleVote>);

}  // namespace accrete
