#include "support/compare.hpp"
#include "support/files.hpp"

#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace accrete {
namespace {

/// A small model with two parts of the same names.
void write_model(std::filesystem::path const& path, double value) {
  ModelWriter const writer("Learner<Vit, PrototypeHead>");
  auto sums = Tensor<double, 2>::zeros({2, 3});
  sums(1, 2) = value;
  auto const head = writer.scope("head");
  head.tensor("sums", sums);
  auto counts = Tensor<std::int64_t, 1>::zeros({2});
  std::fill(counts.begin(), counts.end(), 7);
  head.tensor("counts", std::move(counts));  // lives in the writer now
  writer.scope("other").scope("head").tensor("sums", Tensor<float, 1>::zeros({1}));
  head.setting("ridge", 0.1);
  head.setting("seed", std::numeric_limits<std::uint64_t>::max());
  head.setting("metric", "cosine");
  head.setting("keeps", true);
  writer.setting("classes", std::vector<std::string>{"cat", "\xC3\xA9t\xC3\xA9"});
  writer.write(path);
}

TEST_CASE("tensors and settings come back to the bit, each from its scope") {
  test::TemporaryFolder const folder;
  write_model(folder / "m", 0.1);
  auto const reader = ModelReader::open(folder / "m", "Learner<Vit, PrototypeHead>");
  auto const head = reader.scope("head");
  CHECK(head.tensor<double, 2>("sums")(1, 2) == 0.1);
  for (std::int64_t const count : head.tensor<std::int64_t, 1>("counts", Shape<1>{2})) { CHECK(count == 7); }
  CHECK(reader.scope("other").scope("head").has("sums"));
  CHECK_FALSE(reader.has("sums"));
  CHECK(head.setting<double>("ridge") == 0.1);
  CHECK(head.setting<std::uint64_t>("seed") == std::numeric_limits<std::uint64_t>::max());
  CHECK(head.setting<std::string>("metric") == "cosine");
  CHECK(head.setting<bool>("keeps"));
  CHECK(reader.setting<std::vector<std::string>>("classes") == std::vector<std::string>{"cat", "\xC3\xA9t\xC3\xA9"});
  CHECK(head.has_setting("ridge"));
  CHECK_FALSE(reader.has_setting("ridge"));
  CHECK(reader.accrete_version() == ACCRETE_VERSION);
}

TEST_CASE("two saves of one state are the same file") {
  test::TemporaryFolder const folder;
  write_model(folder / "a", 0.1);
  write_model(folder / "b", 0.1);
  CHECK(test::read_file(folder / "a") == test::read_file(folder / "b"));
}

TEST_CASE("another composition is refused and both are named") {
  test::TemporaryFolder const folder;
  write_model(folder / "m", 0.1);
  CHECK(ModelReader::open(folder / "m").composition() == "Learner<Vit, PrototypeHead>");
  CHECK_THROWS_WITH_AS(static_cast<void>(ModelReader::open(folder / "m", "Learner<Clip>")),
                       ((folder / "m").string() + R"(: holds a model of "Learner<Vit, PrototypeHead>", which cannot be loaded as "Learner<Clip>")").c_str(), FileError);
}

TEST_CASE("foreign, newer and truncated files are refused") {
  test::TemporaryFolder const folder;
  auto const values = Tensor<float, 1>::zeros({1});
  SafetensorsWriter foreign;
  foreign.add("w", values);
  foreign.write(folder / "foreign");
  CHECK_THROWS_WITH_AS(static_cast<void>(ModelReader::open(folder / "foreign")),
                       ((folder / "foreign").string() + ": is not a model of accrete: its metadata does not say format accrete-model").c_str(), FileError);
  SafetensorsWriter newer;
  newer.metadata("format", "accrete-model");
  newer.metadata("format_version", "2");
  newer.metadata("accrete_version", "9.0.0");
  newer.write(folder / "newer");
  CHECK_THROWS_AS(static_cast<void>(ModelReader::open(folder / "newer")), FileError);
  write_model(folder / "m", 0.1);
  std::string const bytes = test::read_file(folder / "m");
  for (std::size_t length = 0; length < bytes.size(); length += 7) {
    test::write_file(folder / "cut", bytes.substr(0, length));
    CHECK_THROWS_AS(static_cast<void>(ModelReader::open(folder / "cut")), FileError);
  }
}

TEST_CASE("state of another type or shape is refused, never converted") {
  test::TemporaryFolder const folder;
  write_model(folder / "m", 0.1);
  auto const head = ModelReader::open(folder / "m").scope("head");
  CHECK_THROWS_AS(static_cast<void>(head.tensor<float, 2>("sums")), FileError);
  CHECK_THROWS_AS(static_cast<void>(head.tensor<double, 1>("sums")), FileError);
  CHECK_THROWS_WITH_AS(static_cast<void>(head.tensor<double, 2>("sums", Shape<2>{3, 2})), ((folder / "m").string() + R"(: tensor "head.sums" is F64 [2, 3], wanted F64 [3, 2])").c_str(), FileError);
  CHECK_THROWS_AS(static_cast<void>(head.tensor<double, 2>("none")), FileError);
  CHECK_THROWS_AS(static_cast<void>(head.setting<Index>("ridge")), FileError);
  CHECK_THROWS_AS(static_cast<void>(head.setting<Index>("seed")), FileError);  // does not fit
  CHECK_THROWS_AS(static_cast<void>(head.setting<double>("metric")), FileError);
  CHECK_THROWS_AS(static_cast<void>(head.setting<std::string>("keeps")), FileError);
  CHECK_THROWS_AS(static_cast<void>(head.setting<double>("none")), FileError);
}

TEST_CASE("what could not be read back is refused when it is written") {
  ModelWriter const writer("m");
  CHECK_THROWS_AS(writer.setting("x", std::numeric_limits<double>::quiet_NaN()), ValueError);
  CHECK_THROWS_AS(writer.setting("x", std::vector<double>{1.0, std::numeric_limits<double>::infinity()}), ValueError);
  CHECK_THROWS_AS(writer.setting("x", "\xFF"), ValueError);
  writer.setting("y", 1);
  CHECK_THROWS_AS(writer.setting("y", 2), ValueError);
  auto const values = Tensor<float, 1>::zeros({1});
  writer.tensor("t", values);
  CHECK_THROWS_AS(writer.tensor("t", values), ValueError);
}

TEST_CASE("a folder that cannot be written leaves the old model") {
  test::TemporaryFolder const folder;
  write_model(folder / "m", 0.1);
  std::string const before = test::read_file(folder / "m");
  CHECK_THROWS_AS(write_model(folder / "m" / "x", 0.2), FileError);
  CHECK(test::read_file(folder / "m") == before);
}

}  // namespace
}  // namespace accrete
