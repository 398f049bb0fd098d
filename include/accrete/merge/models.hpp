#pragma once

#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/merge/between.hpp>
#include <accrete/train/gather_spans.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// How one number is made of those of two models.
///   interpolate  a + w (b - a)
///   fisher       (F_a a + F_b b) / (F_a + F_b) where both models hold Fisher information, else as interpolate
enum class ModelRule { interpolate, fisher };

/// How a second model is merged into a first, outside of any method: `Learner::merge`.
/// The mean of n models is n - 1 merges of weight 1/2, 1/3, ...: `MeanWeights` says which, class by class.
/// @source Wortsman et al., "Model soups", ICML 2022, arXiv:2203.05482; Matena and Raffel, "Merging Models with Fisher-Weighted Averaging", NeurIPS 2022, arXiv:2111.09832
struct ModelMerge {
  ModelRule rule = ModelRule::interpolate;
  double weight = 0.5;                     ///< w in [0, 1]: 0 leaves the first's bits, 1 takes the second's
  std::vector<double> class_weights = {};  ///< [C of the second] w of the rows of each class of the second's; empty: `weight`
  std::vector<std::string> only = {};      ///< names with `*` for anything, or roles; all when empty. What none of them takes stays the first's

  /// Whether a segment is merged.
  [[nodiscard]] bool takes(ParameterSegment const& segment) const;
  /// w of the rows of a class, by its column in the second model.
  [[nodiscard]] double weight_of(Index column) const { return class_weights.empty() ? weight : class_weights[static_cast<std::size_t>(column)]; }

  /// @throws ValueError  for a weight outside of [0, 1];  ShapeError when there is not one weight per class
  void check(Index classes) const {
    expects(class_weights.empty() || static_cast<Index>(class_weights.size()) == classes, "ModelMerge", "there must be one weight for each class of the second model, or none", class_weights.size(),
            classes);
    auto const outside = [](double w) { return !(w >= 0.0 && w <= 1.0); };
    if (outside(weight)) { fail<ValueError>("ModelMerge", "a weight must lie in [0, 1] (came: ", weight, ")"); }
    auto const bad = std::find_if(class_weights.begin(), class_weights.end(), outside);
    if (bad != class_weights.end()) { fail<ValueError>("ModelMerge", "a weight must lie in [0, 1] (came: ", *bad, ")"); }
  }
};

/// What a merge did.
struct ModelMergeReport {
  Index network_tensors = 0;  ///< of what the backbone learns
  Index network_numbers = 0;
  Index prompt_tensors = 0;
  Index prompt_numbers = 0;
  Index rows = 0;     ///< of the head that were merged
  Index classes = 0;  ///< afterwards
  Index both = 0;     ///< that both models know
  Index added = 0;    ///< that only the second knew
};

