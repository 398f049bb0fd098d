#include "../commands.hpp"
#include "../options.hpp"
#include "../terminal.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/io/checkpoint.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/io/safetensors.hpp>

#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>

namespace accrete::tool {
namespace {

using Json = nlohmann::ordered_json;

struct InspectCommand {
  std::string file;
  bool json = false;
  BackboneOptions options;

  void execute() const;
};

Json tensors_of(Checkpoint const& checkpoint) {
  Json list = Json::object();
  for (std::string const& name : checkpoint.names()) { list[name] = checkpoint.entry(name).text(); }
  return list;
}

/// What a model file says of itself.
Json describe_model(ModelReader const& reader, Checkpoint const& checkpoint) {
  Json settings = Json::object();
  for (auto const& [key, value] : checkpoint.metadata()) {
    if (key.rfind("setting.", 0) == 0) { settings[key.substr(8)] = Json::parse(value); }
  }
  return {{"kind", "model"}, {"composition", reader.composition()}, {"accrete_version", reader.accrete_version()}, {"settings", settings}, {"tensors", tensors_of(checkpoint)}};
}

/// What the library reads out of a checkpoint, and from where.
Json describe_checkpoint(Vit<> const& trunk, Checkpoint const& checkpoint) {
  Json properties = Json::array();
  for (Provenance const& entry : trunk.provenance()) { properties.push_back({{"property", entry.property}, {"value", entry.value}, {"read_from", entry.read_from}}); }
  return {{"kind", "checkpoint"}, {"sha256", trunk.sha256()}, {"properties", properties}, {"tensors", tensors_of(checkpoint)}};
}

void print_text(Json const& description) {
  if (description["kind"] == "model") {
    std::cout << "model of " << description["composition"].get<std::string>() << ", written by accrete " << description["accrete_version"].get<std::string>() << '\n';
    for (auto const& [name, value] : description["settings"].items()) { std::cout << "  " << name << ": " << (value.is_string() ? value.get<std::string>() : value.dump()) << '\n'; }
  } else {
    std::cout << "checkpoint, sha256 " << description["sha256"].get<std::string>() << '\n';
    TextTable table({"property", "value", "read from"});
    for (Json const& row : description["properties"]) { table.add({row["property"].get<std::string>(), row["value"].get<std::string>(), row["read_from"].get<std::string>()}); }
    std::cout << table.text();
  }
  std::cout << description["tensors"].size() << " tensors\n";
  for (auto const& [name, text] : description["tensors"].items()) { std::cout << "  " << name << "  " << text.get<std::string>() << '\n'; }
}

void InspectCommand::execute() const {
  std::filesystem::path const run_model = model_path(file);
  Checkpoint const checkpoint = Checkpoint::open(std::filesystem::exists(run_model) ? run_model : std::filesystem::path(file));
  auto const format = checkpoint.metadata().find("format");
  bool const is_model = format != checkpoint.metadata().end() && format->second == ModelFormat::name;
  BackboneOptions named = options;
  named.file = file;
  Json const description = is_model ? describe_model(ModelReader::open(checkpoint.path()), checkpoint) : describe_checkpoint(Vit<>::load(named.path(), named.options()), checkpoint);
  if (json) {
    std::cout << description.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    print_text(description);
  }
}

}  // namespace

void add_inspect(CLI::App& tool) {
  auto const command = std::make_shared<InspectCommand>();
  CLI::App& app = *tool.add_subcommand("inspect", "Says what is in a checkpoint or a model, and where each property was read");
  app.add_option("file", command->file, "Checkpoint, model file, or the folder of a run")->required();
  app.add_flag("--json", command->json, "Print JSON");
  app.add_option("--heads", command->options.heads, "Attention heads, where the checkpoint does not say")->check(CLI::NonNegativeNumber);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
