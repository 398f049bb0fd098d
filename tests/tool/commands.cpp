#include "support/files.hpp"
#include "support/program.hpp"

#include <accrete/io/safetensors.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <regex>
#include <string>
#include <vector>

namespace accrete::test::commands_test {
using nlohmann::json;

namespace {

Finished tool(std::vector<std::string> const& arguments) {
  Finished finished = run_program(ACCRETE_TOOL, arguments);
  REQUIRE_MESSAGE(finished.code == 0, finished.err);
  return finished;
}

std::string picture(std::string const& name) { return std::string(ACCRETE_GOLDEN_DIR) + "/images/" + name; }

/// Scores of one picture by label.
json scores_of(json const& answer) {
  json scores = json::object();
  for (json const& entry : answer["top"]) { scores[entry["label"].get<std::string>()] = entry["score"]; }
  return scores;
}

}  // namespace

TEST_CASE("a run writes a result and a model that predict and evaluate understand") {
  TemporaryFolder const folder;
  std::string const out = (folder / "run").string();
  for (std::string const method : {"simplecil", "ranpac"}) {
    CAPTURE(method);
    std::vector<std::string> const arguments{
        "run", "--method", method, "--classes", "4,2,7", "--initial", "2", "--increment", "1", "--train-per-class", "12", "--out", out, "--cache", (folder / "cache").string()};
    Finished const first = tool(arguments);
    CHECK(first.out.find("top-1 %") != std::string::npos);
    json const result = json::parse(read_file(out + "/result.json"));
    CHECK(result["method"] == method);
    CHECK(result["class_order"] == json({4, 2, 7}));
    REQUIRE(result["tasks"].size() == 2);
    CHECK(result["tasks"][0]["classes"] == json({4, 2}));
    CHECK(result["tasks"][1]["per_task_top1"].size() == 2);
    CHECK(result["last_accuracy"] == result["tasks"][1]["top1"]);
    CHECK(result["tasks"][1]["top1"].get<double>() > 50.0);
    CHECK(result["tasks"][1]["top5"] == 100.0);
    CHECK(result["backbone"]["sha256"].get<std::string>().size() == 64);
    for (char const* field : {"schema", "accrete_version", "settings", "data", "seed", "precision", "threads", "average_accuracy", "forgetting", "peak_rss_bytes"}) { CHECK(result.contains(field)); }

    std::string const model = read_file(out + "/model.safetensors");
    tool(arguments);  // features come out of the cache now
    CHECK(read_file(out + "/model.safetensors") == model);

    json const judged = json::parse(tool({"evaluate", out, "--data", "fashion-mnist", "--json"}).out);
    CHECK(judged["samples"] == 3000);
    CHECK(judged["top1"] == result["last_accuracy"]);
  }
}

TEST_CASE("an image gets the same bits alone, in company, in another order and on another number of threads") {
  TemporaryFolder const folder;
  std::string const model = (folder / "model.safetensors").string();
  std::vector<std::string> const pictures{picture("rgb.png"), picture("grey.png"), picture("palette.png"), picture("rgb_444.jpg"), picture("cmyk.jpg"), picture("bilevel.png"), picture("grey.jpg")};
  for (std::string const method : {"simplecil", "ranpac"}) {
    for (std::string const precision : {"float32", "bfloat16"}) {
      CAPTURE(method);
      CAPTURE(precision);
      std::filesystem::remove(model);
      tool({"learn", model, pictures[0], pictures[1], "--name", "one", "--new", "--method", method});
      tool({"learn", model, pictures[2], pictures[3], "--name", "two"});
      std::vector<std::string> together{"predict", model, "--json", "--threads", "2", "--precision", precision};
      together.insert(together.end(), pictures.rbegin(), pictures.rend());
      json const all = json::parse(tool(together).out);
      REQUIRE(all.size() == pictures.size());
      for (std::size_t i = 0; i < pictures.size(); ++i) {
        json const alone = json::parse(tool({"predict", model, pictures[i], "--json", "--threads", "1", "--batch", "1", "--precision", precision}).out);
        CHECK(alone[0] == all[pictures.size() - 1 - i]);
      }
    }
  }
}

TEST_CASE("forgetting a class undoes learning it, and merging adds shards") {
  TemporaryFolder const folder;
  auto const at = [&](std::string const& name) { return (folder / name).string(); };
  std::vector<std::string> const pictures{picture("rgb.png"), picture("grey.png"), picture("palette.png"), picture("rgb_444.jpg"), picture("rgba.png"), picture("bilevel.png")};
  auto const predict = [&](std::string const& model) { return scores_of(json::parse(tool({"predict", model, picture("rgb_422.jpg"), "--json"}).out)[0]); };
  for (std::string const method : {"simplecil", "ranpac"}) {
    CAPTURE(method);
    for (char const* name : {"a", "b", "whole"}) { std::filesystem::remove(at(name)); }
    // A fixed ridge, because a chosen one would depend on how the task was cut.
    std::vector<std::string> fresh{"--new", "--method", method};
    if (method == "ranpac") { fresh.insert(fresh.end(), {"--set", "ridge=10", "--set", "projection=300"}); }
    auto const learn_new = [&](std::string const& model, std::string const& name, std::vector<std::string> const& files) {
      std::vector<std::string> arguments{"learn", at(model), "--name", name};
      arguments.insert(arguments.end(), files.begin(), files.end());
      arguments.insert(arguments.end(), fresh.begin(), fresh.end());
      tool(arguments);
    };
    learn_new("whole", "x", {pictures[0], pictures[1], pictures[2]});
    tool({"learn", at("whole"), "--name", "y", pictures[3], pictures[4]});
    json const before = predict(at("whole"));

    tool({"learn", at("whole"), "--name", "z", pictures[5]});
    CHECK(predict(at("whole")).size() == 3);
    tool({"forget", at("whole"), "--name", "z", pictures[5]});
    json const after = predict(at("whole"));
    CHECK(after.size() == 2);
    for (auto const& [label, score] : before.items()) {
      if (method == "simplecil") { CHECK(after[label] == score); }
      CHECK(after[label].get<double>() == doctest::Approx(score.get<double>()).epsilon(1e-6));
    }

    learn_new("a", "x", {pictures[2]});
    learn_new("b", "y", {pictures[3], pictures[4]});
    tool({"learn", at("b"), "--name", "x", pictures[0], pictures[1]});
    CHECK(tool({"merge", at("a"), at("b"), "-o", at("merged")}).out.find("2 classes, 1 of them in both") != std::string::npos);
    json const merged = predict(at("merged"));
    for (auto const& [label, score] : before.items()) { CHECK(merged[label].get<double>() == doctest::Approx(score.get<double>()).epsilon(1e-5)); }
  }
}

TEST_CASE("features of a tensor come with every block, and inspect tells models from checkpoints") {
  TemporaryFolder const folder;
  std::string const golden = ACCRETE_GOLDEN_DIR;
  std::string const out = (folder / "features.safetensors").string();
  tool({"features", "--backbone", golden + "/vit/plain.weights.safetensors", "--heads", "3", "--image-size", "32", "--tensor", golden + "/vit/plain.expected.safetensors:input", "--per-block", "--out",
        out});
  auto const file = SafetensorsFile::open(out);
  auto const expected = SafetensorsFile::open(golden + "/vit/plain.expected.safetensors");
  CHECK(file.entry("features").shape == expected.entry("features").shape);
  CHECK(file.entry("block.0").shape == expected.entry("block.0").shape);

  json const checkpoint = json::parse(tool({"inspect", ACCRETE_SHIPPED_WEIGHTS, "--json"}).out);
  CHECK(checkpoint["kind"] == "checkpoint");
  tool({"learn", (folder / "model.safetensors").string(), picture("rgb.png"), "--name", "thing", "--new", "--method", "simplecil"});
  json const model = json::parse(tool({"inspect", (folder / "model.safetensors").string(), "--json"}).out);
  CHECK(model["kind"] == "model");
  CHECK(model["settings"]["classes"] == json({"thing"}));
  CHECK(tool({"inspect", ACCRETE_SHIPPED_WEIGHTS}).out.find("read from") != std::string::npos);
}

TEST_CASE("methods lists policies, settings with defaults, and papers") {
  json const list = json::parse(tool({"methods", "--json"}).out);
  REQUIRE(list.size() >= 2);
  for (json const& method : list) {
    CHECK(method["policies"].contains("head"));
    CHECK(std::regex_search(method["paper"].get<std::string>(), std::regex("arXiv|20[0-9][0-9]")));  // not every one is on arXiv
    for (json const& setting : method["settings"]) { CHECK(!setting["meaning"].get<std::string>().empty()); }
  }
  CHECK(tool({"methods"}).out.find("--set projection=") != std::string::npos);
  CHECK(tool({"--version"}).out.find('.') != std::string::npos);
  CHECK(tool({"run", "--help"}).out.find("ranpac") != std::string::npos);
}

TEST_CASE("a broken image stops a command, or is left out and named when it may be") {
  TemporaryFolder const folder;
  std::string const model = (folder / "model.safetensors").string();
  write_file(folder / "mixed/bad.png", "broken");
  std::filesystem::copy_file(picture("rgb.png"), folder / "mixed/good.png");
  CHECK(run_program(ACCRETE_TOOL, {"learn", model, (folder / "mixed").string(), "--name", "x", "--new", "--method", "simplecil"}).code == 1);
  CHECK(!std::filesystem::exists(model));
  Finished const finished = tool({"learn", model, (folder / "mixed").string(), "--name", "x", "--new", "--method", "simplecil", "--skip-bad"});
  CHECK(finished.out.find("bad.png") != std::string::npos);
  CHECK(finished.out.find("1 images") != std::string::npos);
}

}  // namespace accrete::test::commands_test
