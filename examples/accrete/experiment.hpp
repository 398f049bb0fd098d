#pragma once

#include "method.hpp"
#include "options.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/data/feature_cache.hpp>
#include <accrete/io/result.hpp>
#include <accrete/metric/accuracy.hpp>
#include <accrete/metric/resources.hpp>
#include <accrete/stream/stream.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace accrete::tool {

class ProgressBar;

/// What an experiment is asked to do. Written into its folder, so that it can go on after an interruption.
struct ExperimentOptions {
  std::string method = "ranpac";
  std::string published;
  std::string data = "fashion-mnist";
  std::string classes;
  Index tasks = 0;
  Index initial = 0;
  Index increment = 0;
  Index train_per_class = 0;
  std::uint32_t seed = 1993;
  std::vector<std::string> settings;
  std::string choose;  ///< a setting and values to choose from, `name=value,value,...`; none when empty
  std::filesystem::path out = "accrete-run";
  double checkpoint_seconds = 30.0;  ///< between two writings of what would be lost
  BackboneOptions backbone;
  RunOptions run;

  /// Writes them beside the results.
  void write(std::filesystem::path const& file) const;
  /// Reads what `write` wrote, and goes to the folder that relative names meant then.
  [[nodiscard]] static ExperimentOptions read(std::filesystem::path const& file);
};

/// Learns a data set class by class, judges after every task, and keeps in its folder what is needed to go on:
///   run.json               the options
///   progress.json          there while the run is unfinished: how many tasks are learned and judged, and which file holds the learner
///   state-N.safetensors    the learner after N tasks
///   training.safetensors   the middle of a task that learns by gradient
///   model.safetensors, result.json   the end
class Experiment {
 public:
  explicit Experiment(ExperimentOptions options);

  /// From the first task on.
  void run();
  /// From where an interrupted run was; the result has the same bits as that of a run that was left alone.
  /// @throws FileError  when the folder holds no unfinished run
  void resume();

 private:
  [[nodiscard]] std::unique_ptr<Model> fresh_model() const;
  void choose();
  void learn_and_judge();
  Lesson teach(Model& model, Examples const& examples, std::string const& label, TrainingCheckpoint const* checkpoint);
  void learn(Task const& task, std::string const& label);
  void judge(Task const& task, std::string const& label);
  void finish();
  void say_prompt() const;
  void keep_if_due();
  void keep();
  void restore();
  void say(std::string const& line) const;
  [[nodiscard]] Reading reading(ProgressBar& bar, std::string const& label);

  ExperimentOptions options_;
  MethodEntry const& entry_;
  DataSet data_;
  std::vector<Task> stream_;
  Vit<> trunk_;
  std::unique_ptr<Model> model_;
  FeatureCache cache_;
  ResultRecord record_;
  AccuracyMatrix accuracy_;
  Index learned_ = 0;                          ///< tasks
  std::optional<ResultRecord::Task> pending_;  ///< of a task that is learned but not judged
  Index kept_ = -1;                            ///< tasks that the learner on disk has learned
  Stopwatch since_kept_;
};

}  // namespace accrete::tool
