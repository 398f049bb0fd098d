#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"

#include <accrete/io/model_file.hpp>
#include <accrete/merge/running_ema.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace accrete::test::running_ema_test {

namespace {

HostExecutor<> const exec{.threads = 2};
TaskInfo const task_0{.index = 0, .first_class = 0, .classes = 2};
TaskInfo const task_1{.index = 1, .first_class = 2, .classes = 2};

ParameterStore<float> filled(float value, Index rows = 3, Index frozen = 0) {
  ParameterStore<float> store;
  store.add({.name = "a", .shape = {rows, 5}, .role = "prompt", .first_trainable = frozen, .trainable_rows = rows - frozen});
  store.add({.name = "scale", .shape = {1}, .role = "prompt", .trainable_rows = 1});
  for (char const* const name : {"a", "scale"}) {
    auto const values = store.values().slice(store.offset(name), name[0] == 'a' ? rows * 5 : 1);
    std::fill(values.begin(), values.end(), value);
  }
  return store;
}

float at(ParameterStore<float> const& store, Index row) { return store.view<2>("a")(row, 2); }

RunningEma<>::State begun(RunningEma<> const& rule, float value) {
  RunningEma<>::State state;
  rule.begin_task(state, filled(value), task_1);
  return state;
}

}  // namespace

TEST_CASE("a running average goes towards what learns by 1 - decay behind each step: 1000 steps at 0.9999 from 0 to 1 give 0.095167, factors included") {
  RunningEma<> const rule{.decay = 0.9999};
  auto state = begun(rule, 0.0F);
  for (int step = 0; step < 1000; ++step) { rule.after_step(exec, state, filled(1.0F)); }
  CHECK(at(state.averaged(), 1) == doctest::Approx(0.095167).epsilon(1e-5));
  CHECK(state.averaged().view<1>("scale")[0] == at(state.averaged(), 1));
}

TEST_CASE("the loop in float stays with the closed form off + (1 - decay^n) (on - off): 600 steps from 0.3 towards 0.7 give 0.323295") {
  RunningEma<> const rule{.decay = 0.9999};
  auto state = begun(rule, 0.3F);
  for (int step = 0; step < 600; ++step) { rule.after_step(exec, state, filled(0.7F)); }
  CHECK(at(state.averaged(), 0) == doctest::Approx(0.3 + (1.0 - std::pow(0.9999, 600)) * 0.4).epsilon(1e-5));
  CHECK(at(state.averaged(), 0) == doctest::Approx(0.323296).epsilon(2e-6));
}

TEST_CASE("a decay of 1 keeps every bit of the average, one of 0 gives what learns, and where both agree nothing moves") {
  auto kept = begun({.decay = 1.0}, -0.0F);
  RunningEma<>{.decay = 1.0}.after_step(exec, kept, filled(5.0F));
  CHECK(kept.averaged() == filled(-0.0F));
  auto followed = begun({.decay = 0.0}, 0.25F);
  RunningEma<>{.decay = 0.0}.after_step(exec, followed, filled(0.75F));
  CHECK(followed.averaged() == filled(0.75F));
  auto agreeing = begun({.decay = 0.3}, 0.1F);
  RunningEma<>{.decay = 0.3}.after_step(exec, agreeing, filled(0.1F));
  CHECK(agreeing.averaged() == filled(0.1F));
}

TEST_CASE("an average begins with the second task as the first one left what learns, or with the first one where that is wanted; it is a copy") {
  RunningEma<>::State state;
  auto learning = filled(2.0F);
  RunningEma<>{}.begin_task(state, learning, task_0);
  CHECK(state.averaged().size() == 0);
  RunningEma<>{}.after_step(exec, state, learning);  // there is nothing to average yet
  CHECK(state.averaged().size() == 0);
  RunningEma<>{}.begin_task(state, learning, task_1);
  learning.values()[0] = 9.0F;
  CHECK(state.averaged() == filled(2.0F));
  RunningEma<>{}.begin_task(state, filled(7.0F), {.index = 2, .first_class = 4, .classes = 1});
  CHECK(state.averaged() == filled(2.0F));  // later tasks do not begin it anew

  RunningEma<>::State early;
  RunningEma<>{.begins = AverageBegins::first_task}.begin_task(early, filled(3.0F), task_0);
  CHECK(early.averaged() == filled(3.0F));
}

TEST_CASE("rows that a task adds are taken over as they are, and those before keep their average") {
  RunningEma<OfPrompt> const rule{.decay = 0.5};
  RunningEma<OfPrompt>::State state;
  rule.begin_task(state, filled(1.0F), task_1);
  rule.begin_task(state, filled(3.0F, 4, 3), {.index = 2, .first_class = 4, .classes = 1});
  CHECK(state.averaged().segment("a").shape[0] == 4);
  CHECK(at(state.averaged(), 2) == 1.0F);
  CHECK(at(state.averaged(), 3) == 3.0F);
  CHECK_THROWS_AS(rule.after_step(exec, state, filled(1.0F)), ShapeError);
  CHECK(at(state.averaged(), 2) == 1.0F);
}

TEST_CASE("what learned is what is kept, the settings have bounds, and the average comes back from a file bit for bit") {
  Vector<float> kept({2});
  Vector<float> fresh({2});
  kept(0) = kept(1) = 1.0F;
  fresh(0) = fresh(1) = 2.0F;
  RunningEma<>::State unused;
  RunningEma<>{}.fold(unused, kept.view(), fresh.cview());
  CHECK(kept(1) == 2.0F);
  CHECK_THROWS_AS(RunningEma<>{.decay = 1.5}.begin_task(unused, filled(1.0F), task_1), ValueError);
  CHECK(unused.averaged().size() == 0);

  TemporaryFolder const folder;
  auto state = begun({.decay = 0.9}, 0.1F);
  RunningEma<>{.decay = 0.9}.after_step(exec, state, filled(0.7F));
  ModelWriter const writer("test");
  state.write(writer.scope("merge"));
  writer.write(folder / "file");
  auto const read = RunningEma<>::State::read(ModelReader::open(folder / "file", "test").scope("merge"));
  CHECK(read.averaged() == state.averaged());
}

}  // namespace accrete::test::running_ema_test
