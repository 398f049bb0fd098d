#include "support/files.hpp"

#include <accrete/io/checkpoint.hpp>
#include <accrete/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace accrete {
namespace {

void write_tensor(std::filesystem::path const& path, std::string const& name, float value) {
  auto tensor = Tensor<float, 1>::zeros({1});
  tensor(0) = value;
  SafetensorsWriter writer;
  writer.add(name, tensor);
  writer.write(path);
}

/// Two shards and their index.
void write_shards(std::filesystem::path const& folder, std::string const& map) {
  write_tensor(folder / "model-00001-of-00002.safetensors", "a", 1.0F);
  write_tensor(folder / "model-00002-of-00002.safetensors", "b", 2.0F);
  test::write_file(folder / "model.safetensors.index.json", R"({"metadata":{"total_size":8},"weight_map":)" + map + "}");
}
constexpr char const* good_map = R"({"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"})";

TEST_CASE("one file is a checkpoint, and its fingerprint is that of its bytes") {
  test::TemporaryFolder const folder;
  write_tensor(folder / "w.safetensors", "a", 3.0F);
  test::write_file(folder / "config.json", "{}");
  auto const checkpoint = Checkpoint::open(folder / "w.safetensors");
  CHECK(checkpoint.read<float, 1>("a")(0) == 3.0F);
  CHECK(checkpoint.contains("a"));
  CHECK_FALSE(checkpoint.contains("b"));
  CHECK_FALSE(checkpoint.config().has_value());  // a file of any name does not own the config beside it
  Sha256 sha;
  std::string const bytes = test::read_file(folder / "w.safetensors");
  sha.update(std::as_bytes(std::span(bytes)));
  CHECK(checkpoint.sha256() == sha.hex());
  CHECK(Checkpoint::of(SafetensorsFile::open(folder / "w.safetensors")).names() == std::vector<std::string>{"a"});
}

TEST_CASE("shards are one checkpoint, opened by their index or by their folder") {
  test::TemporaryFolder const folder;
  write_shards(folder.path(), good_map);
  test::write_file(folder / "config.json", R"({"hidden_size": 3})");
  for (auto const& path : {folder / "model.safetensors.index.json", folder.path()}) {
    auto const checkpoint = Checkpoint::open(path);
    CHECK(checkpoint.names() == std::vector<std::string>{"a", "b"});
    CHECK(checkpoint.read<float, 1>("a")(0) == 1.0F);
    CHECK(checkpoint.view<float, 1>("b").value()(0) == 2.0F);
    CHECK(checkpoint.config() == R"({"hidden_size": 3})");
    CHECK(checkpoint.path() == path);
    CHECK(checkpoint.files().size() == 2);
    Sha256 sha;
    for (char const* const name : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
      std::string const bytes = test::read_file(folder / name);
      sha.update(std::as_bytes(std::span(bytes)));
    }
    CHECK(checkpoint.sha256() == sha.hex());
  }
}

TEST_CASE("a folder's checkpoint is its index, then model.safetensors, then its only file") {
  test::TemporaryFolder const folder;
  write_tensor(folder / "only.safetensors", "only", 1.0F);
  CHECK(Checkpoint::open(folder.path()).contains("only"));
  write_tensor(folder / "model.safetensors", "model", 1.0F);
  CHECK(Checkpoint::open(folder.path()).contains("model"));
  write_shards(folder.path(), good_map);
  CHECK(Checkpoint::open(folder.path()).contains("b"));
}

TEST_CASE("an index that lies is refused with its name and the reason") {
  struct Case {
    std::string map;
    std::string_view reason;
  };
  Case const cases[] = {
      {R"({"a":"../model-00001-of-00002.safetensors"})", "not the name of a file beside it"},
      {R"({"a":"/etc/passwd"})", "not the name of a file beside it"},
      {R"({"a":"sub\\file"})", "not the name of a file beside it"},
      {R"({"a":""})", "not the name of a file beside it"},
      {R"({"a":"x\u0000y"})", "not the name of a file beside it"},
      {R"({"a":1})", "not the name of a file beside it"},
      {R"({"a":null})", "not the name of a file beside it"},
      {R"({"c":"model-00001-of-00002.safetensors"})", "which does not have it"},
      {R"({"a":"model-00002-of-00002.safetensors"})", "which does not have it"},
      {R"({"a":"model-00001-of-00002.safetensors","a":"model-00001-of-00002.safetensors"})", "repeats the JSON key"},
      {R"({"a":"gone.safetensors"})", "No such file"},
      {"{}", "no weight_map"},
      {"[]", "no weight_map"},
      {"{", "not valid JSON"},
  };
  for (Case const& one : cases) {
    test::TemporaryFolder const folder;
    write_shards(folder.path(), one.map);
    std::string said;
    try {
      static_cast<void>(Checkpoint::open(folder.path()));
    } catch (FileError const& error) { said = error.what(); }
    CAPTURE(one.map);
    CAPTURE(said);
    CHECK(said.starts_with(folder.path().string()));
    CHECK(said.find(one.reason) != std::string::npos);
  }
}

TEST_CASE("only what the index names is part of the checkpoint") {
  test::TemporaryFolder const folder;
  write_shards(folder.path(), R"({"a":"model-00001-of-00002.safetensors"})");
  CHECK(Checkpoint::open(folder.path()).names() == std::vector<std::string>{"a"});
}

TEST_CASE("a folder without or with too many checkpoints is refused") {
  test::TemporaryFolder const folder;
  CHECK_THROWS_AS(static_cast<void>(Checkpoint::open(folder.path())), FileError);
  write_tensor(folder / "x.safetensors", "a", 1.0F);
  write_tensor(folder / "y.safetensors", "a", 1.0F);
  CHECK_THROWS_WITH_AS(static_cast<void>(Checkpoint::open(folder.path())), (folder.path().string() + ": holds 2 checkpoints and none is called model.safetensors; name one of them").c_str(),
                       FileError);
  CHECK_THROWS_AS(static_cast<void>(Checkpoint::open(folder / "nothing")), FileError);
}

}  // namespace
}  // namespace accrete
