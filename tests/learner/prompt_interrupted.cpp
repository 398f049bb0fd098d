#include "prompt_methods.hpp"

#include <accrete/train/checkpoint.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace accrete::test::prompt_interrupted_test {

namespace {

/// What a killed process does, as far as the file sees it.
struct Killed : std::runtime_error {
  Killed() : std::runtime_error("killed") {}
};

}  // namespace

TEST_CASE_TEMPLATE("a prompt method that is interrupted after any step of a task goes on to the same model file", Method, ACCRETE_PROMPT_METHODS, ACCRETE_VOTING_METHODS) {
  TemporaryFolder const folder;
  auto first = small_method<Method>();
  learn<Method>(first, first_task());
  auto whole = first;
  int steps = 0;
  learn<Method>(whole, second_task(), {.progress = [&](TrainingProgress const&) { ++steps; }, .checkpoint = nullptr});
  REQUIRE(steps == 4);  // two epochs of two batches
  std::string const wanted = model_bytes(whole, folder / "model");

  for (int const stop_after : {1, 2, 3}) {
    CAPTURE(stop_after);
    auto learner = first;
    int done = 0;
    TrainingCheckpoint checkpoint{.file = folder / "stopped", .every_seconds = 1e9, .every_steps = 0, .stop = [&] { return ++done == stop_after; }};
    CHECK_THROWS_AS(learn<Method>(learner, second_task(), {.progress = {}, .checkpoint = &checkpoint}), Interrupted);
    CHECK((model_bytes(learner, folder / "model") == model_bytes(first, folder / "first")));
    checkpoint.stop = nullptr;
    int more = 0;
    learn<Method>(learner, second_task(), {.progress = [&](TrainingProgress const&) { ++more; }, .checkpoint = &checkpoint});
    CHECK(more == steps - stop_after);
    CHECK((model_bytes(learner, folder / "model") == wanted));
    std::filesystem::remove(folder / "stopped");
  }
}

TEST_CASE_TEMPLATE("a prompt method that is killed some steps behind its checkpoint goes on from there to the same model file", Method, ACCRETE_PROMPT_METHODS) {
  TemporaryFolder const folder;
  auto learner = small_method<Method>(3);
  auto whole = learner;
  learn<Method>(whole, second_task());
  TrainingCheckpoint const checkpoint{.file = folder / "training", .every_seconds = 1e9, .every_steps = 3, .stop = nullptr};
  int steps = 0;
  auto const kill = [&](TrainingProgress const&) {
    if (++steps == 5) { throw Killed(); }
  };
  CHECK_THROWS_AS(learn<Method>(learner, second_task(), {.progress = kill, .checkpoint = &checkpoint}), Killed);
  int more = 0;
  learn<Method>(learner, second_task(), {.progress = [&](TrainingProgress const&) { ++more; }, .checkpoint = &checkpoint});
  CHECK(more == 3);
  CHECK((model_bytes(learner, folder / "model") == model_bytes(whole, folder / "whole")));
  if constexpr (requires { learner.prompt_measures(); }) { CHECK(learner.prompt_measures() == whole.prompt_measures()); }
}

}  // namespace accrete::test::prompt_interrupted_test
