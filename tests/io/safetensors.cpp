#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"

#include <accrete/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace accrete {
namespace {

std::string file_of(std::string_view json, std::string_view data) {
  std::uint64_t const length = json.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes.append(json).append(data);
}

SafetensorsFile parsed(std::string const& bytes) { return SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "memory"); }

TEST_CASE("what is written reads back to the same bits, whatever the type") {
  test::TemporaryFolder const folder;
  auto floats = Tensor<float, 3>::zeros({2, 1, 3});
  floats(0, 0, 0) = -0.0F;
  floats(1, 0, 2) = std::numeric_limits<float>::denorm_min();
  floats(1, 0, 1) = std::numeric_limits<float>::quiet_NaN();
  auto doubles = Tensor<double, 1>::zeros({3});
  doubles(1) = 0.1;
  auto bytes = Tensor<std::uint8_t, 2>::zeros({3, 1});
  bytes(2, 0) = 255;
  auto numbers = Tensor<std::int64_t, 1>::zeros({1});
  numbers(0) = std::numeric_limits<std::int64_t>::min();
  auto const empty = Tensor<float, 2>::zeros({0, 5});
  auto halves = Tensor<bfloat16, 1>::zeros({2});
  halves(1) = to_bfloat16(3.5F);
  SafetensorsWriter writer;
  writer.add("a.bytes", bytes);
  writer.add("floats", floats);
  writer.add("doubles", doubles);
  writer.add("numbers", numbers.view());
  writer.add("empty", empty);
  writer.add("halves \xC3\xA9", halves);
  writer.metadata("made by", "a \"test\"\n");
  writer.write(folder / "file.safetensors");

  auto const file = SafetensorsFile::open(folder / "file.safetensors");
  CHECK(file.names() == std::vector<std::string>{"a.bytes", "doubles", "empty", "floats", "halves \xC3\xA9", "numbers"});
  CHECK(test::same_bits(file.read<float, 3>("floats"), floats));
  CHECK(test::same_bits(file.read<double, 1>("doubles"), doubles));
  CHECK(test::same_bits(file.read<std::uint8_t, 2>("a.bytes"), bytes));
  CHECK(test::same_bits(file.read<std::int64_t, 1>("numbers"), numbers));
  CHECK(test::same_bits(file.read<bfloat16, 1>("halves \xC3\xA9"), halves));
  CHECK(file.read<float, 2>("empty").shape() == Shape<2>{0, 5});
  CHECK(file.metadata().at("made by") == "a \"test\"\n");
  CHECK(file.is<float>("floats"));
  CHECK_FALSE(file.is<double>("floats"));
}

TEST_CASE("the writer aligns every tensor: wide types first, then by name, header padded to eight bytes") {
  test::TemporaryFolder const folder;
  auto const odd = Tensor<std::uint8_t, 1>::zeros({3});
  auto const wide = Tensor<double, 1>::zeros({1});
  auto const single = Tensor<float, 1>::zeros({1});
  SafetensorsWriter writer;
  writer.add("a", odd);
  writer.add("z", wide);
  writer.add("m", single);
  writer.add("b", single);
  writer.write(folder / "file");
  std::string const bytes = test::read_file(folder / "file");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  auto const file = SafetensorsFile::open(folder / "file");
  CHECK(file.view<double, 1>("z").has_value());
  CHECK(file.entry("z").bytes.data() < file.entry("b").bytes.data());
  CHECK(file.entry("b").bytes.data() < file.entry("m").bytes.data());
  CHECK(file.entry("m").bytes.data() < file.entry("a").bytes.data());
}

