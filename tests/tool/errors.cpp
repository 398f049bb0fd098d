#include "support/files.hpp"
#include "support/program.hpp"

#include <accrete/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace accrete::test::errors_test {

namespace {

/// Files and folders that are wrong in known ways, and one good model.
struct Material {
  TemporaryFolder folder;

  [[nodiscard]] std::string at(std::string const& name) const { return (folder / name).string(); }

  Material() {
    std::string const golden = ACCRETE_GOLDEN_DIR;
    write_file(folder / "empty.safetensors", "");
    write_file(folder / "short.safetensors", "abc");
    write_file(folder / "text.safetensors", "this is a text, not a checkpoint");
    write_file(folder / "truncated.safetensors", read_file(ACCRETE_SHIPPED_WEIGHTS).substr(0, 100000));
    write_file(folder / "empty.png", "");
    write_file(folder / "text.jpg", "no picture");
    write_file(folder / "good/a.png", read_file(golden + "/images/rgb.png"));
    write_file(folder / "half/a.png", read_file(golden + "/images/rgb.png").substr(0, 60));
    std::filesystem::create_directories(folder / "no-pictures");
    std::filesystem::create_directories(folder / "empty-class/x");
    write_file(folder / "uneven/train/a/a.png", "x");
    write_file(folder / "uneven/test/b/a.png", "x");
    write_file(folder / "cifar/train.bin", std::string(3074 * 3 + 1, 'a'));
    write_file(folder / "cifar/test.bin", std::string(3074, 'a'));
    write_file(folder / "idx/train-images-idx3-ubyte", "\0\0\1\3");
    write_file(folder / "file", "x");
    one_tensor("head-only.safetensors", "head.weight", {10, 192});
    one_tensor("images.safetensors", "images", {1, 3, 16, 16});
    one_tensor("flat.safetensors", "images", {4});
    Finished const made = run_program(ACCRETE_TOOL, {"learn", at("model.safetensors"), at("good"), "--name", "a", "--new", "--method", "simplecil", "--quiet"});
    REQUIRE_MESSAGE(made.code == 0, made.err);
    write_file(folder / "cut-model.safetensors", read_file(folder / "model.safetensors").substr(0, 3000));
  }

  void one_tensor(std::string const& file, std::string const& name, std::vector<Index> const& shape) const {
    Index count = 1;
    for (Index const extent : shape) { count *= extent; }
    std::vector<float> const values(static_cast<std::size_t>(count), 0.5F);
    SafetensorsWriter writer;
    writer.add(name, ScalarType::f32, shape, std::as_bytes(std::span(values)));
    writer.write(folder / file);
  }
};

struct BadCall {
  std::vector<std::string> arguments;
  int code;             ///< 1 refused, 2 wrong usage
  std::string mention;  ///< what the sentence must name
};

}  // namespace

