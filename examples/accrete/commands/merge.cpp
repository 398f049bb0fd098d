#include "../commands.hpp"
#include "../options.hpp"

#include <accrete/core/settings.hpp>
#include <accrete/head/united_classes.hpp>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

namespace accrete::tool {
namespace {

/// A rule as the command line names it: the word, and the number behind its colon.
struct NamedRule {
  std::string word;
  std::optional<double> number;

  [[nodiscard]] std::string text() const { return number ? message(word, ':', *number) : word; }
  [[nodiscard]] bool of_parameters() const { return word != "statistics"; }
};

NamedRule parse_rule(std::string const& text) {
  std::vector<std::string> const words{"statistics", "mean", "ema", "wise", "fisher"};
  auto const colon = text.find(':');
  NamedRule rule{text.substr(0, colon), std::nullopt};
  if (std::find(words.begin(), words.end(), rule.word) == words.end()) { fail<ValueError>("--rule", "there is no '", rule.word, "'; did you mean '", nearest_name(rule.word, words), "'?"); }
  bool const wants_number = rule.word == "ema" || rule.word == "wise";
  if (wants_number != (colon != std::string::npos)) {
    fail<ValueError>("--rule", rule.word,
                     wants_number ? " needs a number from 0 to 1, as in " : " takes no number (came: ", wants_number ? rule.word + (rule.word == "ema" ? ":0.99" : ":0.5") : text + ")");
  }
  if (wants_number) { rule.number = parse_number("--rule " + rule.word, text.substr(colon + 1), 0.0, 1.0); }
  return rule;
}

/// The names of methods whose models hold Fisher information.
std::string fisher_methods() {
  std::string names;
  for (MethodEntry const& entry : methods()) {
    if (entry.composition.find("fisher<") != std::string::npos) { names += (names.empty() ? "" : ", ") + entry.name; }
  }
  return names;
}

void check_fisher(OpenedModel const& opened) {
  if (!opened.model->holds_fisher()) { fail<ValueError>(opened.file.string(), "holds no Fisher information; models of these methods do: ", fisher_methods()); }
}

/// `4 tensors of the network (15362 numbers), `
std::string tensors_text(Index tensors, std::string_view of, Index numbers) {
  return tensors == 0 ? std::string() : message(tensors, tensors == 1 ? " tensor of the " : " tensors of the ", of, " (", numbers, " numbers), ");
}

struct MergeCommand {
  std::string first;
  std::vector<std::string> others;
  std::string out;
  std::string rule;
  std::vector<std::string> only;
  std::string backbone;

  void execute() const;

 private:
  [[nodiscard]] NamedRule rule_for(MethodEntry const& method) const;
};

NamedRule MergeCommand::rule_for(MethodEntry const& method) const {
  std::optional<NamedRule> named;
  if (!rule.empty()) { named = parse_rule(rule); }
  bool const fits = named ? method.merges == (named->of_parameters() ? Mergeable::parameters : Mergeable::statistics) : method.merges == Mergeable::statistics;
  if (!fits) { refuse_merge(method.name, method.merges); }
  if (!only.empty() && !(named && named->of_parameters())) { fail<ValueError>("--only", "chooses among parameters; statistics add up as a whole"); }
  return named.value_or(NamedRule{"statistics", std::nullopt});
}

void MergeCommand::execute() const {
  OpenedModel const kept = open_model(first, backbone);
  NamedRule const named = rule_for(*kept.method);
  ModelMerge how{.rule = named.word == "fisher" ? ModelRule::fisher : ModelRule::interpolate, .only = only};
  if (named.number) { how.weight = named.word == "ema" ? 1.0 - *named.number : *named.number; }
  if (how.rule == ModelRule::fisher) { check_fisher(kept); }

  MeanWeights mean(kept.model->classes());
  std::map<std::string, int> met;
  auto const count = [&](ClassMap const& classes) {
    for (std::string const& name : classes.names()) { ++met[name]; }
  };
  count(kept.model->classes());
  Index const before = kept.model->classes().size();
  std::string sizes = std::to_string(before);
  ModelMergeReport report;
  for (std::string const& name : others) {  // one at a time: a whole network each
    OpenedModel const other = open_model(name, backbone);
    if (kept.method != other.method) { fail<ValueError>("merge", "the models differ in composition: ", kept.method->composition, " and ", other.method->composition); }
    if (how.rule == ModelRule::fisher) { check_fisher(other); }
    count(other.model->classes());
    sizes += message(" and ", other.model->classes().size());
    if (named.of_parameters()) {
      report = kept.model->merge(*other.model, named.number ? how : mean.next(how, other.model->classes()));
    } else {
      kept.model->merge(*other.model);
    }
  }
  std::filesystem::path const target = out.empty() ? kept.file : std::filesystem::path(out);
  kept.model->save(target);

  ClassMap const& classes = kept.model->classes();
  auto const several = std::count_if(classes.names().begin(), classes.names().end(), [&](std::string const& name) { return met.at(name) > 1; });
  std::string const shared = message(several, " of them in ", others.size() == 1 ? "both" : "several");
  if (named.of_parameters()) {
    bool const rows = report.rows > 0 || classes.size() > before;
    std::cout << named.text() << " of " << others.size() + 1 << " models: " << tensors_text(report.network_tensors, "network", report.network_numbers)
              << tensors_text(report.prompt_tensors, "prompt", report.prompt_numbers) << (rows ? message("rows of ", classes.size(), " classes, ", shared) : "rows as the first model's");
  } else {
    std::cout << "statistics of " << sizes << " classes added: " << classes.size() << " classes, " << shared;
  }
  std::cout << "; written to " << target.string() << '\n';
}

}  // namespace

void refuse_merge(std::string_view method, Mergeable merges) {
  switch (merges) {
    case Mergeable::statistics:
      fail<ValueError>("merge", "models of ", method, " hold statistics of the features of one network, which add up where the networks are equal, and only so: --rule statistics");
    case Mergeable::parameters: fail<ValueError>("merge", "what ", method, " learns by gradient does not add up; choose how it merges: --rule mean, ema:NUMBER, wise:NUMBER or fisher");
    case Mergeable::bank: fail<ValueError>("merge", "models of ", method, " hold a network for each task, and networks of different tasks do not merge");
    case Mergeable::nothing: break;
  }
  fail<ValueError>("merge", "models of ", method, " do not merge");
}

void add_merge(CLI::App& tool) {
  auto const command = std::make_shared<MergeCommand>();
  CLI::App& app = *tool.add_subcommand("merge", "Merges further models into a first: classes unite, statistics add up, what was learned by gradient merges by a rule");
  app.add_option("first", command->first, "Model file, or the folder of a run")->required();
  app.add_option("others", command->others, "Models of the same composition and backbone")->required();
  app.add_option("-o,--out", command->out, "Where to write the merged model; without it the first one is replaced");
  app.add_option("--rule", command->rule,
                 "statistics; for what was learned by gradient: mean of all, ema:0.99 keeps so much of the first, wise:0.5 weighs each further one so, fisher weighs by Fisher information");
  app.add_option("--only", command->only, "Only tensors with such names (* stands for anything) or of such roles: prompt, backbone, trunk, head; the rest stays the first model's");
  declare_moved_backbone(app, command->backbone);
  app.callback([command] { command->execute(); });
}

}  // namespace accrete::tool
