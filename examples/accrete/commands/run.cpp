#include "../commands.hpp"
#include "../options.hpp"
#include "../terminal.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/data/feature_cache.hpp>
#include <accrete/io/result.hpp>
#include <accrete/metric/accuracy.hpp>
#include <accrete/metric/resources.hpp>
#include <accrete/stream/stream.hpp>

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <thread>

namespace accrete::tool {
namespace {

struct RunCommand {
  std::string method = "ranpac";
  std::string data = "fashion-mnist";
  std::string classes;
  Index tasks = 0;
  Index initial = 0;
  Index increment = 0;
  Index train_per_class = 0;
  std::uint32_t seed = 1993;
  std::vector<std::string> settings;
  std::string out = "accrete-run";
  BackboneOptions backbone;
  RunOptions run;

  void execute() const;
};

std::vector<Index> parse_classes(std::string const& text) {
  std::vector<Index> classes;
  for (std::size_t first = 0; first < text.size();) {
    std::size_t const end = std::min(text.find(',', first), text.size());
    classes.push_back(parse_number<Index>("--classes", std::string_view(text).substr(first, end - first), 0, std::numeric_limits<std::int32_t>::max()));
    first = end + 1;
  }
  return classes;
}

/// Top-1 and top-5 of a prediction over examples whose classes the model knows by name.
struct Judged {
  std::vector<Index> labels;  ///< true column of each row
  Matrix<Index> ranked;       ///< [N, min(5, C)]
};

Judged judge(Predictions const& predictions, Examples const& examples, ClassMap const& classes) {
  Judged judged{.labels = {}, .ranked = best_of(predictions, 5).columns};
  for (Index const position : predictions.positions) { judged.labels.push_back(classes.at(examples.class_names()[static_cast<std::size_t>(examples.label(position))])); }
  return judged;
}

void RunCommand::execute() const {
  MethodEntry const& entry = find_method(method);
  DataSet const data_set = load_data(data);
  std::vector<Task> const stream =
      class_incremental(data_set, {.classes = parse_classes(classes), .seed = seed, .tasks = tasks, .initial = initial, .increment = increment, .train_per_class = train_per_class});
  Vit<> const trunk = Vit<>::load(backbone.path(), backbone.options());
  std::unique_ptr<Model> const model = entry.start(trunk, parse_assignments(settings), seed);

  std::filesystem::path const folder = out;
  std::filesystem::create_directories(folder);
  FeatureCache cache(run.cache);
  bool const bars = draws_bars(run.quiet);
  auto const say = [&](std::string const& line) {
    if (!run.quiet) { std::cout << line << std::endl; }
  };
  if (!data_set.note.empty()) { say(data_set.name + ": " + data_set.note); }

  ResultRecord record;
  record.method = entry.name;
  record.settings = model->settings();
  record.backbone_file = backbone.path().string();
  record.backbone_sha256 = trunk.sha256();
  record.data = data;
  record.seed = seed;
  record.precision = run.precision;
  record.threads = run.threads > 0 ? run.threads : static_cast<int>(std::thread::hardware_concurrency());

  TextTable table({"task", "classes", "top-1 %", "top-5 %", "learn s", "evaluate s", "peak MB"});
  AccuracyMatrix accuracy;
  for (Task const& task : stream) {
    std::string const label = message("task ", task.info.index + 1, '/', stream.size());
    for (Index const dataset_label : task.labels) { record.class_order.push_back(dataset_label); }

    Reading reading{.batch = run.batch, .loader_threads = 1, .skip_bad = run.skip_bad, .cache = &cache, .progress = {}};
    Lesson lesson;
    {
      ProgressBar bar(label + " learn   ", bars);
      reading.progress = [&](Index done, Index total) { bar.update(done, total); };
      lesson = model->observe(run.where(), task.train(), reading);
    }
    Stopwatch const watch;
    Judged judged;
    Examples const seen = task.seen();
    std::vector<std::string> skipped = lesson.skipped;
    {
      ProgressBar bar(label + " evaluate", bars);
      reading.progress = [&](Index done, Index total) { bar.update(done, total); };
      Predictions const predictions = model->predict(run.where(), seen, reading);
      judged = judge(predictions, seen, model->classes());
      skipped.insert(skipped.end(), predictions.skipped.begin(), predictions.skipped.end());
    }
    double const evaluate_seconds = watch.seconds();

    TaskScores const scores = accuracy.add(judged.ranked.view(), judged.labels, model->classes().tasks());
    for (std::string const& note : lesson.notes) { say(label + ": " + note); }
    for (std::string const& bad : skipped) { say(label + ": left out " + bad); }
    record.tasks.push_back({.classes = task.labels,
                            .top1 = scores.top1,
                            .top5 = scores.top5,
                            .per_task_top1 = scores.per_task_top1,
                            .train_seconds = lesson.train_seconds,
                            .statistics_seconds = lesson.statistics_seconds,
                            .evaluate_seconds = evaluate_seconds,
                            .peak_rss_bytes = peak_rss_bytes(),
                            .skipped = static_cast<Index>(skipped.size())});
    table.add({std::to_string(task.info.index + 1), std::to_string(model->classes().size()), fixed(scores.top1, 2), fixed(scores.top5, 2), fixed(lesson.train_seconds + lesson.statistics_seconds, 1),
               fixed(evaluate_seconds, 1), fixed(static_cast<double>(peak_rss_bytes()) / 1e6, 0)});
    say(message(label, ": ", lesson.samples, " images learned, ", model->classes().size(), " classes, top-1 ", fixed(scores.top1, 2), " %"));
  }
  cache.flush();

  record.average_accuracy = accuracy.average();
  record.last_accuracy = accuracy.last();
  record.forgetting = accuracy.forgetting();
  record.backward_transfer = accuracy.backward_transfer();
  record.peak_rss_bytes = peak_rss_bytes();
  model->save(folder / "model.safetensors");
  write_result(record, folder / "result.json");
  say("\n" + table.text());
  say(message("average ", fixed(record.average_accuracy, 2), " %, last ", fixed(record.last_accuracy, 2), " %, forgetting ", fixed(record.forgetting, 2), " points"));
  say(message("result: ", (folder / "result.json").string(), "   model: ", (folder / "model.safetensors").string()));
}

}  // namespace

void add_run(CLI::App& tool) {
  auto const command = std::make_shared<RunCommand>();
  CLI::App& app = *tool.add_subcommand("run", "Runs an experiment: learns a data set class by class and judges it after every task");
  app.add_option("--method", command->method, "Method, see `accrete methods`");
  app.add_option("--data", command->data, "fashion-mnist[:DIR], cifar10:DIR, cifar100:DIR, idx:DIR or folder:DIR");
  app.add_option("--classes", command->classes, "Subset and order of the classes: dataset labels with commas; without it the seed's permutation");
  app.add_option("--tasks", command->tasks, "Number of tasks of (nearly) equal size");
  app.add_option("--initial", command->initial, "Classes of the first task");
  app.add_option("--increment", command->increment, "Classes of every later task");
  app.add_option("--train-per-class", command->train_per_class, "First N training images of each class in file order; 0: all");
  app.add_option("--seed", command->seed, "Seed of the class order and of the method");
  app.add_option("--set", command->settings, "Setting of the method, name=value; may come again");
  app.add_option("--out", command->out, "Folder of result.json and model.safetensors");
  command->backbone.declare(app);
  command->run.declare(app);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
