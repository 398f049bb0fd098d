#include "../commands.hpp"
#include "../options.hpp"
#include "../terminal.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>

namespace accrete::tool {
namespace {

void list_as_json() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (MethodEntry const& entry : methods()) {
    nlohmann::ordered_json policies = nlohmann::ordered_json::object();
    for (auto const& [role, policy] : entry.policies) { policies[role] = policy; }
    nlohmann::ordered_json settings = nlohmann::ordered_json::array();
    for (auto const& setting : entry.settings) { settings.push_back({{"name", setting.name}, {"default", setting.standard}, {"meaning", setting.meaning}}); }
    list.push_back(
        {{"name", entry.name}, {"summary", entry.summary}, {"composition", entry.composition}, {"policies", policies}, {"settings", settings}, {"published", entry.published}, {"paper", entry.paper}});
  }
  std::cout << list.dump(2) << '\n';
}

void list_as_text() {
  for (MethodEntry const& entry : methods()) {
    std::cout << entry.name << ": " << entry.summary << "\n  " << entry.paper << "\n  " << entry.composition << '\n';
    for (auto const& setting : entry.settings) { std::cout << "  --set " << setting.name << '=' << setting.standard << "   " << setting.meaning << '\n'; }
    if (!entry.published.empty()) { std::cout << "  --published"; }
    for (std::string const& data_set : entry.published) { std::cout << ' ' << data_set; }
    if (!entry.published.empty()) { std::cout << '\n'; }
  }
}

}  // namespace

void add_methods(CLI::App& tool) {
  auto const json = std::make_shared<bool>(false);
  CLI::App& app = *tool.add_subcommand("methods", "Lists every method with its policies, settings, defaults and paper");
  app.add_flag("--json", *json, "Print JSON");
  app.callback([json] { *json ? list_as_json() : list_as_text(); });
}

}  // namespace accrete::tool