TEST_CASE("every bad input is one clear sentence, the right exit code and an untouched model") {
  Material const m;
  std::string const model = m.at("model.safetensors");
  std::vector<BadCall> const calls{
      // usage
      {{}, 2, "subcommand"},
      {{"fly"}, 2, "did you mean"},
      {{"predickt"}, 2, "predict"},
      {{"run", "--sede", "3"}, 2, "--seed"},
      {{"run", "--batch", "0"}, 2, "--batch"},
      {{"run", "--batch", "many"}, 2, "--batch"},
      {{"run", "--threads", "-1"}, 2, "--threads"},
      {{"run", "--precision", "float8"}, 2, "--precision"},
      {{"run", "--train-per-class", "x"}, 2, "--train-per-class"},
      {{"predict"}, 2, "model"},
      {{"predict", model}, 2, "images"},
      {{"predict", model, m.at("good"), "--top", "0"}, 2, "--top"},
      {{"learn", model, m.at("good")}, 2, "--name"},
      {{"features"}, 2, "--out"},
      // methods and settings
      {{"run", "--method", "ranpak"}, 1, "ranpac"},
      {{"run", "--method", "simplecil", "--set", "metrik=cosine", "--out", m.at("o")}, 1, "metric"},
      {{"run", "--method", "simplecil", "--set", "metric", "--out", m.at("o")}, 1, "name=value"},
      {{"run", "--method", "simplecil", "--set", "metric=cosin", "--out", m.at("o")}, 1, "cosine"},
      {{"run", "--method", "ranpac", "--set", "projection=-5", "--out", m.at("o")}, 1, "projection"},
      {{"run", "--method", "ranpac", "--set", "ridge=banana", "--out", m.at("o")}, 1, "ridge"},
      {{"run", "--method", "ranpac", "--set", "score=linar", "--out", m.at("o")}, 1, "linear"},
      {{"run", "--method", "ranpac", "--set", "selection=loot", "--out", m.at("o")}, 1, "loo"},
      {{"run", "--method", "simplecil", "--choose", "metric", "--out", m.at("o")}, 1, "at least two values"},
      {{"run", "--method", "simplecil", "--choose", "metric=cosine,cosin", "--out", m.at("o")}, 1, "cosine"},
      {{"run", "--method", "simplecil", "--choose", "metrik=cosine,euclidean", "--out", m.at("o")}, 1, "metric"},
      {{"run", "--method", "simplecil", "--train-per-class", "9", "--choose", "metric=cosine,euclidean", "--out", m.at("o")}, 1, "at least 10 images"},
      // data
      {{"run", "--data", "cifar1000:x"}, 1, "cifar100"},
      {{"run", "--data", "cifar100"}, 1, "cifar100:DIR"},
      {{"run", "--data", "cifar100:" + m.at("nowhere")}, 1, "nowhere"},
      {{"run", "--data", "cifar100:" + m.at("cifar")}, 1, "3074"},
      {{"run", "--data", "cifar10:" + m.at("cifar")}, 1, "data_batch_1.bin"},
      {{"run", "--data", "idx:" + m.at("idx")}, 1, "idx"},
      {{"run", "--data", "fashion-mnist:" + m.at("nowhere")}, 1, "nowhere"},
      {{"run", "--data", "folder:" + m.at("nowhere")}, 1, "nowhere"},
      {{"run", "--data", "folder:" + m.at("file")}, 1, "file"},
      {{"run", "--data", "folder:" + m.at("no-pictures")}, 1, "no-pictures"},
      {{"run", "--data", "folder:" + m.at("empty-class")}, 1, "empty-class"},
      {{"run", "--data", "folder:" + m.at("uneven")}, 1, "'a'"},
      // streams
      {{"run", "--classes", "1,1", "--out", m.at("o")}, 1, "twice"},
      {{"run", "--classes", "1,99", "--out", m.at("o")}, 1, "99"},
      {{"run", "--classes", "1,,2", "--out", m.at("o")}, 1, "--classes"},
      {{"run", "--classes", "1,2,", "--out", m.at("o")}, 1, "--classes"},
      {{"run", "--tasks", "11", "--out", m.at("o")}, 1, "11"},
      {{"run", "--tasks", "2", "--increment", "2", "--out", m.at("o")}, 1, "tasks"},
      {{"run", "--initial", "20", "--out", m.at("o")}, 1, "20"},
      // backbones
      {{"run", "--backbone", m.at("nowhere.safetensors"), "--out", m.at("o")}, 1, "nowhere.safetensors"},
      {{"run", "--backbone", m.at("empty.safetensors"), "--out", m.at("o")}, 1, "empty.safetensors"},
      {{"run", "--backbone", m.at("short.safetensors"), "--out", m.at("o")}, 1, "short.safetensors"},
      {{"run", "--backbone", m.at("text.safetensors"), "--out", m.at("o")}, 1, "text.safetensors"},
      {{"run", "--backbone", m.at("truncated.safetensors"), "--out", m.at("o")}, 1, "truncated.safetensors"},
      {{"run", "--backbone", m.at("head-only.safetensors"), "--out", m.at("o")}, 1, "head-only.safetensors"},
      {{"run", "--heads", "5", "--out", m.at("o")}, 1, "heads"},
      {{"run", "--image-size", "3", "--out", m.at("o")}, 1, "3"},
      // models and pictures
      {{"predict", m.at("nowhere"), m.at("good")}, 1, "nowhere"},
      {{"predict", ACCRETE_SHIPPED_WEIGHTS, m.at("good")}, 1, "not a model"},
      {{"predict", m.at("cut-model.safetensors"), m.at("good")}, 1, "cut-model.safetensors"},
      {{"predict", model, m.at("empty.png")}, 1, "empty.png"},
      {{"predict", model, m.at("text.jpg")}, 1, "text.jpg"},
      {{"predict", model, m.at("half")}, 1, "a.png"},
      {{"predict", model, m.at("no-pictures")}, 1, "no-pictures"},
      {{"predict", model, m.at("nowhere.png")}, 1, "nowhere.png"},
      {{"learn", model, m.at("half"), "--name", "b"}, 1, "a.png"},
      {{"learn", model, m.at("good"), "--name", "b", "--new"}, 1, "exists"},
      {{"learn", model, m.at("good"), "--name", "b", "--set", "metric=cosine"}, 1, "--set"},
      {{"forget", model, "--name", "cat"}, 1, "cat"},
      {{"merge", model, m.at("nowhere")}, 1, "nowhere"},
      {{"evaluate", model, "--data", "fashion-mnist"}, 1, "none of the classes"},
      {{"features", "--tensor", m.at("images.safetensors") + ":nothing", "--out", m.at("f")}, 1, "nothing"},
      {{"features", "--tensor", m.at("images.safetensors") + ":images", "--out", m.at("f")}, 1, "32"},
      {{"features", "--tensor", m.at("flat.safetensors") + ":images", "--out", m.at("f")}, 1, "images"},
      {{"features", "--tensor", "nocolon", "--out", m.at("f")}, 1, "FILE:NAME"},
      {{"inspect", m.at("text.safetensors")}, 1, "text.safetensors"},
      {{"inspect", m.at("nowhere")}, 1, "nowhere"},
  };
  CHECK(calls.size() >= 40);

  std::string const before = read_file(model);
  for (BadCall const& call : calls) {
    std::string line;
    for (std::string const& argument : call.arguments) { line += argument + ' '; }
    CAPTURE(line);
    Finished const finished = run_program(ACCRETE_TOOL, call.arguments);
    CAPTURE(finished.err);
    CHECK(finished.code == call.code);
    CHECK(finished.err.find(call.mention) != std::string::npos);
    CHECK(finished.err.rfind("accrete: error: ", 0) == 0);
    CHECK(std::count(finished.err.begin(), finished.err.end(), '\n') == 1);
    CHECK(read_file(model) == before);
  }
}

}  // namespace accrete::test::errors_test
