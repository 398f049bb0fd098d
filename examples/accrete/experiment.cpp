#include "experiment.hpp"

#include "interrupt.hpp"
#include "terminal.hpp"

#include <accrete/io/atomic_file.hpp>
#include <accrete/stream/by_task.hpp>
#include <accrete/stream/hold_out.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <limits>
#include <string_view>
#include <thread>
#include <utility>

namespace accrete::tool {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::vector<Index> parse_classes(std::string const& text) {
  std::vector<Index> classes;
  if (text.empty()) { return classes; }
  for (std::string_view const number : split_text(text, ',')) { classes.push_back(parse_number<Index>("--classes", number, 0, std::numeric_limits<std::int32_t>::max())); }
  return classes;
}

/// A setting of which one of several values is to be chosen.
struct Choice {
  std::string setting;
  std::vector<std::string> values;
};

/// Reads `name=value,value,...`.
Choice parse_choice(std::string const& text) {
  std::size_t const equals = std::min(text.find('='), text.size());
  Choice choice{.setting = text.substr(0, equals), .values = {}};
  if (equals < text.size()) {
    for (std::string_view const value : split_text(std::string_view(text).substr(equals + 1), ',')) { choice.values.emplace_back(value); }
  }
  if (choice.setting.empty() || choice.values.size() < 2) { fail<ValueError>("--choose", "must be name=value,value with at least two values (came: ", text, ")"); }
  return choice;
}

void write_json(Json const& json, fs::path const& file) {
  AtomicFile out(file);
  out.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
  out.commit();
}

nlohmann::json read_json(fs::path const& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) { fail<FileError>(file.string(), "cannot be read"); }
  return nlohmann::json::parse(in);
}

/// What a file of this program must hold; a broken one is told by its name.
template <class Read>
auto checked(fs::path const& file, Read const& read) {
  try {
    return read();
  } catch (nlohmann::json::exception const& error) { fail<FileError>(file.string(), "is not what this program wrote: ", error.what()); }
}

/// Seconds and accuracies of a task as `to_json` writes them.
ResultRecord::Task task_of(nlohmann::json const& json) {
  auto const number = [](nlohmann::json const& value) { return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>(); };
  ResultRecord::Task task;
  task.classes = json.at("classes").get<std::vector<Index>>();
  task.top1 = number(json.at("top1"));
  task.top5 = number(json.at("top5"));
  for (auto const& value : json.at("per_task_top1")) { task.per_task_top1.push_back(number(value)); }
  task.train_seconds = number(json.at("seconds").at("train"));
  task.statistics_seconds = number(json.at("seconds").at("statistics"));
  task.evaluate_seconds = number(json.at("seconds").at("evaluate"));
  task.peak_rss_bytes = json.at("peak_rss_bytes").get<std::int64_t>();
  task.skipped = json.at("skipped").get<Index>();
  if (json.contains("feature_change")) { task.feature_change = json.at("feature_change").get<double>(); }
  if (json.contains("prompt")) {
    for (auto const& [what, value] : json.at("prompt").items()) { task.prompt.emplace_back(what, number(value)); }
  }
  return task;
}

/// A field of a record as `result.json` has it.
Json field_of(ResultRecord const& record, std::string_view name) { return Json::parse(to_json(record).find(name)->dump()); }

/// A choice as `to_json` writes it.
ResultRecord::Choice choice_of(nlohmann::json const& json) {
  ResultRecord::Choice choice{.setting = json.at("setting").get<std::string>(), .top1 = {}};
  for (auto const& tried : json.at("tried")) { choice.top1.emplace_back(tried.at("value").get<std::string>(), tried.at("top1").get<double>()); }
  return choice;
}

/// Top-1 and top-5 of a prediction over examples whose classes the model knows by name.
struct Judged {
  std::vector<Index> labels;  ///< true column of each row
  Matrix<Index> ranked;       ///< [N, min(5, C)]
};

Judged judge_predictions(Predictions const& predictions, Examples const& examples, ClassMap const& classes) {
  Judged judged{.labels = {}, .ranked = best_of(predictions, 5).columns};
  for (Index const position : predictions.positions) { judged.labels.push_back(classes.at(examples.class_names()[static_cast<std::size_t>(examples.label(position))])); }
  return judged;
}

