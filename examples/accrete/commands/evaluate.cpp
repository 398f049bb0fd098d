#include "../commands.hpp"
#include "../options.hpp"
#include "../terminal.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <memory>

namespace accrete::tool {
namespace {

struct EvaluateCommand {
  std::string model;
  std::string data;
  bool json = false;
  std::string backbone;
  RunOptions run;

  void execute() const;
};

struct ClassCount {
  Index samples = 0;
  Index top1 = 0;
  Index top5 = 0;
};

double percent(Index part, Index whole) { return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole); }

void EvaluateCommand::execute() const {
  OpenedModel const opened = open_model(model, backbone);
  DataSet const data_set = load_data(data);
  ClassMap const& classes = opened.model->classes();
  std::vector<Index> known;
  for (std::size_t label = 0; label < data_set.test.class_names().size(); ++label) {
    if (classes.find(data_set.test.class_names()[label])) { known.push_back(static_cast<Index>(label)); }
  }
  if (known.empty()) { fail<ValueError>("evaluate", "the model knows none of the classes of ", data); }
  Examples const examples = data_set.test.of_classes(known);

  ProgressBar bar("evaluate", draws_bars(run.quiet || json));
  Predictions const predictions = opened.model->predict(
      run.where(), examples, {.batch = run.batch, .loader_threads = 1, .skip_bad = run.skip_bad, .cache = nullptr, .progress = [&](Index done, Index total) { bar.update(done, total); }});
  Matrix<Index> const ranked = best_of(predictions, 5).columns;
  std::vector<ClassCount> counts(static_cast<std::size_t>(classes.size()));
  ClassCount all;
  for (Index i = 0; i < ranked.extent(0); ++i) {
    Index const truth = classes.at(examples.class_names()[static_cast<std::size_t>(examples.label(predictions.positions[static_cast<std::size_t>(i)]))]);
    bool const first = ranked(i, 0) == truth;
    bool const among = std::find(ranked.view()[i].begin(), ranked.view()[i].end(), truth) != ranked.view()[i].end();
    for (ClassCount* count : {&counts[static_cast<std::size_t>(truth)], &all}) {
      ++count->samples;
      count->top1 += first ? 1 : 0;
      count->top5 += among ? 1 : 0;
    }
  }

  if (json) {
    nlohmann::ordered_json per_class = nlohmann::ordered_json::array();
    for (Index c = 0; c < classes.size(); ++c) {
      ClassCount const& count = counts[static_cast<std::size_t>(c)];
      if (count.samples > 0) { per_class.push_back({{"label", classes.name(c)}, {"samples", count.samples}, {"top1", percent(count.top1, count.samples)}}); }
    }
    nlohmann::ordered_json const result{
        {"method", opened.method->name},        {"data", data}, {"samples", all.samples}, {"top1", percent(all.top1, all.samples)}, {"top5", percent(all.top5, all.samples)}, {"classes", per_class},
        {"skipped", predictions.skipped.size()}};
    std::cout << result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  } else {
    TextTable table({"class", "images", "top-1 %", "top-5 %"});
    for (Index c = 0; c < classes.size(); ++c) {
      ClassCount const& count = counts[static_cast<std::size_t>(c)];
      if (count.samples > 0) { table.add({classes.name(c), std::to_string(count.samples), fixed(percent(count.top1, count.samples), 2), fixed(percent(count.top5, count.samples), 2)}); }
    }
    table.add({"all", std::to_string(all.samples), fixed(percent(all.top1, all.samples), 2), fixed(percent(all.top5, all.samples), 2)});
    std::cout << table.text();
  }
  for (std::string const& bad : predictions.skipped) { std::cerr << "left out " << bad << '\n'; }
}

}  // namespace

void add_evaluate(CLI::App& tool) {
  auto const command = std::make_shared<EvaluateCommand>();
  CLI::App& app = *tool.add_subcommand("evaluate", "Judges a model on the test images of a data set, class by class");
  app.add_option("model", command->model, "Model file, or the folder of a run")->required();
  app.add_option("--data", command->data, "fashion-mnist[:DIR], cifar10:DIR, cifar100:DIR, idx:DIR or folder:DIR")->required();
  app.add_flag("--json", command->json, "Print JSON");
  declare_moved_backbone(app, command->backbone);
  command->run.declare(app);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
