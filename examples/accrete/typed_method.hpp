#pragma once

#include "method.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/host/host.hpp>
#include <accrete/learner.hpp>
#include <accrete/metric/resources.hpp>

#include <memory>
#include <string>
#include <utility>

namespace accrete::tool {

/// The tool's view of one method: `Method` is a description from `method/`, `Method::Learner<Vit<>>` its composition.
template <class Method>
class TypedModel final : public Model {
 public:
  using Learner = typename Method::template Learner<Vit<>>;

  explicit TypedModel(Learner learner) : learner_(std::move(learner)) {}

  Lesson observe(RunOn const& on, Examples const& examples, Reading const& reading) override {
    Stopwatch const watch;
    Observation const seen = learner_.observe(executor(on), examples, reading);
    return {.samples = seen.samples, .train_seconds = 0, .statistics_seconds = watch.seconds(), .notes = seen.notes, .skipped = seen.skipped};
  }

  [[nodiscard]] Predictions predict(RunOn const& on, Examples const& examples, Reading const& reading) const override { return learner_.predict(executor(on), examples, reading); }

  [[nodiscard]] ClassMap const& classes() const override { return learner_.classes(); }

  void save(std::filesystem::path const& path) const override { learner_.save(path); }

  void merge(Model const& other) override {
    auto const* const same = dynamic_cast<TypedModel const*>(&other);
    if (same == nullptr) { fail<ValueError>("merge", "the models are of different methods"); }
    learner_.merge(HostExecutor<>{}, same->learner_);
  }

  void forget(RunOn const& on, std::string const& name, Examples const& examples, Reading const& reading) override {
    auto const exec = executor(on);
    FeatureSet const set = extract_features(exec, learner_.backbone(), examples, reading);
    learner_.forget(exec, name, set.features.view());
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> settings() const override {
    std::vector<std::pair<std::string, std::string>> texts;
    for (auto const& setting : Method::Settings::settings()) { texts.emplace_back(setting.name, setting.text(learner_.head())); }
    return texts;
  }

 private:
  static HostExecutor<> executor(RunOn const& on) { return HostExecutor<>{.threads = on.threads, .precision = on.precision}; }

  Learner learner_;
};

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
  typename Method::Settings const defaults{};
  for (auto const& setting : Method::Settings::settings()) { entry.settings.push_back({setting.name, setting.meaning, setting.text(defaults)}); }
  entry.start = [](Vit<> const& backbone, MethodEntry::Assignments const& assignments, std::uint64_t seed) -> std::unique_ptr<Model> {
    typename Method::Settings settings{};
    for (auto const& [name, text] : assignments) { assign_setting(Method::Settings::settings(), settings, name, text); }
    return std::make_unique<TypedModel<Method>>(Method::compose(backbone, settings, seed));
  };
  entry.load = [](std::filesystem::path const& file, Vit<> const& backbone) -> std::unique_ptr<Model> { return std::make_unique<TypedModel<Method>>(Learner::load(file, backbone)); };
  return entry;
}

}  // namespace accrete::tool
