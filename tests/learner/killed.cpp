#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace accrete::test::killed_test {

namespace {

constexpr char const* folder_variable = "ACCRETE_KILLED_FOLDER";

/// Learns two tasks, keeping every step, and writes the model: what is killed, and what goes on.
template <class Method>
void learn_in(std::filesystem::path const& folder) {
  HostExecutor<> const exec{.threads = 2};
  TrainingCheckpoint const checkpoint{.file = folder / "training", .every_seconds = 1e9, .every_steps = 1, .stop = nullptr};
  Method learner = std::filesystem::exists(folder / "first") ? Method::load(folder / "first") : started<Method>(6);
  if (learner.tasks_seen() == 0) {
    learner.observe(exec, first_task(), {}, {.progress = {}, .checkpoint = &checkpoint});
    learner.save(folder / "first");
  }
  learner.observe(exec, second_task(), {}, {.progress = {}, .checkpoint = &checkpoint});
  learner.save(folder / "model");
}

/// A process of its own, because threads do not survive a fork.
pid_t start(std::string const& kind, std::filesystem::path const& folder) {
  pid_t const child = fork();
  if (child == 0) {
    setenv(folder_variable, folder.c_str(), 1);
    std::string const test = "--test-case=the process that is killed: " + kind;
    execl("/proc/self/exe", "test_learner", test.c_str(), "--no-skip", "--quiet", nullptr);
    _exit(127);
  }
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

/// Few where nobody waits for it.
int kills() {
  char const* const text = std::getenv("ACCRETE_KILLS");
  return text == nullptr ? 2 : std::max(1, std::atoi(text));
}

void check_kills(std::string const& kind, std::uint64_t seed) {
  TemporaryFolder const folder;
  std::filesystem::create_directory(folder / "whole");
  auto const began = std::chrono::steady_clock::now();
  REQUIRE(wait_for(start(kind, folder / "whole")) == 0);
  double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::string const wanted = read_file(folder / "whole/model");
  Rng const moments({.seed = seed, .purpose = Purpose::shuffle});
  for (int attempt = 0; attempt < kills(); ++attempt) {
    CAPTURE(attempt);
    auto const out = folder / ("killed" + std::to_string(attempt));
    std::filesystem::create_directory(out);
    pid_t const child = start(kind, out);
    usleep(static_cast<useconds_t>(moments.uniform(static_cast<std::uint64_t>(attempt)) * seconds * 1e6));
    kill(child, SIGKILL);
    wait_for(child);
    REQUIRE(wait_for(start(kind, out)) == 0);
    CHECK(read_file(out / "model") == wanted);
    std::filesystem::remove_all(out);
  }
}

}  // namespace

TEST_CASE("the process that is killed: adapter" * doctest::skip()) { learn_in<Adapted>(std::getenv(folder_variable)); }
TEST_CASE("the process that is killed: full" * doctest::skip()) { learn_in<Tuned>(std::getenv(folder_variable)); }
TEST_CASE("the process that is killed: prompt" * doctest::skip()) { learn_in<WithPrompts>(std::getenv(folder_variable)); }

TEST_CASE("learning that was killed at any moment goes on to the same model, bit for bit") {
  for (std::string const kind : {"adapter", "full", "prompt"}) {
    CAPTURE(kind);
    check_kills(kind, kind.size());
  }
}

}  // namespace accrete::test::killed_test
