// One RanPAC task from features to weights: statistics, choice of the ridge, solve.
//   accrete_bench_ranpac --features FILE [--projection M] [--threads T] [--selection holdout|gcv|loo]
// FILE holds `features` F32 [N, D] and `labels` I64 [N]. Prints one line of JSON for bench/peers/ranpac.py.

#include <accrete/accrete.hpp>
#include <accrete/io/safetensors.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace accrete;

struct Settings {
  std::string features;
  int threads = 0;
  RidgeHead<> head;
};

/// @throws ValueError  for an unknown option or a value it cannot take
Settings parse(std::vector<std::string> const& words) {
  Settings settings;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    std::string const& value = words[i + 1];
    if (words[i] == "--features") {
      settings.features = value;
    } else if (words[i] == "--threads") {
      settings.threads = parse_number<int>("--threads", value, 0, 4096);
    } else {
      assign_setting(RidgeHead<>::settings(), settings.head, words[i].substr(std::min<std::size_t>(2, words[i].size())), value);
    }
  }
  if (words.size() % 2 != 0 || settings.features.empty()) { fail<ValueError>("accrete_bench_ranpac", "--features FILE is needed, and every option has a value"); }
  return settings;
}

nlohmann::json measure(Settings const& settings) {
  auto const file = SafetensorsFile::open(settings.features);
  auto const features = file.read<float, 2>("features");
  auto const labels = file.read<Index, 1>("labels");
  std::vector<Index> const columns(labels.begin(), labels.end());
  Index const classes = 1 + *std::max_element(columns.begin(), columns.end());

  HostExecutor<> const exec{.threads = settings.threads};
  auto const before = peak_rss_bytes();
  auto const start = std::chrono::steady_clock::now();
  RidgeHead<>::State state;
  settings.head.admit(state, classes);
  settings.head.observe(exec, state, features.view(), columns);
  settings.head.fit(exec, state);
  auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  RidgeReport const& report = state.report();
  return {{"seconds", seconds},
          {"peak_extra_bytes", peak_rss_bytes() - before},
          {"ridge", report.ridge},
          {"chosen_by", report.chosen_by},
          {"losses", report.losses},
          {"residual", report.solution.residual},
          {"refinements", report.solution.refinements},
          {"float64_factor", report.solution.float64_factor},
          {"parts", {{"statistics", report.statistics_seconds}, {"selection", report.selection_seconds}, {"solve", report.solve_seconds}}}};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::cout << measure(parse({argv + 1, argv + argc})) << '\n';
  } catch (Error const& error) {
    std::cerr << "accrete_bench_ranpac: error: " << error.what() << '\n';
    return 1;
  }
}