/// Whether a text is a pattern in which `*` stands for any number of letters. Cost: |pattern| * |text|.
[[nodiscard]] inline bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t behind = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      behind = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {  // the last star takes one letter more
      p = star + 1;
      t = ++behind;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

inline bool ModelMerge::takes(ParameterSegment const& segment) const {
  return only.empty() || std::any_of(only.begin(), only.end(), [&](std::string const& wanted) { return wanted == segment.role || matches_pattern(wanted, segment.name); });
}

/// @throws ValueError  for a pattern that takes nothing of any of the stores
inline void check_patterns(ModelMerge const& how, std::span<ParameterStore<float> const* const> stores) {
  for (std::string const& wanted : how.only) {
    ModelMerge const alone{.only = {wanted}};
    bool const found = std::any_of(stores.begin(), stores.end(), [&](ParameterStore<float> const* store) {
      return std::any_of(store->segments().begin(), store->segments().end(), [&](ParameterSegment const& segment) { return alone.takes(segment); });
    });
    if (!found) { fail<ValueError>("ModelMerge", "no tensor has the role '", wanted, "' or a name like that"); }
  }
}

namespace detail {

[[nodiscard]] inline std::string text_of(ParameterSegment const& segment) {
  std::string text = segment.name + " [";
  for (std::size_t axis = 0; axis < segment.shape.size(); ++axis) { text += message(axis == 0 ? "" : ", ", segment.shape[axis]); }
  return text + "]";
}

}  // namespace detail

/// a <- a + weight (b - a),  in float64, rounded once; between the two. A weight of 0 leaves the bits of a, 1 gives those of b.
/// @param[in,out] a [P];  @param[in] b [P]
/// @throws ShapeError  when the lengths differ; nothing is changed then.   Cost: 3 P flop
inline void interpolate_models(VectorView<float> a, VectorView<float const> b, double weight) {
  expects(a.size() == b.size(), "interpolate_models", "both must have one length", a.size(), b.size());
  if (weight == 0.0) { return; }
  std::transform(a.begin(), a.end(), b.begin(), a.begin(),
                 [weight](float x, float y) { return weight == 1.0 ? y : detail::between(x, y, static_cast<double>(x) + weight * (static_cast<double>(y) - static_cast<double>(x))); });
}

/// a <- ((F_a + e) a + (F_b + e) b) / (F_a + F_b + 2 e),   F_a <- F_a + F_b;   e = 1e-20 makes it the plain mean where both are zero. Float64, rounded once; between the two.
/// @param[in,out] a, fisher_a [P];  @param[in] b, fisher_b [P];  no Fisher information is negative
/// @throws ShapeError  when the lengths differ; nothing is changed then.   Cost: 8 P flop
inline void weigh_models_by_fisher(VectorView<float> a, VectorView<float const> b, VectorView<float> fisher_a, VectorView<float const> fisher_b) {
  expects(a.size() == b.size() && a.size() == fisher_a.size() && a.size() == fisher_b.size(), "weigh_models_by_fisher", "all must have one length", a.size(), b.size(), fisher_a.size(),
          fisher_b.size());
  constexpr double epsilon = 1e-20;
  for (Index i = 0; i < a.size(); ++i) {
    double const of_a = static_cast<double>(fisher_a[i]) + epsilon;
    double const of_b = static_cast<double>(fisher_b[i]) + epsilon;
    a[i] = detail::between(a[i], b[i], (of_a * static_cast<double>(a[i]) + of_b * static_cast<double>(b[i])) / (of_a + of_b));
    fisher_a[i] = static_cast<float>(static_cast<double>(fisher_a[i]) + static_cast<double>(fisher_b[i]));
  }
}

/// Whether the second store has more rows of some segment that is merged.
/// @throws ValueError  when the segments differ otherwise, both are named
[[nodiscard]] inline bool has_more_rows(std::string_view what, ParameterStore<float> const& a, ParameterStore<float> const& b, ModelMerge const& how = {}) {
  if (a.size() != b.size()) { fail<ValueError>("Learner::merge", what, " differ: one has ", a.size(), " tensors, the other ", b.size()); }
  bool more = false;
  for (ParameterSegment const& segment : a.segments()) {
    if (!b.contains(segment.name)) { fail<ValueError>("Learner::merge", what, " differ: only one has ", segment.name); }
    ParameterSegment const& other = b.segment(segment.name);
    bool const fits = other.role == segment.role && std::equal(segment.shape.begin() + 1, segment.shape.end(), other.shape.begin() + 1, other.shape.end());
    if (!fits) { fail<ValueError>("Learner::merge", what, " differ: ", detail::text_of(segment), " and ", detail::text_of(other)); }
    more = more || (other.shape[0] > segment.shape[0] && how.takes(segment));
  }
  return more;
}

/// @throws ValueError  when the segments of two stores differ in names or shapes, both are named
inline void check_same_segments(std::string_view what, ParameterStore<float> const& a, ParameterStore<float> const& b) {
  static_cast<void>(has_more_rows(what, a, b));
  for (ParameterSegment const& segment : a.segments()) {
    ParameterSegment const& other = b.segment(segment.name);
    if (other.shape != segment.shape) { fail<ValueError>("Learner::merge", what, " differ: ", detail::text_of(segment), " and ", detail::text_of(other)); }
  }
}

/// Merges the segments that `how` takes: rows of both by its weight; rows that only one has are taken over. Which rows learn stays the first's, or the second's where that has more rows.
/// @param[in,out] tensors, numbers  count what was merged
/// @throws ValueError  when the segments differ in more than rows (`has_more_rows`)
[[nodiscard]] inline ParameterStore<float> merged_models(std::string_view what, ParameterStore<float> const& a, ParameterStore<float> const& b, ModelMerge const& how, Index& tensors, Index& numbers) {
  static_cast<void>(has_more_rows(what, a, b));
  ParameterStore<float> result = a;
  for (ParameterSegment const& segment : a.segments()) {
    if (!how.takes(segment)) { continue; }
    ParameterSegment const& other = b.segment(segment.name);
    Index const known = segment.elements();
    Index const both = std::min(known, other.elements());
    if (other.shape[0] > segment.shape[0]) {
      result.grow(segment.name, other.shape[0]);
      result.train_rows(segment.name, other.first_trainable, other.trainable_rows);
      auto const added = b.values().slice(b.offset(segment.name) + known, other.elements() - known);
      std::copy(added.begin(), added.end(), result.values().data() + result.offset(segment.name) + known);
    }
    interpolate_models(result.values().slice(result.offset(segment.name), both), b.values().slice(b.offset(segment.name), both), how.weight);
    ++tensors;
    numbers += both;
  }
  return result;
}

/// Weighs the spans of two stores for which there is Fisher information by it; segments that `how` leaves out keep the first's, their Fisher information included.
/// @param[in,out] merged  what `merged_models` made of both;  @param[in] a, b  as they were
/// @param[in] spans_a, spans_b  of which the Fisher information is, in this order;  @param[in,out] fisher_a [elements of the spans] becomes the sum;  @param[in] fisher_b the same of b
/// @throws ValueError  when the spans of both or their Fisher information are not of one length; nothing is changed then
inline void merge_spans_by_fisher(ParameterStore<float>& merged, ParameterStore<float> const& a, std::span<ParameterSpan const> spans_a, ParameterStore<float> const& b,
                                  std::span<ParameterSpan const> spans_b, VectorView<float> fisher_a, VectorView<float const> fisher_b, ModelMerge const& how) {
  auto const same = [&](ParameterSpan const& x, ParameterSpan const& y) {
    auto const& name = a.segments()[static_cast<std::size_t>(x.segment)].name;
    return x.count == y.count && b.contains(name) && y.first - b.offset(name) == x.first - a.offset(name);
  };
  bool const agree = std::equal(spans_a.begin(), spans_a.end(), spans_b.begin(), spans_b.end(), same);
  if (!agree || span_elements(spans_a) != fisher_a.size() || span_elements(spans_b) != fisher_b.size()) {
    fail<ValueError>("Learner::merge", "the Fisher information of the two must be of the same parameters (came: ", fisher_a.size(), " for ", span_elements(spans_a), " and ", fisher_b.size(), " for ",
                     span_elements(spans_b), ")");
  }
  Index place = 0;
  for (std::size_t i = 0; i < spans_a.size(); ++i) {
    ParameterSpan const& span = spans_a[i];
    ParameterSegment const& segment = a.segments()[static_cast<std::size_t>(span.segment)];
    if (how.takes(segment)) {
      auto const to = merged.values().slice(merged.offset(segment.name) + span.first - a.offset(segment.name), span.count);
      auto const first = a.view(span);
      std::copy(first.begin(), first.end(), to.begin());
      weigh_models_by_fisher(to, b.view(spans_b[i]), fisher_a.slice(place, span.count), fisher_b.slice(place, span.count));
    }
    place += span.count;
  }
}

}  // namespace accrete
