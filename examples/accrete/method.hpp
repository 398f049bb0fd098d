#pragma once

#include <accrete/core/precision.hpp>
#include <accrete/core/task.hpp>
#include <accrete/core/tensor.hpp>
#include <accrete/data/examples.hpp>
#include <accrete/fwd.hpp>
#include <accrete/merge/models.hpp>
#include <accrete/prediction.hpp>
#include <accrete/train/checkpoint.hpp>
#include <accrete/train/reading.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::tool {

/// Where and how precisely a command runs.
struct RunOn {
  int threads = 0;
  Precision precision = Precision::float32;
};

/// What one task or one folder taught.
struct Lesson {
  Index samples = 0;
  double train_seconds = 0;              ///< learning by gradient
  double statistics_seconds = 0;         ///< features, statistics and the head's closed form
  std::optional<double> feature_change;  ///< of what learned below the head, as `ResultRecord::Task` says
  std::vector<std::string> notes;
  std::vector<std::string> skipped;
};

/// What of two models of a method merges.
///   statistics  they add up, over equal networks
///   parameters  what was learned by gradient, by a rule
///   bank        nothing: each task has a network of its own
///   nothing     nothing else either
enum class Mergeable { statistics, parameters, bank, nothing };

/// A learner whose types are erased, so that each method compiles in a unit of its own.
class Model {
 public:
  Model() = default;
  Model(Model const&) = delete;
  Model& operator=(Model const&) = delete;
  virtual ~Model() = default;

  virtual Lesson observe(RunOn const& on, Examples const& examples, Reading const& reading, TrainingRun const& run) = 0;
  /// Gives a loaded model the pictures of a task that it learned before, in the order of the tasks; for methods that look at them again.
  virtual void recall(Examples const& examples) = 0;
  [[nodiscard]] virtual Predictions predict(RunOn const& on, Examples const& examples, Reading const& reading) const = 0;
  [[nodiscard]] virtual ClassMap const& classes() const = 0;
  virtual void save(std::filesystem::path const& path) const = 0;
  /// Adds the statistics of another model.
  virtual void merge(Model const& other) = 0;
  /// Merges the parameters of another model.
  virtual ModelMergeReport merge(Model const& other, ModelMerge const& how) = 0;
  [[nodiscard]] virtual bool holds_fisher() const = 0;
  /// `examples` of the class where the head needs them to take its statistics back; may be empty.
  virtual void forget(RunOn const& on, std::string const& name, Examples const& examples, Reading const& reading) = 0;
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> settings() const = 0;
  /// What a prompt tells of itself and does with pictures that are judged; nothing where there is none.
  /// @param[in] thorough  also what the pictures would be worth if their tasks were known, which costs a pass
  [[nodiscard]] virtual std::vector<std::pair<std::string, double>> prompt_measures(RunOn const& on, Examples const& examples, Reading const& reading, bool thorough) const = 0;
  /// Whether an answer may depend on the other pictures of its batch.
  [[nodiscard]] virtual bool batch_dependent() const = 0;
};

/// What `accrete methods` lists, and how to start or load one.
struct MethodEntry {
  struct SettingText {
    std::string name;
    std::string meaning;
    std::string standard;  ///< the default as text
  };
  using Assignments = std::vector<std::pair<std::string, std::string>>;

  std::string name;
  std::string composition;  ///< the learner's type in words, as model files name it
  std::string summary;
  std::string paper;
  std::vector<std::pair<std::string, std::string>> policies;
  std::vector<SettingText> settings;
  Mergeable merges = Mergeable::nothing;
  std::vector<std::string> published;  ///< data sets that settings were published for
  /// @param[in] published  a data set to take the settings of; the method's standard when empty
  std::unique_ptr<Model> (*start)(Vit<> const& backbone, std::string const& published, Assignments const& assignments, std::uint64_t seed);
  std::unique_ptr<Model> (*load)(std::filesystem::path const& file, Vit<> const& backbone);
};

/// Says why models of a method do not merge in a way that was asked for.
/// @throws ValueError  always
[[noreturn]] void refuse_merge(std::string_view method, Mergeable merges);

/// The k best classes of each picture.
[[nodiscard]] Ranking best_of(Predictions const& predictions, Index k);

/// Every method there is, by name.
[[nodiscard]] std::vector<MethodEntry> const& methods();

/// @throws ValueError  naming the nearest method
[[nodiscard]] MethodEntry const& find_method(std::string const& name);

}  // namespace accrete::tool