/// Whether a tuning has moved anything a result could show: rounding alone moves features by 1e-7.
constexpr double least_change = 1e-6;

}  // namespace

void ExperimentOptions::write(fs::path const& file) const {
  write_json({{"accrete_version", ACCRETE_VERSION},
              {"folder", fs::current_path().string()},
              {"method", method},
              {"published", published},
              {"data", data},
              {"classes", classes},
              {"tasks", tasks},
              {"initial", initial},
              {"increment", increment},
              {"train_per_class", train_per_class},
              {"seed", seed},
              {"settings", settings},
              {"checkpoint_seconds", checkpoint_seconds},
              {"backbone", {{"file", backbone.file}, {"heads", backbone.heads}, {"image_size", backbone.image_size}}},
              {"precision", run.precision},
              {"threads", run.threads},
              {"batch", run.batch},
              {"skip_bad", run.skip_bad},
              {"cache", run.cache}},
             file);
}

ExperimentOptions ExperimentOptions::read(fs::path const& file) {
  fs::path const out = fs::absolute(file).parent_path();
  return checked(file, [&] {
    auto const json = read_json(file);
    ExperimentOptions options;
    json.at("method").get_to(options.method);
    json.at("published").get_to(options.published);
    json.at("data").get_to(options.data);
    json.at("classes").get_to(options.classes);
    json.at("tasks").get_to(options.tasks);
    json.at("initial").get_to(options.initial);
    json.at("increment").get_to(options.increment);
    json.at("train_per_class").get_to(options.train_per_class);
    json.at("seed").get_to(options.seed);
    json.at("settings").get_to(options.settings);
    json.at("checkpoint_seconds").get_to(options.checkpoint_seconds);
    json.at("backbone").at("file").get_to(options.backbone.file);
    json.at("backbone").at("heads").get_to(options.backbone.heads);
    json.at("backbone").at("image_size").get_to(options.backbone.image_size);
    json.at("precision").get_to(options.run.precision);
    json.at("threads").get_to(options.run.threads);
    json.at("batch").get_to(options.run.batch);
    json.at("skip_bad").get_to(options.run.skip_bad);
    json.at("cache").get_to(options.run.cache);
    options.out = out;
    std::error_code gone;
    fs::current_path(json.at("folder").get<std::string>(), gone);
    if (gone) { fail<FileError>(json.at("folder").get<std::string>(), "the folder the run was started in is gone"); }
    return options;
  });
}

Experiment::Experiment(ExperimentOptions options)
    : options_(std::move(options)),
      entry_(find_method(options_.method)),
      data_(load_data(options_.data)),
      stream_(class_incremental(data_, {.classes = parse_classes(options_.classes),
                                        .seed = options_.seed,
                                        .tasks = options_.tasks,
                                        .initial = options_.initial,
                                        .increment = options_.increment,
                                        .train_per_class = options_.train_per_class})),
      trunk_(Vit<>::load(options_.backbone.path(), options_.backbone.options())),
      model_(fresh_model()),
      cache_(options_.run.cache) {
  record_.method = entry_.name;
  record_.settings = model_->settings();
  record_.backbone_file = options_.backbone.path().string();
  record_.backbone_sha256 = trunk_.sha256();
  record_.data = options_.data;
  record_.seed = options_.seed;
  record_.precision = options_.run.precision;
  record_.batch_dependent = model_->batch_dependent();
  record_.threads = options_.run.threads > 0 ? options_.run.threads : static_cast<int>(std::thread::hardware_concurrency());
}

std::unique_ptr<Model> Experiment::fresh_model() const { return entry_.start(trunk_, options_.published, parse_assignments(options_.settings), options_.seed); }

void Experiment::run() {
  if (!options_.choose.empty()) { choose(); }
  fs::create_directories(options_.out);
  std::error_code ignored;
  fs::remove(options_.out / "training.safetensors", ignored);
  options_.write(options_.out / "run.json");
  keep();
  if (!data_.note.empty()) { say(data_.name + ": " + data_.note); }
  learn_and_judge();
}

