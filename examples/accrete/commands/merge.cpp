#include "../commands.hpp"
#include "../options.hpp"

#include <iostream>
#include <memory>

namespace accrete::tool {
namespace {

struct MergeCommand {
  std::string first;
  std::string second;
  std::string out;
  std::string backbone;

  void execute() const;
};

void MergeCommand::execute() const {
  OpenedModel const kept = open_model(first, backbone);
  OpenedModel const other = open_model(second, backbone);
  if (kept.method != other.method) { fail<ValueError>("merge", "the models differ in composition: ", kept.method->composition, " and ", other.method->composition); }
  Index const before = kept.model->classes().size();
  kept.model->merge(*other.model);
  std::filesystem::path const target = out.empty() ? kept.file : std::filesystem::path(out);
  kept.model->save(target);
  Index const after = kept.model->classes().size();
  std::cout << "statistics of " << before << " and " << other.model->classes().size() << " classes added: " << after << " classes, " << before + other.model->classes().size() - after
            << " of them in both; written to " << target.string() << '\n';
}

}  // namespace

void add_merge(CLI::App& tool) {
  auto const command = std::make_shared<MergeCommand>();
  CLI::App& app = *tool.add_subcommand("merge", "Adds what a second model has seen to a first: classes unite, statistics add up");
  app.add_option("first", command->first, "Model file, or the folder of a run")->required();
  app.add_option("second", command->second, "Model of the same composition, settings and backbone")->required();
  app.add_option("-o,--out", command->out, "Where to write the merged model; without it the first one is replaced");
  declare_moved_backbone(app, command->backbone);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
