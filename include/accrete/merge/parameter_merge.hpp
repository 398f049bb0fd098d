#pragma once

#include <accrete/backbone/concept.hpp>
#include <accrete/core/error.hpp>
#include <accrete/core/parameter_store.hpp>
#include <accrete/core/settings.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/united_classes.hpp>
#include <accrete/merge/concept.hpp>
#include <accrete/merge/models.hpp>
#include <accrete/merge/none.hpp>
#include <accrete/merge/part.hpp>
#include <accrete/prompt/concept.hpp>
#include <accrete/prompt/diagnose.hpp>
#include <accrete/train/tuned_part.hpp>
#include <accrete/tuning/frozen.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete {

/// What merging reads of a learner.
template <class Backbone, class Prompt, class Head, class Merge>
struct LearnedParts {
  Backbone const& backbone;
  Prompt const& prompt;
  Head const& head;
  Merge const& merge;
  typename Prompt::State const& prompt_state;
  typename Head::State const& head_state;
  typename Merge::State const& merge_state;
  ClassMap const& classes;
  Index tasks_seen;

  /// Whether there is Fisher information of a task that was learned.
  [[nodiscard]] bool holds_fisher() const {
    if constexpr (NeedsFisher<Merge>) {
      return merge_state.previous != nullptr;
    } else {
      return false;
    }
  }
};

/// How two learners of one kind become one by what they learned by gradient (`Learner::merge`). Looks at the parts of both and makes new ones.
template <class Backbone, class Prompt, class Head, class Merge>
struct ParameterMerge {
  LearnedParts<Backbone, Prompt, Head, Merge> own;
  LearnedParts<Backbone, Prompt, Head, Merge> other;
  ModelMerge const& how;

  struct Merged {
    Backbone backbone;
    typename Prompt::State prompt;
    typename Head::State head;
    typename Merge::State merge;
    ClassMap classes;
    Index tasks;  ///< new ones
    ModelMergeReport report;
  };

  /// @throws ValueError, ShapeError  as `Learner::merge` says
  [[nodiscard]] Merged operator()() const {
    how.check(other.classes.size());
    check();
    UnitedClasses united = unite_classes(own.classes, own.tasks_seen, other.classes, how);
    Merged merged{own.backbone,
                  own.prompt_state,
                  own.head_state,
                  own.merge_state,
                  {},
                  static_cast<Index>(united.tasks.size()),
                  {.rows = merged_rows(own.head_state.parameters(), united, how), .classes = united.classes.size(), .both = united.both(), .added = united.added()}};
    ModelMergeReport& report = merged.report;
    if constexpr (AddsMergeStates<Merge>) { own.merge.add(merged.merge, other.merge_state); }
    if constexpr (tunes) {
      tuned_part(merged.backbone)
          .assign(merged_part<false>(tuned_part(own.backbone).parameters(), tuned_part(other.backbone).parameters(), merged.merge, report.network_tensors, report.network_numbers));
    }
    if constexpr (LearnedPrompt<Prompt>) {
      auto const& rows = own.prompt_state.parameters();
      auto const& others = other.prompt_state.parameters();
      if (has_more_rows("the prompts", rows, others, how)) { merged.prompt = other.prompt_state; }
      merged.prompt.parameters() = merged_part<true>(rows, others, merged.merge, report.prompt_tensors, report.prompt_numbers);
    }
    own.head.unite(merged.head, other.head_state, united, how);
    merged.classes = std::move(united.classes);
    return merged;
  }

 private:
  /// Whether something of the backbone learns.
  static constexpr bool tunes = !std::is_same_v<TuningOf<Backbone>, Frozen>;

