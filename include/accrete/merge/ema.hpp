#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/merge/concept.hpp>
#include <accrete/merge/part.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace accrete {

/// An exponential moving average over tasks:  kept <- decay kept + (1 - decay) fresh,  once when a task ends; those of the first task are kept as they are.
/// A decay of 1 leaves the kept ones bit for bit what they were, 0 takes the fresh ones.
/// @tparam PartType  which parameters: OfBackbone, OfPrompt or OfGeneralPrompt (merge/part.hpp)
/// @source Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning" (LAE), ICCV 2023, arXiv:2303.10070, Eq. 4, there after every step
template <class PartType = OfBackbone>
struct Ema {
  using Part = PartType;
  [[nodiscard]] static std::string composition() { return message("ema<", Part::name, ">"); }

  double decay = 0.5;

  struct State {
    bool begun = false;  ///< whether a task has ended

    template <class Writer>
    void write(Writer const& writer) const {
      writer.setting("begun", begun);
    }
    /// @throws FileError  when something is missing
    template <class Reader>
    [[nodiscard]] static State read(Reader const& reader) {
      return {reader.template setting<bool>("begun")};
    }
  };

  /// @param[in,out] kept [P];  @param[in] fresh [P]
  /// @throws ShapeError  when the lengths differ;  ValueError  for a decay outside of [0, 1]; nothing is changed then.   Cost: 3 P flop
  void fold(State& state, VectorView<float> kept, VectorView<float const> fresh) const {
    expects(kept.size() == fresh.size(), "Ema::fold", "both must have one length", kept.size(), fresh.size());
    if (!(decay >= 0.0 && decay <= 1.0)) { fail<ValueError>("Ema", "the decay must lie in [0, 1] (came: ", decay, ")"); }
    double const before = state.begun ? decay : 0.0;
    std::transform(kept.begin(), kept.end(), fresh.begin(), kept.begin(), [before](float a, float b) {
      if (before == 0.0) { return b; }
      return before == 1.0 ? a : static_cast<float>(before * static_cast<double>(a) + (1.0 - before) * static_cast<double>(b));
    });
    state.begun = true;
  }

  [[nodiscard]] static std::vector<Setting<Ema>> settings() { return {number_setting("decay", "how much of the kept parameters stays when a task ends", &Ema::decay, 0.0, 1.0)}; }
};
static_assert(MergeRule<Ema<>> && MergeRule<Ema<OfPrompt>>);

}  // namespace accrete
