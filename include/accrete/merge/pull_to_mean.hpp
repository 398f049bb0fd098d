#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/merge/concept.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace accrete {

/// Keeps what learns near the mean of what earlier tasks ended with:
///   a <- (1 - m) a + m mean(a_0 ... a_{t-1}),   once after each step of an optimiser;   k times at once: a <- mean + (1 - m)^k (a - mean)
/// @source Sun et al., "MOS: Model Surgery for Pre-Trained Model-Based Class-Incremental Learning", AAAI 2025, arXiv:2412.09441, adapter merging.
///         The release merges once per transformer block and forward pass, at inference as well; `times` repeats the former, the latter is not offered
struct PullToMean {
  static constexpr std::string_view name = "pull-to-mean";

  double momentum = 0.1;  ///< m in [0, 1]
  Index times = 1;        ///< pulls per step

  struct State {
    Index tasks = 0;           ///< how many have ended
    std::vector<double> sums;  ///< [P] of what they ended with

    template <class Writer>
    void write(Writer const& writer) const {
      writer.setting("tasks", tasks);
      writer.tensor("sums", VectorView<double const>(sums.data(), {static_cast<Index>(sums.size())}));
    }
    /// @throws FileError  when something is missing
    template <class Reader>
    [[nodiscard]] static State read(Reader const& reader) {
      auto const stored = reader.template tensor<double, 1>("sums");
      State state{reader.template setting<Index>("tasks"), {stored.begin(), stored.end()}};
      if (state.tasks < 0) { fail<FileError>(reader.path().string(), "holds a merge of ", state.tasks, " tasks"); }
      return state;
    }
  };

  /// Pulls the learning parameters; nothing happens before a task has ended.
  /// @param[in,out] learning [P]
  /// @throws ShapeError  when the length is not that of the ended tasks;  ValueError  for a momentum outside of [0, 1]; nothing is changed then.   Cost: 2 P flop
  void after_step(State const& state, VectorView<float> learning) const {
    if (!(momentum >= 0.0 && momentum <= 1.0)) { fail<ValueError>("PullToMean", "the momentum must lie in [0, 1] (came: ", momentum, ")"); }
    if (state.tasks == 0) { return; }
    expects(learning.size() == static_cast<Index>(state.sums.size()), "PullToMean::after_step", "there must be as many parameters as the ended tasks had", learning.size(), state.sums.size());
    double const kept = std::pow(1.0 - momentum, static_cast<double>(times));
    auto const tasks = static_cast<double>(state.tasks);
    std::transform(learning.begin(), learning.end(), state.sums.begin(), learning.begin(), [&](float a, double sum) {
      double const mean = sum / tasks;
      return static_cast<float>(mean + kept * (static_cast<double>(a) - mean));
    });
  }

  /// A task has ended: its parameters become the kept ones and part of the mean.
  /// @param[out] kept [P] becomes `fresh`
  /// @throws ShapeError  when the lengths differ; nothing is changed then
  void fold(State& state, VectorView<float> kept, VectorView<float const> fresh) const {
    expects(kept.size() == fresh.size(), "PullToMean::fold", "both must have one length", kept.size(), fresh.size());
    expects(state.tasks == 0 || fresh.size() == static_cast<Index>(state.sums.size()), "PullToMean::fold", "there must be as many parameters as the ended tasks had", fresh.size(), state.sums.size());
    state.sums.resize(static_cast<std::size_t>(fresh.size()), 0.0);
    std::transform(fresh.begin(), fresh.end(), state.sums.begin(), state.sums.begin(), [](float a, double sum) { return sum + static_cast<double>(a); });
    ++state.tasks;
    std::copy(fresh.begin(), fresh.end(), kept.begin());
  }

  /// The tasks of another model count as if they had ended here: sums add up.
  /// @throws ShapeError  when the lengths differ; nothing is changed then
  void add(State& state, State const& other) const {
    if (other.tasks == 0) { return; }
    expects(state.tasks == 0 || state.sums.size() == other.sums.size(), "PullToMean::add", "both must be of as many parameters", state.sums.size(), other.sums.size());
    state.sums.resize(other.sums.size(), 0.0);
    std::transform(state.sums.begin(), state.sums.end(), other.sums.begin(), state.sums.begin(), [](double a, double b) { return a + b; });
    state.tasks += other.tasks;
  }

  [[nodiscard]] static std::vector<Setting<PullToMean>> settings() {
    return {number_setting("pull", "how far each step pulls towards the mean of earlier tasks", &PullToMean::momentum, 0.0, 1.0),
            number_setting("pulls", "pulls per step", &PullToMean::times, Index{1}, Index{1000})};
  }
};
static_assert(MergeRule<PullToMean> && MergesEveryStep<PullToMean> && AddsMergeStates<PullToMean>);

}  // namespace accrete
