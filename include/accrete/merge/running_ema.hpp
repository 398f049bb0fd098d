#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/kernels/elementwise.hpp>
#include <accrete/merge/concept.hpp>
#include <accrete/merge/part.hpp>

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete {

/// When an average begins, as a copy of what learns.
///   second_task  with what the first task ended with (LAE)
///   first_task   with what the first task begins with: at a decay near 1 it keeps those values for long (PILOT)
enum class AverageBegins { second_task, first_task };

/// An exponential moving average over steps, beside what learns:  averaged <- averaged + (1 - decay) (learning - averaged)  behind every step.
/// What learns goes on undisturbed; the average is a second network of its own (or prompt), of which only what learns is kept, and a vote hears both
/// (head/voting.hpp). Rows that a prompt adds are taken over when their task begins. A decay of 1 leaves the average bit for bit, 0 makes it what learns.
/// @tparam PartType  OfBackbone or OfPrompt
/// @source Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning" (LAE), ICCV 2023, arXiv:2303.10070, Eq. 4
template <class PartType = OfBackbone>
struct RunningEma {
  using Part = PartType;
  [[nodiscard]] static std::string composition() { return message("running-ema<", Part::name, ">"); }

  double decay = 0.9999;
  AverageBegins begins = AverageBegins::second_task;

  class State {
   public:
    /// As the store of what learns; empty before the average has begun.
    [[nodiscard]] ParameterStore<float> const& averaged() const { return averaged_; }
    /// Goes on from another average.
    /// @param[in] averaged  as the store of what learns
    void assign(ParameterStore<float> averaged) { averaged_ = std::move(averaged); }

    template <class Writer>
    void write(Writer const& writer) const {
      averaged_.write(writer);
    }
    /// @throws FileError, ValueError, ShapeError  when something is missing or does not fit
    template <class Reader>
    [[nodiscard]] static State read(Reader const& reader) {
      State state;
      state.averaged_ = ParameterStore<float>::read(reader);
      return state;
    }

   private:
    friend struct RunningEma;
    ParameterStore<float> averaged_;
  };

  /// Begins the average where it is time, and gives it the rows that are new in `learning`.
  /// @throws ValueError  for a decay outside of [0, 1]; nothing is changed then
  void begin_task(State& state, ParameterStore<float> const& learning, TaskInfo const& task) const {
    if (!(decay >= 0.0 && decay <= 1.0)) { fail<ValueError>("RunningEma", "the decay must lie in [0, 1] (came: ", decay, ")"); }
    if (task.index == 0 && begins == AverageBegins::second_task) { return; }
    ParameterStore<float> grown = learning;
    for (ParameterSegment const& segment : state.averaged_.segments()) {
      if (!grown.contains(segment.name)) { continue; }
      auto const known = std::as_const(state.averaged_).values(segment.name);
      auto const to = grown.values(segment.name);
      std::copy_n(known.begin(), std::min(known.size(), to.size()), to.begin());
    }
    state.averaged_ = std::move(grown);
  }

  /// One fused pass over the whole buffer: what stands still is equal on both sides and keeps its bits.
  /// @throws ShapeError  when `learning` is not laid out as the average.   Cost: 3 P flop
  template <class Exec>
  void after_step(Exec const& exec, State& state, ParameterStore<float> const& learning) const {
    if (state.averaged_.size() == 0) { return; }
    auto const to = state.averaged_.values();
    if constexpr (std::is_same_v<typename Exec::Memory, HostMemory>) {
      kernels::interpolate(exec, learning.values(), 1.0 - decay, to);
    } else {  // stores lie in host memory whatever the executor
      expects(learning.values().size() == to.size(), "RunningEma::after_step", "what learns must be laid out as its average", learning.values().size(), to.size());
      auto const weight = static_cast<float>(1.0 - decay);
      std::transform(to.begin(), to.end(), learning.values().begin(), to.begin(), [weight](float averaged, float value) { return averaged + weight * (value - averaged); });
    }
  }

  /// What learned is what is kept.
  void fold(State& /*state*/, VectorView<float> kept, VectorView<float const> fresh) const {
    expects(kept.size() == fresh.size(), "RunningEma::fold", "both must have one length", kept.size(), fresh.size());
    std::copy(fresh.begin(), fresh.end(), kept.begin());
  }

  [[nodiscard]] static std::vector<Setting<RunningEma>> settings() {
    return {number_setting("decay", "how much of the average stays behind each step", &RunningEma::decay, 0.0, 1.0),
            choice_setting("average-begins", "whether the average begins as what the first task ends or begins with", &RunningEma::begins,
                           std::vector<std::pair<std::string, AverageBegins>>{{"second-task", AverageBegins::second_task}, {"first-task", AverageBegins::first_task}})};
  }
};
static_assert(MergeRule<RunningEma<>> && AveragesBeside<RunningEma<>> && AveragesBeside<RunningEma<OfPrompt>>);

}  // namespace accrete
