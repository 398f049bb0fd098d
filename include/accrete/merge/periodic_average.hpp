#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/merge/concept.hpp>
#include <accrete/merge/part.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace accrete {

/// The plain mean of what a task began with and of what every `Every`-th step left, counted from the first step on; it is what is kept when the task ends:
///   average <- average + (learning - average) / (n + 1),   n = 1, 2, ...   behind steps 0, Every, 2 Every, ...
/// What learns never sees the average.
/// @tparam Every  steps from one term to the next;  @tparam PartType  which parameters (merge/part.hpp)
/// @source Zheng et al., "Preventing Zero-Shot Transfer Degradation in Continual Learning of Vision-Language Models" (ZSCL), ICCV 2023, arXiv:2303.06628, weight ensemble
template <Index Every = 100, class PartType = OfBackbone>
struct PeriodicAverage {
  static_assert(Every > 0, "PeriodicAverage takes a term every so many steps, at least every one");
  using Part = PartType;
  [[nodiscard]] static std::string composition() { return message("periodic-average<", Every, ", ", Part::name, ">"); }

  /// Of the task at hand; empty between tasks.
  struct State {
    Vector<float> average;  ///< [P]
    Index steps = 0;        ///< done in this task
    Index terms = 0;        ///< n

    template <class Writer>
    void write(Writer const& writer) const {
      writer.tensor("average", average.cview());
      writer.setting("steps", steps);
      writer.setting("terms", terms);
    }
    /// @throws FileError  when something is missing
    template <class Reader>
    [[nodiscard]] static State read(Reader const& reader) {
      State state{reader.template tensor<float, 1>("average"), reader.template setting<Index>("steps"), reader.template setting<Index>("terms")};
      if (state.steps < 0 || state.terms < 0) { fail<FileError>(reader.path().string(), "holds an average of ", state.terms, " terms after ", state.steps, " steps"); }
      return state;
    }
  };

  /// A task begins.
  /// @param[in] start [P]
  void begin(State& state, VectorView<float const> start) const {
    State fresh{Vector<float>(start.shape()), 0, 1};
    std::copy(start.begin(), start.end(), fresh.average.begin());
    state = std::move(fresh);
  }

  /// An optimiser has taken a step.
  /// @param[in] learning [P]
  /// @throws ShapeError  when the length is not that of `begin`; nothing is changed then.   Cost: 3 P flop every `Every` steps
  void follow(State& state, VectorView<float const> learning) const {
    expects(learning.size() == state.average.size(), "PeriodicAverage::follow", "there must be as many parameters as the task began with", learning.size(), state.average.size());
    if (state.steps++ % Every != 0) { return; }
    float const share = 1.0F / static_cast<float>(++state.terms);
    std::transform(state.average.begin(), state.average.end(), learning.begin(), state.average.begin(), [share](float off, float on) { return off + (on - off) * share; });
  }

  /// The task has ended.
  /// @param[out] kept [P] becomes the average;  @param[in] fresh [P]
  /// @throws ShapeError  when the lengths are not those of `begin`; nothing is changed then
  void fold(State& state, VectorView<float> kept, VectorView<float const> fresh) const {
    expects(kept.size() == fresh.size() && kept.size() == state.average.size(), "PeriodicAverage::fold", "there must be as many parameters as the task began with", kept.size(), fresh.size(),
            state.average.size());
    std::copy(state.average.begin(), state.average.end(), kept.begin());
    state = {};
  }
};
static_assert(MergeRule<PeriodicAverage<>>);

}  // namespace accrete
