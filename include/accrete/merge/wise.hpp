#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/merge/concept.hpp>
#include <accrete/merge/part.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// What a task's parameters are drawn back to.
///   task_start  what the task began with
///   published   what the first task began with; one more copy of the parameters
enum class WiseReference { task_start, published };

/// An interpolation with a reference when a task ends, the first one included:  kept <- alpha fresh + (1 - alpha) reference.
/// An alpha of 1 takes the fresh ones bit for bit, 0 the reference.
/// @tparam PartType  which parameters (merge/part.hpp)
/// @source Wortsman et al., "Robust fine-tuning of zero-shot models" (WiSE-FT), CVPR 2022, arXiv:2109.01903; at task ends: Zheng et al. (ZSCL), ICCV 2023, arXiv:2303.06628
template <class PartType = OfBackbone>
struct Wise {
  using Part = PartType;
  static constexpr bool folds_first_task = true;
  [[nodiscard]] static std::string composition() { return message("wise<", Part::name, ">"); }

  double alpha = 0.8;  ///< weight of the fresh parameters
  WiseReference reference = WiseReference::task_start;

  struct State {
    std::shared_ptr<Vector<float> const> published;  ///< [P]; null before the first task, or where nothing asks for it

    template <class Writer>
    void write(Writer const& writer) const {
      writer.setting("has_published", published != nullptr);
      if (published) { writer.tensor("published", published->cview()); }
    }
    /// @throws FileError  when something is missing
    template <class Reader>
    [[nodiscard]] static State read(Reader const& reader) {
      if (!reader.template setting<bool>("has_published")) { return {}; }
      return {std::make_shared<Vector<float> const>(reader.template tensor<float, 1>("published"))};
    }
  };

  /// @param[in,out] kept [P] what the task began with;  @param[in] fresh [P]
  /// @throws ShapeError  when the lengths differ;  ValueError  for an alpha outside of [0, 1]; nothing is changed then.   Cost: 3 P flop
  void fold(State& state, VectorView<float> kept, VectorView<float const> fresh) const {
    expects(kept.size() == fresh.size(), "Wise::fold", "both must have one length", kept.size(), fresh.size());
    if (!(alpha >= 0.0 && alpha <= 1.0)) { fail<ValueError>("Wise", "alpha must lie in [0, 1] (came: ", alpha, ")"); }
    if (reference == WiseReference::published) {
      expects(!state.published || state.published->size() == kept.size(), "Wise::fold", "there must be as many parameters as were published", kept.size(),
              state.published ? state.published->size() : 0);
      if (!state.published) {
        Vector<float> first(kept.shape());
        std::copy(kept.begin(), kept.end(), first.begin());
        state.published = std::make_shared<Vector<float> const>(std::move(first));
      }
      std::copy(state.published->begin(), state.published->end(), kept.begin());
    }
    std::transform(kept.begin(), kept.end(), fresh.begin(), kept.begin(), [this](float old, float fresh_one) {
      if (alpha == 1.0) { return fresh_one; }
      return alpha == 0.0 ? old : static_cast<float>((1.0 - alpha) * static_cast<double>(old) + alpha * static_cast<double>(fresh_one));
    });
  }

  [[nodiscard]] static std::vector<Setting<Wise>> settings() {
    return {number_setting("wise-alpha", "weight of the new parameters when a task ends", &Wise::alpha, 0.0, 1.0),
            choice_setting("wise-reference", "what a task's parameters are drawn back to", &Wise::reference,
                           std::vector<std::pair<std::string, WiseReference>>{{"task-start", WiseReference::task_start}, {"published", WiseReference::published}})};
  }
};
static_assert(MergeRule<Wise<>>);

}  // namespace accrete
