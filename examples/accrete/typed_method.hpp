#pragma once

#include "instances.hpp"
#include "method.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/host/host.hpp>
#include <accrete/learner.hpp>
#include <accrete/method_settings.hpp>
#include <accrete/prompt/diagnose.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::tool {

/// Has settings that were published for data sets.
template <class Method>
concept HasPublished = requires {
  Method::published();
};

/// Begins with other settings than those of its policies.
template <class Method>
concept HasStandard = requires {
  Method::standard();
};

/// Looks at pictures of earlier tasks again.
template <class Learner>
concept Recalls = requires(Learner& learner, Examples const& examples) {
  learner.recall(examples);
};

/// The tool's view of one method: `Method` is a description from `method/`, `Method::Learner<Vit<>>` its composition.
template <class Method>
class TypedModel final : public Model {
 public:
  using Learner = typename Method::template Learner<Vit<>>;
  using Head = std::remove_cvref_t<decltype(std::declval<Learner const&>().head())>;
  using Prompt = std::remove_cvref_t<decltype(std::declval<Learner const&>().prompt())>;

  static constexpr Mergeable mergeable = MergesStatistics<Head>                                                                   ? Mergeable::statistics
                                         : Learner::merges_parameters                                                             ? Mergeable::parameters
                                         : BanksTunings<std::remove_cvref_t<decltype(std::declval<Learner const&>().backbone())>> ? Mergeable::bank
                                                                                                                                  : Mergeable::nothing;

  explicit TypedModel(Learner learner) : learner_(std::move(learner)) {}

  Lesson observe(RunOn const& on, Examples const& examples, Reading const& reading, TrainingRun const& run) override {
    Observation const seen = learner_.observe(executor(on), examples, reading, run);
    return {.samples = seen.samples,
            .train_seconds = seen.train_seconds,
            .statistics_seconds = seen.statistics_seconds,
            .feature_change = seen.feature_change,
            .notes = seen.notes,
            .skipped = seen.skipped};
  }

  void recall(Examples const& examples) override {
    if constexpr (Recalls<Learner>) { learner_.recall(examples); }
  }

  /// Batches only matter to methods that say so in their composition.
  [[nodiscard]] Predictions predict(RunOn const& on, Examples const& examples, Reading const& reading) const override { return learner_.predict_batchwise(executor(on), examples, reading); }

  [[nodiscard]] ClassMap const& classes() const override { return learner_.classes(); }

  void save(std::filesystem::path const& path) const override { learner_.save(path); }

  void merge(Model const& other) override {
    [[maybe_unused]] auto const& same = alike(other);
    if constexpr (MergesStatistics<Head>) {
      learner_.merge(HostExecutor<>{}, same.learner_);
    } else {
      refuse_merge(Method::name, mergeable);
    }
  }

  ModelMergeReport merge(Model const& other, [[maybe_unused]] ModelMerge const& how) override {
    [[maybe_unused]] auto const& same = alike(other);
    if constexpr (Learner::merges_parameters) {
      return learner_.merge(HostExecutor<>{}, same.learner_, how);
    } else {
      refuse_merge(Method::name, mergeable);
    }
  }

  [[nodiscard]] bool holds_fisher() const override { return learner_.holds_fisher(); }

  void forget(RunOn const& on, std::string const& name, Examples const& examples, Reading const& reading) override {
    if constexpr (ForgetsClasses<Head>) {
      auto const exec = executor(on);
      FeatureSet const set = learner_.features(exec, examples, reading);
      learner_.forget(exec, name, set.features.view());
    } else {
      fail<ValueError>("forget", "what ", Method::name, " learns by gradient cannot be taken back class by class");
    }
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> settings() const override { return learner_.settings(); }

  [[nodiscard]] Measures prompt_measures([[maybe_unused]] RunOn const& on, [[maybe_unused]] Examples const& examples, [[maybe_unused]] Reading const& reading,
                                         [[maybe_unused]] bool thorough) const override {
    Measures all;
    if constexpr (MeasuresItself<Prompt>) { all = learner_.prompt_measures(); }
    if constexpr (AsksForQueries<Prompt>) {
      for (auto& measure : learner_.prompt_measures(executor(on), examples, reading)) { all.push_back(std::move(measure)); }
    }
    if constexpr (HasSlotsOfTasks<Prompt>) {
      if (thorough) { all.emplace_back("top-1 in own slots", top1_in_own_slots(on, examples, reading)); }
    }
    return all;
  }

  [[nodiscard]] bool batch_dependent() const override { return DependsOnBatch<Prompt>; }

 private:
  [[nodiscard]] double top1_in_own_slots(RunOn const& on, Examples const& examples, Reading const& reading) const requires HasSlotsOfTasks<Prompt> {
    Predictions const predictions = learner_.predict_in_own_slots(executor(on), examples, reading);
    std::vector<Index> truth;
    for (Index const position : predictions.positions) { truth.push_back(classes().at(examples.class_names()[static_cast<std::size_t>(examples.label(position))])); }
    return Tally{hits_among_best(predictions.scores.view(), truth, 1), static_cast<Index>(truth.size())}.percent();
  }

  static TypedModel const& alike(Model const& other) {
    auto const* const same = dynamic_cast<TypedModel const*>(&other);
    if (same == nullptr) { fail<ValueError>("merge", "the models are of different methods"); }
    return *same;
  }

  static HostExecutor<> executor(RunOn const& on) { return HostExecutor<>{.threads = on.threads, .precision = on.precision}; }

  Learner learner_;
};

/// The settings a method begins with.
template <class Method>
[[nodiscard]] typename Method::Settings settings_for(std::string const& published) {
  if constexpr (HasPublished<Method>) {
    if (!published.empty()) { return published_for(Method::published(), published); }
  } else {
    if (!published.empty()) { fail<ValueError>("--published", "no settings of ", Method::name, " were published by data set"); }
  }
  if constexpr (HasStandard<Method>) {
    return Method::standard();
  } else {
    return {};
  }
}

/// The entry of a method in the tool's list.
template <class Method>
[[nodiscard]] MethodEntry entry_of() {
  using Learner = typename Method::template Learner<Vit<>>;
  MethodEntry entry;
  entry.name = Method::name;
  entry.composition = Learner::composition();
  entry.summary = Method::summary;
  entry.paper = Method::paper;
  entry.policies = Learner::policies();
  entry.merges = TypedModel<Method>::mergeable;
  auto const defaults = settings_for<Method>("");
  for (auto const& setting : Method::Settings::settings()) { entry.settings.push_back({setting.name, setting.meaning, setting.text(defaults)}); }
  if constexpr (HasPublished<Method>) {
    for (auto const& known : Method::published()) { entry.published.push_back(known.data_set); }
  }
  entry.start = [](Vit<> const& backbone, std::string const& published, MethodEntry::Assignments const& assignments, std::uint64_t seed) -> std::unique_ptr<Model> {
    auto settings = settings_for<Method>(published);
    for (auto const& [name, text] : assignments) { assign_setting(Method::Settings::settings(), settings, name, text); }
    return std::make_unique<TypedModel<Method>>(Method::compose(backbone, settings, seed));
  };
  entry.load = [](std::filesystem::path const& file, Vit<> const& backbone) -> std::unique_ptr<Model> { return std::make_unique<TypedModel<Method>>(Learner::load(file, backbone)); };
  return entry;
}

}  // namespace accrete::tool