TEST_CASE("a view shows the mapped file without a copy, and only when type and alignment allow it") {
  // One byte in front, so that the floats are not aligned.
  std::string const json = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}} )";
  float const value = 2.5F;
  std::string data(5, '\1');
  std::memcpy(data.data() + 1, &value, 4);
  std::string const bytes = file_of(json + std::string(8 - json.size() % 8, ' '), data);
  auto const file = parsed(bytes);
  CHECK_FALSE(file.view<float, 1>("f").has_value());
  CHECK_FALSE(file.view<std::int8_t, 1>("a").has_value());
  REQUIRE(file.view<std::uint8_t, 1>("a").has_value());
  CHECK(reinterpret_cast<char const*>(file.view<std::uint8_t, 1>("a")->data()) > bytes.data());
  CHECK(file.read<float, 1>("f")(0) == 2.5F);
  CHECK(file.read<double, 1>("f")(0) == 2.5);
  CHECK_THROWS_AS(static_cast<void>(file.view<float, 2>("f")), FileError);
}

TEST_CASE("a file lives as long as any copy of it") {
  test::TemporaryFolder const folder;
  auto const values = Tensor<float, 1>::zeros({1000});
  SafetensorsWriter writer;
  writer.add("v", values);
  writer.write(folder / "file");
  auto const copy = [&] { return SafetensorsFile(SafetensorsFile::open(folder / "file")); }();
  std::filesystem::remove(folder / "file");
  CHECK(copy.view<float, 1>("v")->end()[-1] == 0.0F);
  copy.forget();  // gives memory back, not the data
  CHECK(copy.view<float, 1>("v")->end()[-1] == 0.0F);
}

TEST_CASE("half precisions widen exactly into float and double") {
  auto const casts = test::golden("casts");
  auto const bits = casts.read<std::uint16_t, 1>("widen.bits");
  for (char const* const type : {"F16", "BF16"}) {
    std::string const json = message(R"({"x":{"dtype":")", type, R"(","shape":[)", bits.size(), R"(],"data_offsets":[0,)", 2 * bits.size(), "]}}");
    std::string const bytes = file_of(json, {reinterpret_cast<char const*>(bits.data()), static_cast<std::size_t>(bits.size()) * 2});
    auto const wide = parsed(bytes).read<float, 1>("x");
    auto const wider = parsed(bytes).read<double, 1>("x");
    auto const expected = casts.read<std::uint32_t, 1>(std::string_view(type) == "F16" ? "widen.f16" : "widen.bf16");
    for (Index i = 0; i < bits.size(); ++i) {
      float value = 0.0F;
      std::memcpy(&value, &expected[i], 4);
      CAPTURE(bits[i]);
      if (std::isnan(value)) {
        CHECK(std::isnan(wide[i]));
      } else {
        CHECK(wide[i] == value);
        CHECK(std::signbit(wide[i]) == std::signbit(value));
        CHECK(wider[i] == static_cast<double>(value));
      }
    }
  }
}

TEST_CASE("integers are read into any integer that holds them, and into nothing else") {
  test::TemporaryFolder const folder;
  auto small = Tensor<std::int64_t, 1>::zeros({2});
  small(1) = 200;
  auto large = Tensor<std::uint64_t, 1>::zeros({1});
  large(0) = std::numeric_limits<std::uint64_t>::max();
  bool const flags[] = {true, false};
  SafetensorsWriter writer;
  writer.add("small", small);
  writer.add("large", large);
  writer.add("flags", TensorView<bool const, 1>(flags, {2}));
  writer.write(folder / "file");
  auto const file = SafetensorsFile::open(folder / "file");
  CHECK(file.read<std::uint8_t, 1>("small")(1) == 200);
  CHECK_THROWS_AS(static_cast<void>(file.read<std::int8_t, 1>("small")), FileError);
  CHECK_THROWS_AS(static_cast<void>(file.read<std::int64_t, 1>("large")), FileError);
  CHECK_THROWS_AS(static_cast<void>(file.read<float, 1>("small")), FileError);
  CHECK_THROWS_AS(static_cast<void>(file.read<bool, 1>("small")), FileError);
  CHECK(file.read<bool, 1>("flags")(0));
  CHECK(file.read<int, 1>("flags")(1) == 0);
}

