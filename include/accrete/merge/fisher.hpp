#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/merge/between.hpp>
#include <accrete/merge/concept.hpp>
#include <accrete/merge/part.hpp>
#include <accrete/train/fisher_settings.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// What a parameter weighs in a mean.
///   fisher  its Fisher information
///   equal   as much as any other: no Fisher information is taken (CoMA)
enum class MergeWeights { fisher, equal };

/// A mean of the kept and the fresh parameters, weighted by what either task knew of each:
///   kept <- ((1 - alpha) (F_0 + epsilon) kept + alpha (F_1 + epsilon) fresh) / ((1 - alpha) (F_0 + epsilon) + alpha (F_1 + epsilon))
/// once when a task ends; those of the first task are kept as they are. F_0 was taken when the previous task ended, before its merge; F_1 when this one did. No F outlives the next task.
/// Where both are zero the mean is that of alpha alone. An alpha of 0 leaves the kept ones bit for bit what they were, 1 takes the fresh ones. The result lies between the two.
/// Arithmetic is float64; the products of a Fisher information at its cap and one at epsilon span more than float32 has.
/// @tparam PartType  which parameters (merge/part.hpp)
/// @source Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners" (CoFiMA), ECCV 2024, arXiv:2312.08977; epsilon is ours: the release divides 0 by 0
template <class PartType = OfBackbone>
struct FisherMerge {
  using Part = PartType;
  [[nodiscard]] static std::string composition() { return message("fisher<", Part::name, ">"); }

  double alpha = 0.5;  ///< weight of the fresh parameters
  double epsilon = 1e-20;
  MergeWeights weights = MergeWeights::fisher;
  FisherSettings fisher = {};

  /// The previous parameters are the kept ones, so that a run owns no more than one F. Copies share it.
  struct State {
    Index tasks = 0;                                ///< how many have ended
    std::shared_ptr<Vector<float> const> previous;  ///< [P] F_0; null before the first task, or where weights are equal

    template <class Writer>
    void write(Writer const& writer) const {
      writer.setting("tasks", tasks);
      writer.setting("has_fisher", previous != nullptr);
      if (previous) { writer.tensor("fisher", previous->cview()); }
    }
    /// @throws FileError  when something is missing
    template <class Reader>
    [[nodiscard]] static State read(Reader const& reader) {
      State state{reader.template setting<Index>("tasks"), nullptr};
      if (state.tasks < 0) { fail<FileError>(reader.path().string(), "holds a merge of ", state.tasks, " tasks"); }
      if (reader.template setting<bool>("has_fisher")) { state.previous = std::make_shared<Vector<float> const>(reader.template tensor<float, 1>("fisher")); }
      return state;
    }
  };

  /// Whether `fold` wants the Fisher information of the fresh parameters.
  [[nodiscard]] bool asks_for_fisher() const { return weights == MergeWeights::fisher; }

  /// @param[in,out] kept [P];  @param[in] fresh [P];  @param[in] fresh_fisher [P] F_1, not negative; empty where weights are equal
  /// @throws ShapeError  when the lengths differ;  ValueError  for an alpha outside of [0, 1] or a negative epsilon; nothing is changed then.   Cost: 7 P flop, one pass over five arrays, on one
  /// thread
  void fold(State& state, VectorView<float> kept, VectorView<float const> fresh, Vector<float> fresh_fisher) const {
    expects(kept.size() == fresh.size(), "FisherMerge::fold", "both must have one length", kept.size(), fresh.size());
    if (!(alpha >= 0.0 && alpha <= 1.0 && epsilon >= 0.0)) { fail<ValueError>("FisherMerge", "needs an alpha in [0, 1] and an epsilon of at least 0 (came: ", alpha, " and ", epsilon, ")"); }
    Index const wanted = asks_for_fisher() ? fresh.size() : 0;
    expects(fresh_fisher.size() == wanted, "FisherMerge::fold", "there must be one Fisher information per parameter, or none where weights are equal", fresh_fisher.size(), wanted);
    Index const known = state.previous ? state.previous->size() : 0;
    expects(state.tasks == 0 || known == wanted, "FisherMerge::fold", "there must be as many parameters as the previous task had", known, wanted);
    if (state.tasks == 0 || alpha == 1.0) {
      std::copy(fresh.begin(), fresh.end(), kept.begin());
    } else if (alpha > 0.0 && asks_for_fisher()) {
      merge(kept, fresh, state.previous->data(), std::as_const(fresh_fisher).data());
    } else if (alpha > 0.0) {
      std::transform(kept.begin(), kept.end(), fresh.begin(), kept.begin(),
                     [this](float a, float b) { return detail::between(a, b, (1.0 - alpha) * static_cast<double>(a) + alpha * static_cast<double>(b)); });
    }
    if (asks_for_fisher()) { state.previous = std::make_shared<Vector<float> const>(std::move(fresh_fisher)); }
    ++state.tasks;
  }

  [[nodiscard]] static std::vector<Setting<FisherMerge>> settings() {
    std::vector<Setting<FisherMerge>> all{number_setting("alpha", "weight of the new parameters when a task ends", &FisherMerge::alpha, 0.0, 1.0),
                                          number_setting("fisher-epsilon", "added to every Fisher information", &FisherMerge::epsilon, 0.0, 1.0),
                                          choice_setting("merge-weights", "what a parameter weighs when a task ends", &FisherMerge::weights,
                                                         std::vector<std::pair<std::string, MergeWeights>>{{"fisher", MergeWeights::fisher}, {"equal", MergeWeights::equal}})};
    for (auto& setting : part_settings(&FisherMerge::fisher)) { all.push_back(std::move(setting)); }
    return all;
  }

 private:
  /// Without branches, so that a compiler can take vectors: an epsilon that no float32 notices stands for none, and makes the share that of alpha where both Fishers are zero.
  void merge(VectorView<float> kept, VectorView<float const> fresh, float const* before, float const* after) const {
    float* const a = kept.data();
    float const* const b = fresh.data();
    Index const count = kept.size();
    double const new_share = alpha;
    double const old_share = 1.0 - alpha;
    double const least = std::max(epsilon, 1e-200);
    for (Index i = 0; i < count; ++i) {
      double const old_weight = old_share * (static_cast<double>(before[i]) + least);
      double const new_weight = new_share * (static_cast<double>(after[i]) + least);
      double const share = new_weight / (old_weight + new_weight);
      a[i] = detail::between(a[i], b[i], (1.0 - share) * static_cast<double>(a[i]) + share * static_cast<double>(b[i]));
    }
  }
};
static_assert(MergeRule<FisherMerge<>> && NeedsFisher<FisherMerge<>> && KeepsMergeState<FisherMerge<>>);

}  // namespace accrete
