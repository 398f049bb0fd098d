#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace accrete::test::gradient_test {

namespace {

HostExecutor<> const exec{.threads = 2};

}  // namespace

TEST_CASE_TEMPLATE("a learner that learns by gradient tells classes, and a file brings all of it back", Method, Adapted, WithPrompts, Tuned, Probe) {
  TemporaryFolder const folder;
  Method learner = started<Method>();
  Observation const first = learner.observe(exec, first_task());
  CHECK(first.task == TaskInfo{0, 0, 3});
  CHECK(first.samples == 18);
  CHECK(first.train_seconds > 0.0);
  if constexpr (!std::is_same_v<Method, Probe>) { CHECK(first.feature_change.value() > 1e-5); }
  Observation const second = learner.observe(exec, second_task());
  CHECK(second.task == TaskInfo{1, 3, 2});
  CHECK(learner.classes().size() == 5);

  learner.save(folder / "model");
  Method const loaded = Method::load(folder / "model");
  CHECK(loaded.classes() == learner.classes());
  CHECK(loaded.settings() == learner.settings());
  CHECK(same_bits(loaded.predict(exec, second_task()).scores, learner.predict(exec, second_task()).scores));
}

TEST_CASE_TEMPLATE("after learning by gradient a head reads all pictures for its statistics; without any, few tell how far features moved", Method, Adapted, Tuned) {
  Index most = 0;
  Method learner = started<Method>(1);
  Observation const seen = learner.observe(exec, striped_pictures({"ant", "bee"}, 150, 1), {.progress = [&](Index, Index total) { most = std::max(most, total); }});
  CHECK(seen.samples == 300);
  CHECK(most == (std::is_same_v<Method, Adapted> ? 300 : 256));
  CHECK(seen.feature_change.value() > 0.0);
  CHECK(started<Method>(0).observe(exec, striped_pictures({"ant", "bee"}, 150, 1)).feature_change.value() == 0.0);  // of the same pictures, before and after
}

TEST_CASE_TEMPLATE("without a single epoch nothing below the head has moved, and APER says what SimpleCIL says", Method, Adapted) {
  Method learner = started<Method>(0);
  Plain plain = started<Plain>();
  CHECK(learner.observe(exec, first_task()).feature_change.value() == 0.0);
  plain.observe(exec, first_task());
  Matrix<float> const both = learner.features(exec, second_task()).features;
  Matrix<float> const alone = plain.features(exec, second_task()).features;
  Index const width = alone.extent(1);
  REQUIRE(both.extent(1) == 2 * width);
  bool same = true;
  for (Index i = 0; i < alone.extent(0); ++i) { same = same && same_bits(both.view()[i].slice(0, width), alone[i]) && same_bits(both.view()[i].slice(width, width), alone[i]); }
  CHECK(same);
  Examples const test = striped_pictures({"ant", "bee", "cat"}, 8, 9);
  Ranking const ours = rank(exec, learner.predict(exec, test).scores, 3);
  Ranking const theirs = rank(exec, plain.predict(exec, test).scores, 3);
  CHECK(same_bits(ours.columns, theirs.columns));
}

TEST_CASE_TEMPLATE("the published branch stays the published network while the other learns, and old class means keep their bits", Method, Adapted, WithPrompts) {
  Method learner = started<Method>();
  learner.observe(exec, first_task());
  Matrix<float> const before = learner.head_state().prototypes();
  Matrix<float> const both = learner.features(exec, second_task()).features;
  Matrix<float> const alone = started<Plain>().features(exec, second_task()).features;
  Index const width = alone.extent(1);
  bool published = true;
  bool moved = false;
  for (Index i = 0; i < alone.extent(0); ++i) {
    published = published && same_bits(both.view()[i].slice(0, width), alone[i]);
    moved = moved || !same_bits(both.view()[i].slice(width, width), alone[i]);
  }
  CHECK(published);
  CHECK(moved);

  CHECK(!learner.observe(exec, second_task()).feature_change.has_value());
  Matrix<float> const after = learner.head_state().prototypes();
  CHECK(same_bits(after.view().slice(0, 3), before.view()));
  CHECK(same_bits(learner.features(exec, second_task()).features, both));
}

