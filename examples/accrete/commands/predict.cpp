#include "../commands.hpp"
#include "../options.hpp"
#include "../terminal.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>

namespace accrete::tool {
namespace {

struct PredictCommand {
  std::string model;
  std::vector<std::string> images;
  bool json = false;
  Index top = 5;
  std::string backbone;
  RunOptions run;

  void execute() const;
};

void PredictCommand::execute() const {
  OpenedModel const opened = open_model(model, backbone);
  Examples const examples = images_of_class("unknown", images);
  ProgressBar bar("predict", draws_bars(run.quiet || json));
  Predictions const predictions = opened.model->predict(
      run.where(), examples, {.batch = run.batch, .loader_threads = 1, .skip_bad = run.skip_bad, .cache = nullptr, .progress = [&](Index done, Index total) { bar.update(done, total); }});
  Ranking const ranking = best_of(predictions, top);
  Matrix<Index> const& columns = ranking.columns;
  Matrix<float> const& scores = ranking.scores;
  std::vector<std::string> const& names = opened.model->classes().names();

  nlohmann::ordered_json answers = nlohmann::ordered_json::array();
  for (Index i = 0; i < columns.extent(0); ++i) {
    std::string const file = examples.where(predictions.positions[static_cast<std::size_t>(i)]);
    nlohmann::ordered_json ranked = nlohmann::ordered_json::array();
    for (Index k = 0; k < columns.extent(1); ++k) { ranked.push_back({{"label", names[static_cast<std::size_t>(columns(i, k))]}, {"score", scores(i, k)}}); }
    if (!json) {
      std::cout << file << ':';
      for (auto const& entry : ranked) { std::cout << "  " << entry["label"].get<std::string>() << ' ' << fixed(entry["score"].get<double>(), 4); }
      std::cout << '\n';
    }
    answers.push_back({{"image", file}, {"label", ranked[0]["label"]}, {"score", ranked[0]["score"]}, {"top", ranked}});
  }
  if (json) { std::cout << answers.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n'; }
  for (std::string const& bad : predictions.skipped) { std::cerr << "left out " << bad << '\n'; }
}

}  // namespace

void add_predict(CLI::App& tool) {
  auto const command = std::make_shared<PredictCommand>();
  CLI::App& app = *tool.add_subcommand("predict", "Names the class of images");
  app.add_option("model", command->model, "Model file, or the folder of a run")->required();
  app.add_option("images", command->images, "Image files, or folders of them")->required();
  app.add_flag("--json", command->json, "Print a JSON array with scores that round-trip to the bit");
  app.add_option("--top", command->top, "How many classes to list")->check(CLI::PositiveNumber);
  declare_moved_backbone(app, command->backbone);
  command->run.declare(app);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