void Experiment::resume() {
  restore();
  say(message("going on behind task ", learned_, " of ", stream_.size()));
  learn_and_judge();
}

/// Tries every value on the first task without the pictures held out of it. Nothing is kept before one is chosen.
void Experiment::choose() {
  InterruptGuard const guard;
  Choice const choice = parse_choice(options_.choose);
  HeldOut const split = hold_out(stream_.front().train(), 0.1, options_.seed);
  if (split.held.empty()) { fail<ValueError>("--choose", "a tenth of each class is held out: a class of the first task needs at least 10 images (came: ", split.rest.size(), " in all)"); }
  std::vector<std::string> const given = options_.settings;
  auto const take = [&](std::string const& value) {
    options_.settings = given;
    options_.settings.push_back(choice.setting + '=' + value);
    model_ = fresh_model();
  };
  for (std::string const& value : choice.values) { take(value); }  // what a method cannot take is refused before any work
  record_.choice = ResultRecord::Choice{.setting = choice.setting, .top1 = {}};
  for (std::string const& value : choice.values) {
    std::string const label = choice.setting + ' ' + value;
    take(value);
    teach(*model_, split.rest, label, nullptr);
    ProgressBar bar(label + " evaluate", draws_bars(options_.run.quiet));
    Predictions const predictions = model_->predict(options_.run.where(), split.held, reading(bar, label));
    Judged const judged = judge_predictions(predictions, split.held, model_->classes());
    double const top1 = AccuracyMatrix().add(judged.ranked.view(), judged.labels, model_->classes().tasks()).top1;
    record_.choice->top1.emplace_back(value, top1);
    say(message(label, ": top-1 ", fixed(top1, 2), " % of ", split.held.size(), " images held out of the first task"));
  }
  auto const best = std::max_element(record_.choice->top1.begin(), record_.choice->top1.end(), [](auto const& a, auto const& b) { return a.second < b.second; });
  take(best->first);
  record_.settings = model_->settings();
  say(message(choice.setting, ' ', best->first, " is chosen"));
}

void Experiment::learn_and_judge() {
  InterruptGuard const guard;
  try {
    for (Task const& task : stream_) {
      for (Index const dataset_label : task.labels) { record_.class_order.push_back(dataset_label); }
      if (task.info.index < static_cast<Index>(record_.tasks.size())) { continue; }
      std::string const label = message("task ", task.info.index + 1, '/', stream_.size());
      if (!pending_) { learn(task, label); }
      keep_if_due();
      judge(task, label);
      InterruptGuard::stop_here(label);
    }
    cache_.flush();
    finish();
  } catch (Interrupted const& stop) {
    keep();
    fail<Interrupted>("interrupted", stop.what(), "; `accrete resume ", options_.out.string(), "` goes on from here");
  }
}

Reading Experiment::reading(ProgressBar& bar, std::string const& label) {
  return {.batch = options_.run.batch, .loader_threads = 1, .skip_bad = options_.run.skip_bad, .cache = &cache_, .progress = [&bar, label](Index done, Index total) {
            bar.update(done, total);
            InterruptGuard::stop_here(label);
          }};
}

/// @param[in] checkpoint  where an interrupted learning by gradient goes on from; nullptr: it is lost
Lesson Experiment::teach(Model& model, Examples const& examples, std::string const& label, TrainingCheckpoint const* checkpoint) {
  bool const bars = draws_bars(options_.run.quiet);
  ProgressBar training(label + " train   ", bars);
  ProgressBar statistics(label + " learn   ", bars);
  TrainingRun const run{.progress =
                            [&](TrainingProgress const& at) {
                              training.update(at.epoch * at.batches + at.batch, at.epochs * at.batches);
                              if (checkpoint == nullptr) { InterruptGuard::stop_here(label); }
                            },
                        .checkpoint = checkpoint};
  return model.observe(options_.run.where(), examples, reading(statistics, label), run);
}

