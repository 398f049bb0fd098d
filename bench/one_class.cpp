// What one class more costs a learner that is in use: 20 features of a new class, the fit, and taking the class back.
//   accrete_bench_one_class BACKBONE [--classes C] [--threads T]
// The head has learned C classes of 100 random features each before. Prints one line of JSON for each head: milliseconds.

#include <accrete/accrete.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace accrete;

/// Rows around a centre of their own for each class.
Matrix<float> clouds(Index classes, Index per_class, Index width, std::uint64_t seed) {
  Matrix<float> rows({classes * per_class, width});
  Matrix<float> centres({classes, width});
  Rng({.seed = seed}).fill_normal(0, rows.view().reshaped<1>({rows.size()}));
  Rng({.seed = seed + 1}).fill_normal(0, centres.view().reshaped<1>({centres.size()}));
  for (Index i = 0; i < rows.extent(0); ++i) {
    for (Index j = 0; j < width; ++j) { rows(i, j) += centres(i / per_class, j); }
  }
  return rows;
}

template <class Head>
void measure(std::string const& name, HostExecutor<> const& exec, Vit<> const& backbone, Index classes, Head const& head) {
  Learner<Vit<>, NoPrompt, Head> learner(backbone, {}, head);
  Index const width = backbone.width();
  std::vector<std::string> labels;
  for (Index i = 0; i < classes * 100; ++i) { labels.push_back(std::to_string(i / 100)); }
  learner.observe(exec, clouds(classes, 100, width, 1).view(), labels);
  auto const more = clouds(1, 20, width, 7);
  std::vector<std::string> const label(20, "new");
  Stopwatch const learning;
  learner.observe(exec, more.view(), label);
  double const learned = learning.seconds();
  Stopwatch const forgetting;
  learner.forget(exec, std::string("new"), more.view());
  double const forgotten = forgetting.seconds();
  std::cout << nlohmann::json{{"head", name}, {"width", width}, {"classes", classes}, {"learn_ms", 1e3 * learned}, {"forget_ms", 1e3 * forgotten}} << '\n';
}

void run(std::vector<std::string> const& words) {
  if (words.empty() || words.size() % 2 == 0) { fail<ValueError>("accrete_bench_one_class", "BACKBONE is needed, and every option has a value"); }
  Index classes = 50;
  int threads = 0;
  for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
    if (words[i] == "--classes") {
      classes = parse_number<Index>("--classes", words[i + 1], 1, 100000);
    } else if (words[i] == "--threads") {
      threads = parse_number<int>("--threads", words[i + 1], 0, 4096);
    } else {
      fail<ValueError>("accrete_bench_one_class", "there is no option ", words[i]);
    }
  }
  HostExecutor<> const exec{.threads = threads};
  auto const backbone = Vit<>::load(words.front());
  measure("prototype", exec, backbone, classes, PrototypeHead{});
  measure("ridge, M 2000", exec, backbone, classes, RidgeHead<>{.projection = 2000});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
  } catch (Error const& error) {
    std::cerr << "accrete_bench_one_class: error: " << error.what() << '\n';
    return 1;
  }
}
