#include "support/files.hpp"
#include "support/program.hpp"

#include <accrete/core/rng.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace accrete::test::resume_test {
using nlohmann::json;

namespace {

/// A data set of ten classes of a few small pictures, written once: patterns that differ by class, with a little noise.
std::string const& small_data() {
  static TemporaryFolder const folder;
  static std::string const path = [] {
    constexpr int side = 28;
    constexpr int count = 100;
    for (std::string const part : {"train", "t10k"}) {
      std::string images{0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, side, 0, 0, 0, side};
      std::string labels{0, 0, 8, 1, 0, 0, 0, count};
      Rng const noise({.seed = part == "train" ? 1U : 2U});
      for (int i = 0; i < count; ++i) {
        int const label = i % 10;
        labels.push_back(static_cast<char>(label));
        for (int pixel = 0; pixel < side * side; ++pixel) {
          auto const grain = noise.word(static_cast<std::uint64_t>(i * side * side + pixel)) % 64;
          images.push_back(static_cast<char>((pixel / side * (label + 1) + pixel % side * (10 - label)) % 192 + static_cast<int>(grain)));
        }
      }
      write_file(folder / (part + "-images-idx3-ubyte"), images);
      write_file(folder / (part + "-labels-idx1-ubyte"), labels);
    }
    return "idx:" + (folder / "").string();
  }();
  return path;
}

/// A short run with gradients in every phase.
std::vector<std::string> short_run(std::string const& method, std::string const& out) {
  return {
      "run",   "--data", small_data(),           "--method", method,      "--classes", "4,2,7",  "--initial", "2", "--increment", "1", "--train-per-class", "6", "--epochs", "2", "--set", "batch=4",
      "--out", out,      "--checkpoint-seconds", "0",        "--threads", "2",         "--quiet"};
}

/// Starts a program that runs until it is signalled or done.
pid_t start(std::vector<std::string> const& arguments) {
  pid_t const child = fork();
  if (child == 0) {
    std::vector<std::string> copies = arguments;
    copies.insert(copies.begin(), ACCRETE_TOOL);
    std::vector<char*> list;
    for (std::string& argument : copies) { list.push_back(argument.data()); }
    list.push_back(nullptr);
    execv(list.front(), list.data());
    _exit(127);
  }
  return child;
}

/// Signals a program after a while and waits for its end.
int end_after(pid_t child, double seconds, int signal) {
  usleep(static_cast<useconds_t>(seconds * 1e6));
  kill(child, signal);
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

/// How many runs of each method are killed: few where nobody waits for it.
int kills() {
  char const* const text = std::getenv("ACCRETE_KILLS");
  return text == nullptr ? 1 : std::atoi(text);
}

/// Which methods: one of each kind unless the environment names others, with commas between.
std::vector<std::string> killed_methods() {
  char const* const text = std::getenv("ACCRETE_KILLED");
  std::istringstream names(text == nullptr ? "aper-adapter,slca,linear-probe,l2p,dualprompt,coda-entmax,dap,lae-prefix,cofima-lora,esn" : text);
  std::vector<std::string> methods;
  for (std::string name; std::getline(names, name, ',');) { methods.push_back(name); }
  return methods;
}

}  // namespace

TEST_CASE("a run that was killed at any moment goes on to the same model, bit for bit") {
  TemporaryFolder const folder;
  Rng const moments({.seed = static_cast<std::uint64_t>(kills()), .purpose = Purpose::shuffle});
  std::uint64_t drawn = 0;
  for (std::string const& method : killed_methods()) {
    CAPTURE(method);
    std::string const whole = (folder / ("whole-" + method)).string();
    auto const began = std::chrono::steady_clock::now();
    REQUIRE(run_program(ACCRETE_TOOL, short_run(method, whole)).code == 0);
    double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    std::string const wanted = read_file(whole + "/model.safetensors");
    for (int attempt = 0; attempt < kills(); ++attempt) {
      CAPTURE(attempt);
      std::string const out = (folder / ("killed-" + method)).string();
      std::filesystem::remove_all(out);
      int status = end_after(start(short_run(method, out)), seconds * moments.uniform(drawn++), SIGKILL);
      for (int round = 0; WIFSIGNALED(status) && round < 3; ++round) {
        if (!std::filesystem::exists(out + "/progress.json")) { break; }  // it was too early: nothing has begun, or everything was done
        status = end_after(start({"resume", out, "--quiet"}), seconds * moments.uniform(drawn++), SIGKILL);
      }
      if (std::filesystem::exists(out + "/progress.json")) { REQUIRE(run_program(ACCRETE_TOOL, {"resume", out, "--quiet"}).code == 0); }
      if (!std::filesystem::exists(out + "/model.safetensors")) { continue; }
      CHECK(read_file(out + "/model.safetensors") == wanted);
    }
  }
}

TEST_CASE("Ctrl-C keeps what was learned, says how to go on, and ends with its own code") {
  TemporaryFolder const folder;
  std::string const whole = (folder / "whole").string();
  std::string const out = (folder / "stopped").string();
  REQUIRE(run_program(ACCRETE_TOOL, short_run("aper-adapter", whole)).code == 0);
  std::vector<std::string> arguments = short_run("aper-adapter", out);
  *(std::find(arguments.begin(), arguments.end(), "--checkpoint-seconds") + 1) = "100000";
  pid_t const child = start(arguments);
  while (!std::filesystem::exists(out + "/progress.json")) { usleep(1000); }
  int const status = end_after(child, 0.05, SIGINT);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 130) {
    CHECK(std::filesystem::exists(out + "/progress.json"));
    Finished const finished = run_program(ACCRETE_TOOL, {"resume", out});
    CHECK(finished.code == 0);
    CHECK(finished.out.find("going on behind task") != std::string::npos);
  }
  CHECK(read_file(out + "/model.safetensors") == read_file(whole + "/model.safetensors"));
  Finished const again = run_program(ACCRETE_TOOL, {"resume", out});
  CHECK(again.code == 1);
  CHECK(again.err.find("finished") != std::string::npos);
  CHECK(run_program(ACCRETE_TOOL, {"resume", (folder / "nothing").string()}).code == 1);
}

