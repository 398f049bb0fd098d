#include "../commands.hpp"
#include "../options.hpp"
#include "../terminal.hpp"

#include <accrete/backbone/vit.hpp>

#include <iostream>
#include <memory>

namespace accrete::tool {
namespace {

struct LearnCommand {
  std::string model;
  std::string name;
  std::vector<std::string> folders;
  std::string method = "ranpac";
  std::string published;
  std::vector<std::string> settings;
  std::uint64_t seed = 1993;
  bool fresh = false;
  BackboneOptions backbone;
  RunOptions run;

  [[nodiscard]] OpenedModel open() const;
  void execute() const;
};

OpenedModel LearnCommand::open() const {
  if (!fresh) {
    if (!settings.empty() || !published.empty()) { fail<ValueError>("learn", "--set belongs to a new model (--new); this one keeps the settings it began with"); }
    return open_model(model, backbone.file);
  }
  if (std::filesystem::exists(model)) { fail<ValueError>("learn", model, " exists already; leave out --new to add to it"); }
  MethodEntry const& entry = find_method(method);
  return {.file = model, .method = &entry, .model = entry.start(Vit<>::load(backbone.path(), backbone.options()), published, parse_assignments(settings), seed)};
}

void LearnCommand::execute() const {
  OpenedModel const opened = open();
  Examples const examples = images_of_class(name, folders);
  bool const known = opened.model->classes().find(name).has_value();
  Lesson lesson;
  {
    ProgressBar bar("learn", draws_bars(run.quiet));
    lesson = opened.model->observe(run.where(), examples,
                                   {.batch = run.batch, .loader_threads = 1, .skip_bad = run.skip_bad, .cache = nullptr, .progress = [&](Index done, Index total) { bar.update(done, total); }}, {});
  }
  opened.model->save(opened.file);
  if (run.quiet) { return; }
  for (std::string const& bad : lesson.skipped) { std::cout << "left out " << bad << '\n'; }
  for (std::string const& note : lesson.notes) { std::cout << note << '\n'; }
  std::cout << (known ? "more of '" : "new class '") << name << "': " << lesson.samples << " images; " << opened.file.string() << " knows " << opened.model->classes().size() << " classes\n";
}

}  // namespace

void add_learn(CLI::App& tool) {
  auto const command = std::make_shared<LearnCommand>();
  CLI::App& app = *tool.add_subcommand("learn", "Adds a class, or more images of a known one, to a model");
  app.add_option("model", command->model, "Model file, or the folder of a run; written in place, all or nothing")->required();
  app.add_option("folders", command->folders, "Image files, or folders of them")->required();
  app.add_option("--name", command->name, "Name of the class")->required();
  app.add_flag("--new", command->fresh, "Start a new model in this file");
  app.add_option("--method", command->method, "Method of a new model, see `accrete methods`");
  app.add_option("--published", command->published, "Settings of a new model as published for a data set, see `accrete methods`");
  app.add_option("--set", command->settings, "Setting of a new model, name=value; may come again");
  app.add_option("--seed", command->seed, "Seed of a new model");
  command->backbone.declare(app);
  command->run.declare(app);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
