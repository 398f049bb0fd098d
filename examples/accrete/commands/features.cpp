#include "../commands.hpp"
#include "../options.hpp"
#include "../terminal.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/data/feature_cache.hpp>
#include <accrete/host/host.hpp>
#include <accrete/io/safetensors.hpp>
#include <accrete/train/feature_pass.hpp>

#include <algorithm>
#include <iostream>
#include <memory>

namespace accrete::tool {
namespace {

struct FeaturesCommand {
  std::string data;
  std::string tensor;
  bool per_block = false;
  std::string out;
  BackboneOptions backbone;
  RunOptions run;

  [[nodiscard]] HostExecutor<> executor() const { return HostExecutor<>{.threads = run.where().threads, .precision = run.where().precision}; }
  void of_tensor(Vit<> const& trunk) const;
  void of_data(Vit<> const& trunk) const;
  void execute() const;
};

/// Keeps the tokens after each block.
struct BlockRecorder {
  std::vector<Tensor<float, 3>> blocks;

  void observe(Index /*block*/, TensorView<float const, 3> tokens) {
    Tensor<float, 3> copy(tokens.shape());
    std::copy(tokens.begin(), tokens.end(), copy.begin());
    blocks.push_back(std::move(copy));
  }
};

void FeaturesCommand::of_tensor(Vit<> const& trunk) const {
  std::size_t const colon = tensor.rfind(':');
  if (colon == std::string::npos) { fail<ValueError>("--tensor", "must be FILE:NAME (came: ", tensor, ")"); }
  auto const file = SafetensorsFile::open(tensor.substr(0, colon));
  auto const images = file.read<float, 4>(tensor.substr(colon + 1));
  auto const exec = executor();
  SafetensorsWriter writer;
  Matrix<float> const features = trunk.features(exec, images.cview());
  writer.add("features", features);
  BlockRecorder recorder;
  if (per_block) {
    auto const tokens = trunk.embed(exec, images.cview());
    static_cast<void>(trunk.forward(exec, tokens.cview(), recorder));
    for (std::size_t i = 0; i < recorder.blocks.size(); ++i) { writer.add(message("block.", i), recorder.blocks[i]); }
  }
  writer.write(out);
}

void FeaturesCommand::of_data(Vit<> const& trunk) const {
  DataSet const data_set = load_data(data);
  FeatureCache cache(run.cache);
  SafetensorsWriter writer;
  std::vector<FeatureSet> sets(2);
  std::vector<Vector<Index>> labels(2);
  for (std::size_t part = 0; part < 2; ++part) {
    Examples const& examples = part == 0 ? data_set.train : data_set.test;
    std::string const name = part == 0 ? "train" : "test";
    ProgressBar bar(name, draws_bars(run.quiet));
    sets[part] = extract_features(executor(), trunk, examples,
                                  {.batch = run.batch, .loader_threads = 1, .skip_bad = run.skip_bad, .cache = &cache, .progress = [&](Index done, Index total) { bar.update(done, total); }});
    labels[part] = Vector<Index>({static_cast<Index>(sets[part].positions.size())});
    std::transform(sets[part].positions.begin(), sets[part].positions.end(), labels[part].begin(), [&](Index position) { return examples.label(position); });
    writer.add(name + ".features", sets[part].features);
    writer.add(name + ".labels", labels[part]);
    for (std::string const& bad : sets[part].skipped) { std::cerr << "left out " << bad << '\n'; }
  }
  cache.flush();
  writer.write(out);
}

void FeaturesCommand::execute() const {
  if (data.empty() == tensor.empty()) { fail<ValueError>("features", "needs exactly one of --data and --tensor"); }
  if (per_block && tensor.empty()) { fail<ValueError>("features", "--per-block needs --tensor"); }
  Vit<> const trunk = Vit<>::load(backbone.path(), backbone.options());
  tensor.empty() ? of_data(trunk) : of_tensor(trunk);
  if (!run.quiet) { std::cout << "features written to " << out << '\n'; }
}

}  // namespace

void add_features(CLI::App& tool) {
  auto const command = std::make_shared<FeaturesCommand>();
  CLI::App& app = *tool.add_subcommand("features", "Writes the features of a data set, or of a preprocessed tensor, as safetensors");
  app.add_option("--data", command->data, "fashion-mnist[:DIR], cifar10:DIR, cifar100:DIR, idx:DIR or folder:DIR: writes train.features [N, D], train.labels [N], test.features, test.labels");
  app.add_option("--tensor", command->tensor, "FILE:NAME of a preprocessed float32 tensor [B, 3, H, W]: writes features [B, D]");
  app.add_flag("--per-block", command->per_block, "Also write block.0 ... [B, T, D], the tokens after each block");
  app.add_option("--out", command->out, "The safetensors file to write")->required();
  command->backbone.declare(app);
  command->run.declare(app);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
