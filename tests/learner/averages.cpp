#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/merge/periodic_average.hpp>
#include <accrete/merge/wise.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace accrete::test::averages_test {

namespace {

HostExecutor<> const exec{.threads = 2};

using Protocol = GradientProtocol<Trains::every_task, Competing::of_task>;
template <class Merge>
using Prompted = Learner<Vit<>, FixedPrompt<Deep>, LinearHead, Merge, Protocol>;

template <class Merge>
Prompted<Merge> started(Merge const& merge, Index epochs, Index batch) {
  Protocol protocol;
  protocol.training.epochs = epochs;
  protocol.training.batch = batch;
  protocol.training.rate = 0.05;
  return Prompted<Merge>(small_vit(), {.length = 3, .initial = PromptInit::xavier}, {}, merge, protocol);
}

template <class Merge>
std::vector<float> rows(Prompted<Merge> const& learner) {
  auto const all = learner.prompt_state().parameters().values();
  return {all.begin(), all.end()};
}

}  // namespace

TEST_CASE("a periodic average is kept when the task ends, is one network between tasks, and survives a stop") {
  using Rule = PeriodicAverage<2, OfPrompt>;
  auto plain = started(Wise<OfPrompt>{.alpha = 1.0}, 1, 100);
  auto const start = rows(plain);
  plain.observe(exec, first_task());
  auto const after = rows(plain);
  auto learner = started(Rule{}, 1, 100);  // one step, so that two terms are averaged
  learner.observe(exec, first_task());
  auto const kept = rows(learner);
  bool half = true;
  for (std::size_t i = 0; i < start.size(); ++i) { half = half && kept[i] == start[i] + 0.5F * (after[i] - start[i]); }
  CHECK(half);
  CHECK(after != start);
  CHECK(learner.features(exec, first_task()).features.extent(1) == small_vit().width());

  TemporaryFolder const folder;
  auto whole = started(Rule{}, 2, 5);
  whole.observe(exec, first_task());
  for (int const stop_after : {3, 4}) {
    int steps = 0;
    TrainingCheckpoint checkpoint{.file = folder / "training", .every_seconds = 1e9, .stop = [&] { return ++steps == stop_after; }};
    auto stopped = started(Rule{}, 2, 5);
    CHECK_THROWS_AS(stopped.observe(exec, first_task(), {}, {.progress = {}, .checkpoint = &checkpoint}), Interrupted);
    checkpoint.stop = nullptr;
    stopped.observe(exec, first_task(), {}, {.progress = {}, .checkpoint = &checkpoint});
    CHECK(rows(stopped) == rows(whole));
    std::filesystem::remove(folder / "training");
  }
}

TEST_CASE("WiSE draws every task back, the first one to what was there before it") {
  auto plain = started(Wise<OfPrompt>{.alpha = 1.0}, 1, 5);
  auto const start = rows(plain);
  plain.observe(exec, first_task());
  auto const after = rows(plain);
  auto learner = started(Wise<OfPrompt>{.alpha = 0.75}, 1, 5);
  learner.observe(exec, first_task());
  auto const kept = rows(learner);
  bool as_formula = true;
  for (std::size_t i = 0; i < start.size(); ++i) { as_formula = as_formula && kept[i] == static_cast<float>(0.25 * static_cast<double>(start[i]) + 0.75 * static_cast<double>(after[i])); }
  CHECK(as_formula);
  CHECK(kept != after);
}

}  // namespace accrete::test::averages_test
