#include "support/files.hpp"
#include "support/program.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace accrete::test::merge_test {
using nlohmann::json;

namespace {

struct Models {
  TemporaryFolder folder;

  [[nodiscard]] std::string at(std::string const& name) const { return (folder / name).string(); }

  /// Learns a class as a task of its own; the first makes the model.
  void learn(std::string const& model, std::string const& method, std::string const& name, std::vector<std::string> const& pictures, std::vector<std::string> const& settings = {}) const {
    std::vector<std::string> arguments{"learn", at(model), "--name", name, "--quiet"};
    for (std::string const& picture : pictures) { arguments.push_back(std::string(ACCRETE_GOLDEN_DIR) + "/images/" + picture); }
    if (!std::filesystem::exists(at(model))) {
      arguments.insert(arguments.end(), {"--new", "--method", method});
      for (std::string const& setting : settings) { arguments.insert(arguments.end(), {"--set", setting}); }
    }
    Finished const made = run_program(ACCRETE_TOOL, arguments);
    REQUIRE_MESSAGE(made.code == 0, made.err);
  }

  [[nodiscard]] Finished merge(std::vector<std::string> const& arguments) const {
    std::vector<std::string> all{"merge"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_program(ACCRETE_TOOL, all);
  }

  /// What a merge says.
  [[nodiscard]] std::string merged(std::vector<std::string> const& arguments) const {
    Finished const finished = merge(arguments);
    REQUIRE_MESSAGE(finished.code == 0, finished.err);
    return finished.out;
  }

  [[nodiscard]] json scores(std::string const& model) const {
    Finished const answer = run_program(ACCRETE_TOOL, {"predict", at(model), std::string(ACCRETE_GOLDEN_DIR) + "/images/rgb_422.jpg", "--json"});
    REQUIRE_MESSAGE(answer.code == 0, answer.err);
    json scores = json::object();
    json const answers = json::parse(answer.out);
    for (json const& entry : answers[0]["top"]) { scores[entry["label"].get<std::string>()] = entry["score"]; }
    return scores;
  }
};

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("models learned by gradient merge by a rule, and what is refused leaves the model") {
  Models const m;
  std::vector<std::string> const quick{"epochs=1", "align-epochs=1", "rate=0.05"};
  m.learn("a", "cofima-lora", "x", {"rgb.png", "grey.png"}, quick);
  m.learn("a", "cofima-lora", "y", {"palette.png", "rgb_444.jpg"});
  m.learn("b", "cofima-lora", "y", {"rgba.png", "bilevel.png"}, quick);
  m.learn("b", "cofima-lora", "z", {"grey.png", "rgb_444.jpg"});
  m.learn("c", "cofima-lora", "z", {"rgb.png", "bilevel.png"}, quick);
  m.learn("no-fisher", "cofima-lora", "y", {"rgba.png"}, {"epochs=1", "merge-weights=equal"});
  m.learn("wider", "cofima-lora", "y", {"rgba.png"}, {"epochs=1", "lora-rank=3"});
  m.learn("statistics", "simplecil", "x", {"rgb.png"});
  std::string const a = m.at("a");
  std::string const b = m.at("b");
  std::string const c = m.at("c");
  std::string const before = read_file(a);

  std::string const said = m.merged({a, b, "--rule", "mean", "-o", m.at("ab")});
  CAPTURE(said);
  CHECK(said.rfind("mean of 2 models: ", 0) == 0);
  CHECK(has(said, " tensors of the network ("));
  CHECK(has(said, "rows of 3 classes, 1 of them in both; written to " + m.at("ab")));
  CHECK(m.scores("ab").size() == 3);
  CHECK(read_file(a) == before);

  CHECK(has(m.merged({a, b, c, "--rule", "mean", "-o", m.at("abc")}), "mean of 3 models"));
  CHECK(has(m.merged({c, a, b, "--rule", "mean", "-o", m.at("cab")}), "2 of them in several"));
  json const one = m.scores("abc");
  json const other = m.scores("cab");
  REQUIRE(one.size() == 3);
  for (auto const& [label, score] : one.items()) { CHECK(other[label].get<double>() == doctest::Approx(score.get<double>()).epsilon(1e-4)); }

  CHECK(has(m.merged({a, b, "--rule", "wise:0", "-o", m.at("kept")}), "wise:0 of 2 models"));
  json const kept = m.scores("kept");
  json const own = m.scores("a");
  for (auto const& [label, score] : own.items()) { CHECK(kept[label] == score); }
  CHECK(has(m.merged({a, b, "--rule", "ema:1", "-o", m.at("ema")}), "ema:1 of 2 models"));
  CHECK(m.scores("ema") == kept);
  CHECK(has(m.merged({a, b, "--rule", "fisher", "-o", m.at("fisher")}), "fisher of 2 models"));
  CHECK(read_file(m.at("fisher")) != read_file(m.at("ab")));  // a class alone moves no network; its Fisher information adds up all the same
  std::string const head_only = m.merged({a, b, "--rule", "mean", "-o", m.at("head"), "--only", "head"});
  CHECK_FALSE(has(head_only, "network"));
  CHECK(has(head_only, "rows of 3 classes"));
  CHECK(has(m.merged({a, b, "--rule", "mean", "-o", m.at("part"), "--only", "blocks.0.*"}), "rows as the first model's"));

  struct Refused {
    std::vector<std::string> arguments;
    int code;
    std::string mention;
  };
  std::vector<Refused> const refused{
      {{a}, 2, "others"},
      {{a, b}, 1, "--rule mean, ema:NUMBER, wise:NUMBER or fisher"},
      {{a, b, "--rule", "statistics"}, 1, "does not add up"},
      {{a, b, "--rule", "men"}, 1, "did you mean 'mean'"},
      {{a, b, "--rule", "ema"}, 1, "ema:0.99"},
      {{a, b, "--rule", "mean:2"}, 1, "takes no number"},
      {{a, b, "--rule", "wise:1.5"}, 1, "from 0 to 1"},
      {{a, b, "--rule", "ema:nan"}, 1, "from 0 to 1"},
      {{a, b, "--rule", "mean", "--only", "neck"}, 1, "'neck'"},
      {{a, m.at("nowhere"), "--rule", "mean"}, 1, "nowhere"},
      {{a, m.at("no-fisher"), "--rule", "fisher"}, 1, m.at("no-fisher") + ": holds no Fisher information; models of these methods do: "},
      {{a, m.at("wider"), "--rule", "mean"}, 1, "lora-rank=3"},
      {{a, m.at("statistics"), "--rule", "mean"}, 1, "differ in composition"},
      {{a, b, m.at("wider"), "--rule", "mean"}, 1, "lora-rank=3"},
      {{m.at("statistics"), m.at("statistics"), "--rule", "mean"}, 1, "--rule statistics"},
      {{m.at("statistics"), m.at("statistics"), "--only", "head"}, 1, "--only"},
  };
  for (Refused const& call : refused) {
    std::string line;
    for (std::string const& argument : call.arguments) { line += argument + ' '; }
    CAPTURE(line);
    Finished const finished = m.merge(call.arguments);
    CAPTURE(finished.err);
    CHECK(finished.code == call.code);
    CHECK(has(finished.err, call.mention));
    CHECK(finished.err.rfind("accrete: error: ", 0) == 0);
    CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
    CHECK(read_file(a) == before);
  }

  CHECK(has(m.merged({a, b, "--rule", "mean"}), "written to " + a));
  CHECK(m.scores("a") == m.scores("ab"));
  CHECK(has(m.merged({m.at("statistics"), m.at("statistics")}), "1 of them in both"));
}

}  // namespace accrete::test::merge_test