TEST_CASE("a BOOL is true for every byte but 0, and is never shown in place") {
  auto const bytes = file_of(R"({"b":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})", std::string("\0\1\xF7", 3));
  auto const file = parsed(bytes);
  auto const read = file.read<bool, 1>("b");
  CHECK_FALSE(read(0));
  CHECK(read(1));
  CHECK(read(2));
  CHECK_FALSE(file.view<bool, 1>("b").has_value());
}

TEST_CASE("messages name file, tensor, what was found and what was wanted") {
  std::string const bytes = file_of(R"({"w\u0007":{"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[0,6]}})", "123456");
  auto const file = parsed(bytes);
  CHECK_THROWS_WITH_AS(static_cast<void>(file.read<float, 2>("w\a")), R"(memory: tensor "w\u0007" is F8_E4M3 [2, 3], which cannot be read as F32)", FileError);
  CHECK_THROWS_WITH_AS(static_cast<void>(file.read<float, 1>("w\a")), R"(memory: tensor "w\u0007" is F8_E4M3 [2, 3], wanted F32 with 1 axis)", FileError);
  CHECK_THROWS_WITH_AS(static_cast<void>(file.entry("b")), R"(memory: there is no tensor "b")", FileError);
}

TEST_CASE("files that are none are refused with their name and the reason") {
  test::TemporaryFolder const folder;
  struct Case {
    std::string bytes;
    std::string_view reason;
  };
  std::string const good = file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "12345678");
  Case const cases[] = {
      {"", "has 0 bytes"},
      {"1234567", "has 7 bytes"},
      {std::string(8, '\0') + "{}", "header would have 0 bytes"},
      {std::string(8, '\xFF') + "{}", "header would have 18446744073709551615 bytes"},
      {file_of(std::string(3, ' '), "").replace(0, 8, std::string("\x01\xE1\xF5\x05\0\0\0\0", 8)), "header would have 100000001 bytes"},
      {good.substr(0, 20), "truncated"},
      {good.substr(0, good.size() - 1), "truncated"},
      {good + "x", "take 8 bytes but the file holds 9"},
      {"\x89PNG\r\n\x1a\n and so on", "not a safetensors file"},
  };
  for (Case const& one : cases) {
    test::write_file(folder / "bad", one.bytes);
    std::string said;
    try {
      static_cast<void>(SafetensorsFile::open(folder / "bad"));
    } catch (FileError const& error) { said = error.what(); }
    CAPTURE(said);
    CHECK(said.starts_with((folder / "bad").string()));
    CHECK(said.find(one.reason) != std::string::npos);
  }
  CHECK_THROWS_AS(static_cast<void>(SafetensorsFile::open(folder / "missing")), FileError);
  CHECK_THROWS_AS(static_cast<void>(SafetensorsFile::open(folder.path())), FileError);
  CHECK_THROWS_AS(static_cast<void>(SafetensorsFile::open("/dev/null")), FileError);
}

TEST_CASE("what cannot be written is refused when it is added") {
  SafetensorsWriter writer;
  auto const values = Tensor<float, 1>::zeros({2});
  writer.add("a", values);
  CHECK_THROWS_AS(writer.add("a", values), ValueError);
  CHECK_THROWS_AS(writer.add("__metadata__", values), ValueError);
  CHECK_THROWS_AS(writer.add("\xFF", values), ValueError);
  CHECK_THROWS_AS(writer.add(std::string(5000, 'n'), values), ValueError);
  CHECK_THROWS_AS(writer.metadata("k", "\xC3("), ValueError);
  CHECK_THROWS_AS(writer.add("b", ScalarType::f32, {3}, {}), ShapeError);
  CHECK_THROWS_AS(writer.add("b", ScalarType::f32, {-1}, {}), ShapeError);
  CHECK_THROWS_AS(writer.add("b", ScalarType::f4, {3}, {}), ShapeError);
}

}  // namespace
}  // namespace accrete