  /// What the two must share.
  void check() const {
    if (own.classes.size() == 0 || other.classes.size() == 0) { fail<ValueError>("Learner::merge", "both must have learned a class (came: ", own.classes.size(), " and ", other.classes.size(), ")"); }
    auto const& network = tuned_part(own.backbone);
    auto const& others = tuned_part(other.backbone);
    check_same("backbones", trunk_hash(network), trunk_hash(others));
    check_same("preprocessings", own.backbone.preprocessing().text(), other.backbone.preprocessing().text());
    std::vector<ParameterStore<float> const*> stores{&own.head_state.parameters()};
    if constexpr (tunes) {
      check_same("tunings", texts_of(tuning_settings(own.backbone)), texts_of(tuning_settings(other.backbone)));
      check_same_segments("the tunings", network.parameters(), others.parameters());
      stores.push_back(&network.parameters());
    }
    if constexpr (LearnedPrompt<Prompt>) {
      check_same("prompts", texts_of(own.prompt), texts_of(other.prompt));
      if constexpr (HasSlotsOfTasks<Prompt>) { check_same_tasks(own.classes, other.classes); }
      bool const grows = has_more_rows("the prompts", own.prompt_state.parameters(), other.prompt_state.parameters(), how);
      auto const& segments = own.prompt_state.parameters().segments();
      if (grows && !std::all_of(segments.begin(), segments.end(), [&](ParameterSegment const& segment) { return how.takes(segment); })) {
        fail<ValueError>("Learner::merge", "the second prompt has more rows, which come with all of the prompt or not at all");
      }
      stores.push_back(&own.prompt_state.parameters());
    }
    check_patterns(how, stores);
    if (how.rule == ModelRule::fisher && !(own.holds_fisher() && other.holds_fisher())) {
      fail<ValueError>("Learner::merge", "the ", own.holds_fisher() ? "second" : "first", " learner holds no Fisher information; those do that merge by it (FisherMerge) and have learned a task");
    }
  }

  /// The parts of both that the rule merges, and what the merge rule keeps of them.
  template <bool OfPrompt>
  [[nodiscard]] ParameterStore<float> merged_part(ParameterStore<float> const& first, ParameterStore<float> const& second, typename Merge::State& state, Index& tensors, Index& numbers) const {
    auto result = merged_models(OfPrompt ? "the prompts" : "the tunings", first, second, how, tensors, numbers);
    if constexpr (AveragesBeside<Merge>) {
      auto const& average = own.merge_state.averaged();
      auto const& others_average = other.merge_state.averaged();
      if (MergedPart<Merge>::of_prompt == OfPrompt && (average.size() > 0 || others_average.size() > 0)) {
        Index nothing = 0;
        state.assign(merged_models("the averages", average.size() > 0 ? average : first, others_average.size() > 0 ? others_average : second, how, nothing, nothing));
      }
    }
    if constexpr (NeedsFisher<Merge>) {
      if (MergedPart<Merge>::of_prompt == OfPrompt && how.rule == ModelRule::fisher) {
        auto fisher = *state.previous;
        merge_spans_by_fisher(result, first, spans_of_part<MergedPart<Merge>>(first), second, spans_of_part<MergedPart<Merge>>(second), fisher.view(), other.merge_state.previous->cview(), how);
        state.previous = std::make_shared<Vector<float> const>(std::move(fisher));
      }
    }
    return result;
  }

  template <class Network>
  [[nodiscard]] static std::string trunk_hash(Network const& network) {
    if constexpr (requires { network.trunk(); }) {
      return network.trunk().hash();
    } else {
      return network.hash();
    }
  }

  /// Settings but for seeds, which draw what is learned over.
  template <class Policy>
  [[nodiscard]] static std::string texts_of(Policy const& policy) {
    std::string texts;
    for (auto const& setting : settings_of(policy)) {
      if (!setting.name.ends_with("seed")) { texts += message(texts.empty() ? "" : " ", setting.name, '=', setting.text(policy)); }
    }
    return texts;
  }

  static void check_same(std::string_view what, std::string const& first, std::string const& second) {
    if (first != second) { fail<ValueError>("Learner::merge", "the ", what, " differ: ", first, " and ", second); }
  }
};

}  // namespace accrete