TEST_CASE_TEMPLATE("the same pictures teach the same bits, whatever the number of threads", Method, Adapted, WithPrompts, Tuned, Probe) {
  auto const scores = [&](int threads) {
    HostExecutor<> const with{.threads = threads};
    Method learner = started<Method>();
    learner.observe(with, first_task());
    learner.observe(with, second_task());
    return learner.predict(with, first_task()).scores;
  };
  Matrix<float> const one = scores(1);
  CHECK(same_bits(scores(2), one));
}

TEST_CASE("a head block of an old task stands still while a new one is learned") {
  Tuned learner = started<Tuned>();
  learner.observe(exec, first_task());
  auto const weights = [&] {
    std::vector<float> all;
    for (std::string const& name : {HeadBlock::weight_name(0), HeadBlock::bias_name(0)}) {
      auto const values = learner.head_state().parameters().values(name);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  };
  auto const before = weights();
  learner.observe(exec, second_task());
  CHECK(weights() == before);
}

TEST_CASE_TEMPLATE("what was refused changed nothing", Method, Adapted, Tuned) {
  Method learner = started<Method>();
  CHECK_THROWS_AS(learner.observe(exec, Examples()), ValueError);
  learner.observe(exec, first_task());
  Matrix<float> const before = learner.predict(exec, first_task()).scores;
  Source broken;
  broken.class_names = {"x"};
  broken.labels = {0, 0};
  broken.image = [](Index) -> Image { fail<FileError>("x", "is broken"); };
  broken.id = [](Index i) { return static_cast<std::uint64_t>(i); };
  broken.where = [](Index) { return std::string("x"); };
  CHECK_THROWS_AS(learner.observe(exec, Examples(broken)), FileError);
  CHECK(learner.tasks_seen() == 1);
  CHECK(learner.classes().size() == 3);
  CHECK(same_bits(learner.predict(exec, first_task()).scores, before));
}

TEST_CASE_TEMPLATE("a stage that was stopped after any step goes on to the same bits", Method, Adapted, WithPrompts, Tuned, Probe) {
  TemporaryFolder const folder;
  Method whole = started<Method>();
  whole.observe(exec, first_task());
  Matrix<float> const wanted = whole.predict(exec, second_task()).scores;
  for (int const stop_after : {1, 3, 4, 7}) {
    CAPTURE(stop_after);
    int steps = 0;
    TrainingCheckpoint checkpoint{.file = folder / "training", .every_seconds = 1e9, .stop = [&] { return ++steps == stop_after; }};
    Method learner = started<Method>();
    CHECK_THROWS_AS(learner.observe(exec, first_task(), {}, {.progress = {}, .checkpoint = &checkpoint}), Interrupted);
    CHECK(learner.classes().size() == 0);
    REQUIRE(std::filesystem::exists(folder / "training"));
    int more = 0;
    checkpoint.stop = nullptr;
    learner = started<Method>();
    learner.observe(exec, first_task(), {}, {.progress = [&](TrainingProgress const&) { ++more; }, .checkpoint = &checkpoint});
    CHECK(more == 8 - stop_after);
    CHECK(same_bits(learner.predict(exec, second_task()).scores, wanted));
    std::filesystem::remove(folder / "training");
  }
}

TEST_CASE("a checkpoint of another stage is not used") {
  TemporaryFolder const folder;
  int steps = 0;
  TrainingCheckpoint checkpoint{.file = folder / "training", .every_seconds = 1e9, .stop = [&] { return ++steps == 2; }};
  Adapted stopped = started<Adapted>();
  CHECK_THROWS_AS(stopped.observe(exec, first_task(), {}, {.progress = {}, .checkpoint = &checkpoint}), Interrupted);
  checkpoint.stop = nullptr;
  int taken = 0;
  Adapted other = started<Adapted>(2, 0.01);
  other.observe(exec, first_task(), {}, {.progress = [&](TrainingProgress const&) { ++taken; }, .checkpoint = &checkpoint});
  CHECK(taken == 8);
}

}  // namespace accrete::test::gradient_test
