#include "../commands.hpp"
#include "../options.hpp"
#include "../terminal.hpp"

#include <iostream>
#include <memory>

namespace accrete::tool {
namespace {

struct ForgetCommand {
  std::string model;
  std::string name;
  std::vector<std::string> folders;
  std::string backbone;
  RunOptions run;

  void execute() const;
};

void ForgetCommand::execute() const {
  OpenedModel const opened = open_model(model, backbone);
  static_cast<void>(opened.model->classes().at(name));  // an unknown class is refused before any image is read
  Examples const examples = folders.empty() ? Examples() : images_of_class(name, folders);
  {
    ProgressBar bar("forget", draws_bars(run.quiet));
    opened.model->forget(run.where(), name, examples,
                         {.batch = run.batch, .loader_threads = 1, .skip_bad = run.skip_bad, .cache = nullptr, .progress = [&](Index done, Index total) { bar.update(done, total); }});
  }
  opened.model->save(opened.file);
  if (!run.quiet) { std::cout << "class '" << name << "' is gone; " << opened.file.string() << " knows " << opened.model->classes().size() << " classes\n"; }
}

}  // namespace

void add_forget(CLI::App& tool) {
  auto const command = std::make_shared<ForgetCommand>();
  CLI::App& app = *tool.add_subcommand("forget", "Removes a class from a model as if it had never been learned");
  app.add_option("model", command->model, "Model file, or the folder of a run; written in place, all or nothing")->required();
  app.add_option("folders", command->folders, "The images the class was learned from, where the method needs them (ranpac without stored features)");
  app.add_option("--name", command->name, "Name of the class")->required();
  declare_moved_backbone(app, command->backbone);
  command->run.declare(app);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