void Experiment::learn(Task const& task, std::string const& label) {
  TrainingCheckpoint const checkpoint{.file = options_.out / "training.safetensors", .every_seconds = options_.checkpoint_seconds, .every_steps = 0, .stop = InterruptGuard::wants_to_stop};
  Lesson const lesson = teach(*model_, task.train(), label, &checkpoint);
  learned_ = task.info.index + 1;
  pending_ = ResultRecord::Task{.classes = task.labels,
                                .train_seconds = lesson.train_seconds,
                                .statistics_seconds = lesson.statistics_seconds,
                                .peak_rss_bytes = peak_rss_bytes(),
                                .skipped = static_cast<Index>(lesson.skipped.size()),
                                .feature_change = lesson.feature_change};
  for (std::string const& note : lesson.notes) { say(label + ": " + note); }
  for (std::string const& bad : lesson.skipped) { say(label + ": left out " + bad); }
  if (lesson.feature_change && *lesson.feature_change < least_change) { say(label + ": the tuning changed nothing; the features are those of the published network"); }
  say(message(label, ": ", lesson.samples, " images learned"));
}

void Experiment::judge(Task const& task, std::string const& label) {
  Stopwatch const watch;
  Examples const seen = record_.batch_dependent ? by_task(task.seen(), model_->classes()) : task.seen();
  ProgressBar bar(label + " evaluate", draws_bars(options_.run.quiet));
  Reading const reads = reading(bar, label);
  Predictions const predictions = model_->predict(options_.run.where(), seen, reads);
  Judged const judged = judge_predictions(predictions, seen, model_->classes());
  TaskScores const scores = accuracy_.add(judged.ranked.view(), judged.labels, model_->classes().tasks());
  for (std::string const& bad : predictions.skipped) { say(label + ": left out " + bad); }

  ResultRecord::Task judgement = *std::exchange(pending_, std::nullopt);
  judgement.top1 = scores.top1;
  judgement.top5 = scores.top5;
  judgement.per_task_top1 = scores.per_task_top1;
  judgement.evaluate_seconds = watch.seconds();
  judgement.prompt = model_->prompt_measures(options_.run.where(), seen, reads, task.info.index + 1 == static_cast<Index>(stream_.size()));
  judgement.peak_rss_bytes = peak_rss_bytes();
  judgement.skipped += static_cast<Index>(predictions.skipped.size());
  record_.tasks.push_back(std::move(judgement));
  say(message(label, ": ", model_->classes().size(), " classes, top-1 ", fixed(scores.top1, 2), " %"));
}

void Experiment::finish() {
  record_.average_accuracy = accuracy_.average();
  record_.last_accuracy = accuracy_.last();
  record_.forgetting = accuracy_.forgetting();
  record_.backward_transfer = accuracy_.backward_transfer();
  record_.peak_rss_bytes = peak_rss_bytes();
  model_->save(options_.out / "model.safetensors");
  write_result(record_, options_.out / "result.json");
  std::error_code ignored;
  fs::remove(options_.out / "progress.json", ignored);
  fs::remove(options_.out / "training.safetensors", ignored);
  if (kept_ >= 0) { fs::remove(options_.out / message("state-", kept_, ".safetensors"), ignored); }

  TextTable table({"task", "classes", "top-1 %", "top-5 %", "train s", "statistics s", "evaluate s", "feature change", "peak MB"});
  Index classes = 0;
  for (std::size_t t = 0; t < record_.tasks.size(); ++t) {
    ResultRecord::Task const& task = record_.tasks[t];
    classes += static_cast<Index>(task.classes.size());
    table.add({std::to_string(t + 1), std::to_string(classes), fixed(task.top1, 2), fixed(task.top5, 2), fixed(task.train_seconds, 1), fixed(task.statistics_seconds, 1),
               fixed(task.evaluate_seconds, 1), task.feature_change ? fixed(*task.feature_change, 4) : "-", fixed(static_cast<double>(task.peak_rss_bytes) / 1e6, 0)});
  }
  say("\n" + table.text());
  say_prompt();
  bool const idle = std::any_of(record_.tasks.begin(), record_.tasks.end(), [](ResultRecord::Task const& task) { return task.feature_change && *task.feature_change < least_change; });
  if (idle) { say("the tuning changed nothing in a task that learned by gradient: its features are those of the published network"); }
  say(message("average ", fixed(record_.average_accuracy, 2), " %, last ", fixed(record_.last_accuracy, 2), " %, forgetting ", fixed(record_.forgetting, 2), " points"));
  say(message("result: ", (options_.out / "result.json").string(), "   model: ", (options_.out / "model.safetensors").string()));
}

