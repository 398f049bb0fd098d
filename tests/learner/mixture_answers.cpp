#include "mixture_methods.hpp"
#include "support/compare.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

namespace accrete::test::mixture_answers_test {

namespace {

HostExecutor<> const exec{.threads = 2};

}  // namespace

TEST_CASE_TEMPLATE("a mixture's answer is of the picture alone: the same bits in any company, any order, on any number of threads, and from a file", Method, ACCRETE_MIXTURE_METHODS) {
  TemporaryFolder const folder;
  auto learner = mixture_learner<Method>();
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  Examples const pictures = unseen_pictures();
  Matrix<float> const wanted = learner.predict(exec, pictures).scores;
  for (Index const batch : {Index{1}, Index{3}, Index{20}}) {
    Reading reading;
    reading.batch = batch;
    CHECK(same_bits(learner.predict(exec, pictures, reading).scores, wanted));
  }
  std::vector<Index> turned(static_cast<std::size_t>(pictures.size()));
  std::iota(turned.rbegin(), turned.rend(), Index{0});
  auto const backwards = learner.predict(HostExecutor<>{.threads = 1}, pictures.subset(turned)).scores;
  for (Index i = 0; i < pictures.size(); ++i) {
    auto const got = backwards.view()[pictures.size() - 1 - i];
    CHECK(std::equal(got.begin(), got.end(), wanted.view()[i].begin()));
  }
  learner.save(folder / "model");
  auto const loaded = decltype(learner)::load(folder / "model");
  CHECK(same_bits(loaded.predict(exec, pictures).scores, wanted));
  CHECK((model_bytes(loaded, folder / "again") == model_bytes(learner, folder / "model")));
}

TEST_CASE_TEMPLATE("a mixture learns the same bits on any number of threads", Method, ACCRETE_MIXTURE_METHODS) {
  TemporaryFolder const folder;
  auto one = mixture_learner<Method>();
  auto two = one;
  for (Examples const& task : {first_task(), second_task()}) {
    one.observe(HostExecutor<>{.threads = 1}, task);
    two.observe(exec, task);
  }
  CHECK((model_bytes(one, folder / "one") == model_bytes(two, folder / "two")));
}

TEST_CASE_TEMPLATE("a mixture that is interrupted after any step goes on to the same model file", Method, ACCRETE_MIXTURE_METHODS) {
  TemporaryFolder const folder;
  auto first = mixture_learner<Method>();
  first.observe(exec, first_task());
  auto whole = first;
  int steps = 0;
  whole.observe(exec, second_task(), {}, {.progress = [&](TrainingProgress const&) { ++steps; }, .checkpoint = nullptr});
  REQUIRE(steps == 4);  // two epochs of two batches
  auto const wanted = model_bytes(whole, folder / "model");
  for (int const stop_after : {1, 2, 3}) {
    CAPTURE(stop_after);
    auto learner = first;
    int done = 0;
    TrainingCheckpoint checkpoint{.file = folder / "stopped", .every_seconds = 1e9, .every_steps = 0, .stop = [&] { return ++done == stop_after; }};
    CHECK_THROWS_AS(learner.observe(exec, second_task(), {}, {.progress = {}, .checkpoint = &checkpoint}), Interrupted);
    CHECK((model_bytes(learner, folder / "model") == model_bytes(first, folder / "first")));
    checkpoint.stop = nullptr;
    learner.observe(exec, second_task(), {}, {.progress = {}, .checkpoint = &checkpoint});
    CHECK((model_bytes(learner, folder / "model") == wanted));
    std::filesystem::remove(folder / "stopped");
  }
}

TEST_CASE_TEMPLATE("thirty tasks of one to three classes, of one to three pictures each, go through every mixture", Method, ACCRETE_MIXTURE_METHODS) {
  auto learner = mixture_learner<Method>(1);
  Index named = 0;
  for (Index task = 0; task < 30; ++task) {
    std::vector<std::string> names;
    for (Index c = 0; c <= task % 3; ++c) { names.push_back(message('c', named++)); }
    Observation const seen = learner.observe(exec, striped_pictures(names, 1 + task % 3, static_cast<std::uint64_t>(task) + 1));
    CHECK(seen.task.classes == static_cast<Index>(names.size()));
  }
  CHECK(learner.classes().size() == named);
  auto const scores = learner.predict(exec, striped_pictures({"c0", "c5"}, 2, 3)).scores;
  CHECK(std::all_of(scores.begin(), scores.end(), [](float value) { return std::isfinite(value); }));
}

}  // namespace accrete::test::mixture_answers_test
