#include "../commands.hpp"
#include "../experiment.hpp"
#include "../options.hpp"

#include <memory>
#include <string>

namespace accrete::tool {

void add_run(CLI::App& tool) {
  auto const options = std::make_shared<ExperimentOptions>();
  auto const epochs = std::make_shared<std::string>();
  CLI::App& app = *tool.add_subcommand("run", "Runs an experiment: learns a data set class by class and judges it after every task");
  app.add_option("--method", options->method, "Method, see `accrete methods`");
  app.add_option("--published", options->published, "Settings as published for a data set, see `accrete methods`");
  app.add_option("--data", options->data, "fashion-mnist[:DIR], cifar10:DIR, cifar100:DIR, idx:DIR or folder:DIR");
  app.add_option("--classes", options->classes, "Subset and order of the classes: dataset labels with commas; without it the seed's permutation");
  app.add_option("--tasks", options->tasks, "Number of tasks of (nearly) equal size");
  app.add_option("--initial", options->initial, "Classes of the first task");
  app.add_option("--increment", options->increment, "Classes of every later task");
  app.add_option("--train-per-class", options->train_per_class, "First N training images of each class in file order; 0: all");
  app.add_option("--seed", options->seed, "Seed of the class order and of the method");
  app.add_option("--epochs", *epochs, "Passes over the images of a task that learns by gradient; the same as --set epochs=N");
  app.add_option("--set", options->settings, "Setting of the method, name=value; may come again");
  app.add_option("--choose", options->choose, "name=value,value,...: the value of a setting that does best on a tenth of the first task, which is held out for that");
  app.add_option("--out", options->out, "Folder of result.json and model.safetensors");
  app.add_option("--checkpoint-seconds", options->checkpoint_seconds, "Time between two writings of what `accrete resume` goes on from")->check(CLI::NonNegativeNumber);
  options->backbone.declare(app);
  options->run.declare(app);
  app.callback([options, epochs] {
    if (!epochs->empty()) { options->settings.push_back("epochs=" + *epochs); }
    Experiment(*options).run();
  });
}

void add_resume(CLI::App& tool) {
  auto const folder = std::make_shared<std::string>();
  auto const quiet = std::make_shared<bool>(false);
  CLI::App& app = *tool.add_subcommand("resume", "Goes on with an interrupted run; it ends with the same bits as one that was left alone");
  app.add_option("folder", *folder, "Folder of the run")->required();
  app.add_flag("--quiet", *quiet, "Print nothing but errors");
  app.callback([folder, quiet] {
    ExperimentOptions options = ExperimentOptions::read(std::filesystem::path(*folder) / "run.json");
    options.run.quiet = *quiet;
    Experiment(std::move(options)).resume();
  });
}

}  // namespace accrete::tool
