#pragma once

#include <accrete/core/tensor.hpp>
#include <accrete/io/atomic_file.hpp>
#include <accrete/io/json.hpp>
#include <accrete/io/strict_json.hpp>
#include <accrete/version.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

/// What an experiment did, as `result.json` holds it. Accuracies in percent.
struct ResultRecord {
  struct Task {
    std::vector<Index> classes = {};  ///< dataset labels of the task
    double top1 = 0.0;                ///< over all classes seen
    double top5 = 0.0;
    std::vector<double> per_task_top1 = {};
    double train_seconds = 0.0;       ///< learning by gradient
    double statistics_seconds = 0.0;  ///< features, statistics and fit
    double evaluate_seconds = 0.0;
    std::int64_t peak_rss_bytes = 0;  ///< of the process up to here
    Index skipped = 0;                ///< pictures that could not be read
    /// How far learning moved the features of the task's pictures, |tuned - published| / |published|; none where nothing below the head learned.
    std::optional<double> feature_change = std::nullopt;
    std::vector<std::pair<std::string, double>> prompt = {};  ///< what the prompt tells of itself after the task; empty where there is none
  };

  /// A setting whose value pictures chose that were held out of the first task.
  struct Choice {
    std::string setting;
    std::vector<std::pair<std::string, double>> top1;  ///< of each value that was tried
  };

  std::string method;
  std::vector<std::pair<std::string, std::string>> settings;  ///< name and text; texts of numbers become numbers
  std::optional<Choice> choice;
  std::string backbone_file;
  std::string backbone_sha256;
  std::string data;
  std::vector<Index> class_order;
  std::uint64_t seed = 0;
  std::string precision;  ///< of the frozen trunk's products
  int threads = 0;
  bool batch_dependent = false;  ///< an answer may depend on the other pictures of its batch: such a result reproduces a paper and compares with nothing else
  std::vector<Task> tasks;
  double average_accuracy = 0.0;
  double last_accuracy = 0.0;
  double forgetting = 0.0;
  double backward_transfer = 0.0;
  std::int64_t peak_rss_bytes = 0;

  static constexpr int schema = 1;  ///< grows when a field changes its meaning or goes
};

namespace detail {

/// A setting's text as JSON: a number when it is one, a text otherwise.
[[nodiscard]] inline Json setting_value(std::string const& text) {
  try {
    if (auto value = parse_strict_json(text, "setting"); value.is_number()) { return value; }
  } catch (FileError const&) {}  // then it is a word
  return text;
}

}  // namespace detail

/// The record as JSON, fields in the order a person reads them; a number that is not finite becomes null, every other reads back to the same bits.
[[nodiscard]] inline Json to_json(ResultRecord const& record) {
  Json::Object settings;
  for (auto const& [name, text] : record.settings) { settings.emplace_back(name, detail::setting_value(text)); }
  Json::List tasks;
  for (ResultRecord::Task const& task : record.tasks) {
    tasks.emplace_back(Json::Object{{"classes", task.classes},
                                    {"top1", task.top1},
                                    {"top5", task.top5},
                                    {"per_task_top1", task.per_task_top1},
                                    {"seconds", Json::Object{{"train", task.train_seconds}, {"statistics", task.statistics_seconds}, {"evaluate", task.evaluate_seconds}}},
                                    {"peak_rss_bytes", task.peak_rss_bytes},
                                    {"skipped", task.skipped}});
    if (task.feature_change) { tasks.back().object()->emplace_back("feature_change", *task.feature_change); }
    if (!task.prompt.empty()) {
      Json::Object prompt;
      for (auto const& [what, value] : task.prompt) { prompt.emplace_back(what, value); }
      tasks.back().object()->emplace_back("prompt", std::move(prompt));
    }
  }
  Json::Object json{{"schema", ResultRecord::schema},
                    {"accrete_version", ACCRETE_VERSION},
                    {"method", record.method},
                    {"settings", std::move(settings)},
                    {"backbone", Json::Object{{"file", record.backbone_file}, {"sha256", record.backbone_sha256}}},
                    {"data", record.data},
                    {"class_order", record.class_order},
                    {"seed", record.seed},
                    {"precision", record.precision},
                    {"threads", record.threads},
                    {"batch_dependent", record.batch_dependent},
                    {"tasks", std::move(tasks)},
                    {"average_accuracy", record.average_accuracy},
                    {"last_accuracy", record.last_accuracy},
                    {"forgetting", record.forgetting},
                    {"backward_transfer", record.backward_transfer},
                    {"peak_rss_bytes", record.peak_rss_bytes}};
  if (record.choice) {
    Json::List tried;
    for (auto const& [value, top1] : record.choice->top1) { tried.emplace_back(Json::Object{{"value", value}, {"top1", top1}}); }
    json.emplace_back("choice", Json::Object{{"setting", record.choice->setting}, {"tried", std::move(tried)}});
  }
  return json;
}

/// Writes the record; the old file stays until the new one is complete. Text that is not UTF-8, as a file name may be, loses its broken bytes.
/// @throws FileError  when the disk refuses
inline void write_result(ResultRecord const& record, std::filesystem::path const& path) {
  AtomicFile file(path);
  file.write(to_json(record).dump(2) + '\n');
  file.commit();
}

}  // namespace accrete
