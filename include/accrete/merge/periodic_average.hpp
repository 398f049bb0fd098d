#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/elementwise.hpp>
#include <accrete/merge/concept.hpp>
#include <accrete/merge/part.hpp>

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>

namespace accrete {

/// The plain mean of what a task began with and of what every `Every`-th step left, counted from the first step on; it is what is kept when the task ends:
///   average <- average + (learning - average) / (n + 1),   n = 1, 2, ...   behind steps 0, Every, 2 Every, ...
/// What learns never sees the average. Between tasks there is none: the next one begins with what is kept.
/// @tparam Every  steps from one term to the next;  @tparam PartType  which parameters (merge/part.hpp)
/// @source Zheng et al., "Preventing Zero-Shot Transfer Degradation in Continual Learning of Vision-Language Models" (ZSCL), ICCV 2023, arXiv:2303.06628, weight ensemble
template <Index Every = 100, class PartType = OfBackbone>
struct PeriodicAverage {
  static_assert(Every > 0, "PeriodicAverage takes a term every so many steps, at least every one");
  using Part = PartType;
  static constexpr bool keeps_average = true;
  [[nodiscard]] static std::string composition() { return message("periodic-average<", Every, ", ", Part::name, ">"); }

  /// Of the task at hand; empty between tasks.
  class State {
   public:
    /// As the store of what learns.
    [[nodiscard]] ParameterStore<float> const& averaged() const { return averaged_; }
    /// n: the start and the steps that were taken in.
    [[nodiscard]] Index terms() const { return terms_; }

    template <class Writer>
    void write(Writer const& writer) const {
      averaged_.write(writer.scope("average"));
      writer.setting("steps", steps_);
      writer.setting("terms", terms_);
    }
    /// @throws FileError, ValueError, ShapeError  when something is missing or does not fit
    template <class Reader>
    [[nodiscard]] static State read(Reader const& reader) {
      State state;
      state.averaged_ = ParameterStore<float>::read(reader.scope("average"));
      state.steps_ = reader.template setting<Index>("steps");
      state.terms_ = reader.template setting<Index>("terms");
      if (state.steps_ < 0 || state.terms_ < 0) { fail<FileError>(reader.path().string(), "holds an average of ", state.terms_, " terms after ", state.steps_, " steps"); }
      return state;
    }

   private:
    friend struct PeriodicAverage;
    ParameterStore<float> averaged_;
    Index steps_ = 0;  ///< done in this task
    Index terms_ = 0;
  };

  void begin_task(State& state, ParameterStore<float> const& learning, TaskInfo const& /*task*/) const {
    State fresh;
    fresh.averaged_ = learning;
    fresh.terms_ = 1;
    state = std::move(fresh);
  }

  /// One fused pass over the whole buffer, every so many steps.
  /// @throws ShapeError  when `learning` is not laid out as the average; nothing is changed then.   Cost: 3 P flop every `Every` steps
  template <class Exec>
  void after_step(Exec const& exec, State& state, ParameterStore<float> const& learning) const {
    auto const to = state.averaged_.values();
    expects(learning.values().size() == to.size(), "PeriodicAverage::after_step", "what learns must be laid out as its average", learning.values().size(), to.size());
    if (state.steps_++ % Every != 0) { return; }
    double const share = 1.0 / static_cast<double>(++state.terms_);
    if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
      kernels::interpolate(exec, learning.values(), share, to);
    } else {  // stores lie in host memory whatever the executor
      auto const weight = static_cast<float>(share);
      std::transform(to.begin(), to.end(), learning.values().begin(), to.begin(), [weight](float averaged, float value) { return averaged + weight * (value - averaged); });
    }
  }

  /// The task has ended.
  /// @param[out] kept [P] becomes `average`;  @param[in] average [P]
  /// @throws ShapeError  when the lengths differ; nothing is changed then
  void fold(State& state, VectorView<float> kept, VectorView<float const> average) const {
    expects(kept.size() == average.size(), "PeriodicAverage::fold", "both must have one length", kept.size(), average.size());
    std::copy(average.begin(), average.end(), kept.begin());
    state = {};
  }
};
static_assert(MergeRule<PeriodicAverage<>> && AveragesBeside<PeriodicAverage<>> && KeepsAverage<PeriodicAverage<>>);

}  // namespace accrete
