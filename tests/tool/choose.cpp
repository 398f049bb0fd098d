#include "support/files.hpp"
#include "support/program.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace accrete::test::choose_test {
using nlohmann::json;

TEST_CASE("the value that does best on held-out pictures of the first task is chosen, and the run is that of this value") {
  TemporaryFolder const folder;
  auto const arguments = [&](std::string const& out, std::string const& option, std::string const& value) {
    return std::vector<std::string>{"run",   "--method", "linear-probe", "--classes", "4,2,7,5", "--tasks", "2",     "--train-per-class",    "40", "--epochs", "3",
                                    "--set", "batch=8",  "--set",        "rate=0.5",  option,    value,     "--out", (folder / out).string()};
  };
  Finished const finished = run_program(ACCRETE_TOOL, arguments("chosen", "--choose", "rate=0,0.05,0"));
  REQUIRE_MESSAGE(finished.code == 0, finished.err);
  CHECK(finished.out.find("of 8 images held out of the first task") != std::string::npos);
  CHECK(finished.out.find("rate 0.05 is chosen") != std::string::npos);
  json const result = json::parse(read_file(folder / "chosen/result.json"));
  CHECK(result["settings"]["rate"] == 0.05);
  CHECK(result["choice"]["setting"] == "rate");
  json const& tried = result["choice"]["tried"];
  REQUIRE(tried.size() == 3);
  CHECK(tried[1]["value"] == "0.05");
  CHECK(tried[1]["top1"].get<double>() > tried[0]["top1"].get<double>());
  CHECK(tried[2]["top1"] == tried[0]["top1"]);

  REQUIRE(run_program(ACCRETE_TOOL, arguments("given", "--set", "rate=0.05")).code == 0);
  CHECK(read_file(folder / "chosen/model.safetensors") == read_file(folder / "given/model.safetensors"));
  CHECK(!json::parse(read_file(folder / "given/result.json")).contains("choice"));
}

TEST_CASE("of values that do equally well the first is chosen") {
  TemporaryFolder const folder;
  std::vector<std::string> const arguments{
      "run", "--method", "simplecil", "--classes", "4,2", "--tasks", "1", "--train-per-class", "10", "--choose", "metric=euclidean,cosine", "--out", (folder / "out").string()};
  REQUIRE(run_program(ACCRETE_TOOL, arguments).code == 0);
  json const result = json::parse(read_file(folder / "out/result.json"));
  REQUIRE(result["choice"]["tried"][0]["top1"] == result["choice"]["tried"][1]["top1"]);
  CHECK(result["settings"]["metric"] == "euclidean");
}

}  // namespace accrete::test::choose_test