void Experiment::say_prompt() const {
  if (record_.tasks.empty() || record_.tasks.back().prompt.empty()) { return; }
  std::string line = "prompt:";
  for (auto const& [what, value] : record_.tasks.back().prompt) { line += message(line.back() == ':' ? " " : ", ", what, ' ', fixed(value, 3)); }
  say(line);
  if (record_.batch_dependent) { say("pictures of a batch helped each other: these figures reproduce a paper and compare with no other method"); }
}

void Experiment::keep_if_due() {
  if (since_kept_.seconds() >= options_.checkpoint_seconds) { keep(); }
}

/// The learner first, then the file that names it, then the old learner goes: whenever the program ends, what `progress.json` names is whole.
void Experiment::keep() {
  Index const before = kept_;
  std::string const state = learned_ > 0 ? message("state-", learned_, ".safetensors") : std::string();
  if (learned_ > 0 && kept_ != learned_) { model_->save(options_.out / state); }
  Json tallies = Json::array();
  for (Index t = 0; t < accuracy_.stages(); ++t) {
    Json row = Json::array();
    for (Tally const& tally : accuracy_.tallies(t)) { row.push_back({tally.correct, tally.total}); }
    tallies.push_back(row);
  }
  Json progress{{"learned", learned_}, {"state", state}, {"tasks", field_of(record_, "tasks")}, {"tallies", tallies}};
  if (pending_) {
    ResultRecord record;
    record.tasks = {*pending_};
    progress["pending"] = field_of(record, "tasks")[0];
  }
  if (record_.choice) { progress["choice"] = field_of(record_, "choice"); }
  write_json(progress, options_.out / "progress.json");
  kept_ = learned_ > 0 ? learned_ : -1;
  std::error_code ignored;
  if (before >= 0 && before != kept_) { fs::remove(options_.out / message("state-", before, ".safetensors"), ignored); }
  since_kept_ = Stopwatch();
}

void Experiment::restore() {
  fs::path const file = options_.out / "progress.json";
  if (!fs::exists(file)) { fail<FileError>(options_.out.string(), fs::exists(options_.out / "result.json") ? "the run in this folder is finished" : "there is no run in this folder"); }
  auto const json = read_json(file);
  checked(file, [&] {
    json.at("learned").get_to(learned_);
    for (auto const& task : json.at("tasks")) { record_.tasks.push_back(task_of(task)); }
    for (auto const& row : json.at("tallies")) {
      std::vector<Tally> tallies;
      for (auto const& tally : row) { tallies.push_back({tally.at(0).get<Index>(), tally.at(1).get<Index>()}); }
      auto const seen = static_cast<Index>(tallies.size());
      accuracy_.add(std::move(tallies), seen);
    }
    if (json.contains("pending")) { pending_ = task_of(json.at("pending")); }
    if (json.contains("choice")) { record_.choice = choice_of(json.at("choice")); }
    if (learned_ > 0) { model_ = entry_.load(options_.out / json.at("state").get<std::string>(), trunk_); }
    return 0;
  });
  if (learned_ > static_cast<Index>(stream_.size()) || static_cast<Index>(record_.tasks.size()) + (pending_ ? 1 : 0) != learned_) {
    fail<FileError>(file.string(), "says that ", learned_, " tasks are learned and ", record_.tasks.size(), " judged, of ", stream_.size());
  }
  if (learned_ > 0) { kept_ = learned_; }
  for (Index t = 0; t < learned_; ++t) { model_->recall(stream_[static_cast<std::size_t>(t)].train()); }
}

void Experiment::say(std::string const& line) const {
  if (!options_.run.quiet) { std::cout << line << std::endl; }
}

}  // namespace accrete::tool