TEST_CASE("a run that was killed goes on with the value that was chosen for it") {
  TemporaryFolder const folder;
  auto const arguments = [&](std::string const& out) {
    auto all = short_run("aper-adapter", (folder / out).string());
    *(std::find(all.begin(), all.end(), "--train-per-class") + 1) = "10";
    all.insert(all.end(), {"--choose", "rate=0.001,0.1"});
    return all;
  };
  REQUIRE(run_program(ACCRETE_TOOL, arguments("whole")).code == 0);
  pid_t const child = start(arguments("killed"));
  while (!std::filesystem::exists(folder / "killed/progress.json")) { usleep(1000); }
  end_after(child, 0.01, SIGKILL);
  REQUIRE(run_program(ACCRETE_TOOL, {"resume", (folder / "killed").string()}).code == 0);
  json const whole = json::parse(read_file(folder / "whole/result.json"));
  json const killed = json::parse(read_file(folder / "killed/result.json"));
  REQUIRE(whole.contains("choice"));
  CHECK(killed["choice"] == whole["choice"]);
  CHECK(killed["settings"] == whole["settings"]);
  CHECK(read_file(folder / "killed/model.safetensors") == read_file(folder / "whole/model.safetensors"));
}

TEST_CASE("a result tells how far a tuning moved the features, and the summary says when it moved nothing") {
  TemporaryFolder const folder;
  std::string const out = (folder / "run").string();
  REQUIRE(run_program(ACCRETE_TOOL, short_run("aper-adapter", out)).code == 0);
  json const moved = json::parse(read_file(out + "/result.json"));
  CHECK(moved["tasks"][0]["feature_change"].get<double>() > 1e-6);
  CHECK(moved["tasks"][0]["seconds"]["train"].get<double>() > 0.0);
  CHECK(!moved["tasks"][1].contains("feature_change"));
  CHECK(moved["settings"]["epochs"] == 2);

  std::string const still = (folder / "still").string();
  std::vector<std::string> const idle{"run", "--method", "aper-adapter", "--classes", "4,2,7", "--initial", "2", "--increment", "1", "--train-per-class", "6", "--epochs", "0", "--out", still};
  Finished const finished = run_program(ACCRETE_TOOL, idle);
  REQUIRE_MESSAGE(finished.code == 0, finished.err);
  CHECK(finished.out.find("the tuning changed nothing") != std::string::npos);
  CHECK(json::parse(read_file(still + "/result.json"))["tasks"][0]["feature_change"] == 0.0);
}

TEST_CASE("every method runs, saves, and is found again by what its model says it is") {
  TemporaryFolder const folder;
  json const list = json::parse(run_program(ACCRETE_TOOL, {"methods", "--json"}).out);
  std::vector<std::string> compositions;
  for (json const& method : list) {
    std::string const name = method["name"];
    CAPTURE(name);
    CHECK(std::find(compositions.begin(), compositions.end(), method["composition"].get<std::string>()) == compositions.end());
    compositions.push_back(method["composition"]);
    std::vector<std::string> names;
    for (json const& setting : method["settings"]) { names.push_back(setting["name"]); }
    std::vector<std::string> once = names;
    std::sort(once.begin(), once.end());
    CHECK(std::adjacent_find(once.begin(), once.end()) == once.end());
    std::string const out = (folder / name).string();
    std::vector<std::string> arguments{"run", "--data", small_data(), "--method", name, "--classes", "4,2,7", "--initial", "2", "--increment", "1", "--train-per-class", "5", "--out", out, "--quiet"};
    auto const has = [&](char const* setting) { return std::find(names.begin(), names.end(), setting) != names.end(); };
    if (has("epochs")) { arguments.insert(arguments.end(), {"--epochs", "1", "--set", "batch=4"}); }
    if (has("per_task")) { arguments.insert(arguments.end(), {"--set", "per_task=4"}); }
    if (has("projection")) { arguments.insert(arguments.end(), {"--set", "projection=100"}); }
    Finished const finished = run_program(ACCRETE_TOOL, arguments);
    REQUIRE_MESSAGE(finished.code == 0, finished.err);
    json const result = json::parse(read_file(out + "/result.json"));
    CHECK(result["tasks"].size() == 2);
    json const answer = json::parse(run_program(ACCRETE_TOOL, {"predict", out, std::string(ACCRETE_GOLDEN_DIR) + "/images/rgb.png", "--json"}).out);
    CHECK(answer[0]["top"].size() == 3);
  }
}

}  // namespace accrete::test::resume_test
