#include "support/files.hpp"

#include <accrete/data/idx.hpp>

#include <doctest/doctest.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace accrete::test {
namespace {

std::string idx_file(std::initializer_list<int> extents, std::string const& values) {
  std::string bytes{0, 0, 8, static_cast<char>(extents.size())};
  for (int const extent : extents) { bytes += {static_cast<char>(extent >> 24), static_cast<char>(extent >> 16), static_cast<char>(extent >> 8), static_cast<char>(extent)}; }
  return bytes + values;
}

std::string gzip(std::string const& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  std::string input = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

IdxArray parse(std::string_view bytes) { return parse_idx(std::as_bytes(std::span(bytes)), "some.idx"); }

void write_set(TemporaryFolder const& folder, std::string const& ending = "") {
  auto const pack = [&](std::string const& bytes) { return ending == ".gz" ? gzip(bytes) : bytes; };
  write_file(folder / ("train-images-idx3-ubyte" + ending), pack(idx_file({3, 1, 2}, "abcdef")));
  write_file(folder / ("train-labels-idx1-ubyte" + ending), pack(idx_file({3}, std::string{2, 0, 1})));
  write_file(folder / ("t10k-images-idx3-ubyte" + ending), pack(idx_file({1, 1, 2}, "cd")));
  write_file(folder / ("t10k-labels-idx1-ubyte" + ending), pack(idx_file({1}, std::string{3})));
}

std::uint32_t checksum_of_first_channel(Examples const& examples) {
  uLong sum = crc32(0, nullptr, 0);
  for (Index i = 0; i < examples.size(); ++i) {
    auto const image = examples.image(i);
    for (Index p = 0; p < image.pixels.size(); p += 3) { sum = crc32(sum, image.pixels.data() + p, 1); }
  }
  return static_cast<std::uint32_t>(sum);
}

}  // namespace

TEST_CASE("an IDX array is read plain and packed") {
  auto const file = idx_file({2, 3}, "abcdef");
  for (auto const& bytes : {file, gzip(file)}) {
    auto const array = parse(bytes);
    CHECK(array.shape == std::vector<Index>{2, 3});
    CHECK(std::string(array.values.begin(), array.values.end()) == "abcdef");
  }
}

TEST_CASE("an IDX file that is cut anywhere is refused") {
  auto const file = idx_file({2, 3}, "abcdef");
  for (auto const& bytes : {file, gzip(file)}) {
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      CAPTURE(length);
      CHECK_THROWS_WITH_AS(static_cast<void>(parse(std::string_view(bytes).substr(0, length))), doctest::Contains("some.idx"), FileError);
    }
  }
}

TEST_CASE("a packed file that is cut says so, and is not called damaged") {
  auto const packed = gzip(idx_file({2, 3}, "abcdef"));
  for (std::size_t length = 2; length < packed.size(); ++length) {
    CAPTURE(length);
    CHECK_THROWS_WITH_AS(static_cast<void>(parse(std::string_view(packed).substr(0, length))), doctest::Contains("some.idx ends too early"), FileError);
  }
}

TEST_CASE("what is not an IDX file of bytes is refused by what is wrong") {
  auto const refused = [](std::string const& bytes, char const* reason) { CHECK_THROWS_WITH_AS(static_cast<void>(parse(bytes)), doctest::Contains(reason), FileError); };
  auto const file = idx_file({2, 3}, "abcdef");
  refused("", "is empty");
  refused("some text", "is not an IDX file");
  refused(std::string{0, 0, 0x0D, 1, 0, 0, 0, 1, 0, 0, 0, 0}, "type 13; only unsigned bytes (8) are supported");
  refused(std::string{0, 0, 8, 0}, "has 0 dimensions");
  refused(std::string{0, 0, 8, 5}, "has 5 dimensions");
  refused(file + "g", "has 1 bytes behind its end");
  refused(gzip(file + "g"), "unpacks to more bytes than its header says");
  refused(gzip(file) + "rubbish", "bytes behind its end");
  refused(idx_file({0, 3}, ""), "is empty");
  refused(idx_file({2, 3}, "abcde"), "holds 5 values instead of the 6");
  auto damaged = gzip(file);
  damaged[damaged.size() - 6] = static_cast<char>(damaged[damaged.size() - 6] ^ 1);  // the checksum
  refused(damaged, "is damaged");
}

TEST_CASE("extents that the file cannot hold are refused before anything is allocated") {
  auto const huge = idx_file({0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF}, "a");
  CHECK_THROWS_WITH_AS(static_cast<void>(parse(huge)), doctest::Contains("too short for the extents"), FileError);
  CHECK_THROWS_WITH_AS(static_cast<void>(parse(gzip(huge))), doctest::Contains("too short for the extents"), FileError);
}

TEST_CASE("a data set in MNIST's layout is read, plain or packed, with numbers for names") {
  for (char const* const ending : {"", ".gz"}) {
    TemporaryFolder const folder;
    write_set(folder, ending);
    auto const data = idx(folder.path());
    REQUIRE(data.train.size() == 3);
    CHECK(data.test.size() == 1);
    CHECK(data.train.class_names() == std::vector<std::string>{"0", "1", "2", "3"});
    CHECK(data.train.label(0) == 2);
    CHECK(data.train.where(1) == std::string("train-images-idx3-ubyte") + ending + "[1]");
    auto const image = data.train.image(1);
    CHECK(image.height() == 1);
    CHECK(image.width() == 2);
    for (Index c = 0; c < 3; ++c) { CHECK(image.pixels(0, 1, c) == 'd'); }
    CHECK(data.train.id(1) == data.test.id(0));
    CHECK(data.train.id(0) != data.train.id(1));
  }
}

TEST_CASE("colour pictures keep their channels") {
  TemporaryFolder const folder;
  write_set(folder);
  std::filesystem::remove(folder / "train-images-idx3-ubyte");
  write_file(folder / "train-images-idx4-ubyte", idx_file({3, 1, 1, 3}, "abcdefghi"));
  auto const image = idx(folder.path()).train.image(2);
  CHECK(std::string(image.pixels.begin(), image.pixels.end()) == "ghi");
}

TEST_CASE("a set whose parts do not fit is refused by name") {
  TemporaryFolder const folder;
  write_set(folder);
  auto const refused = [&](char const* reason) { CHECK_THROWS_WITH_AS(static_cast<void>(idx(folder.path(), {"a", "b", "c", "d"})), doctest::Contains(reason), FileError); };
  SUBCASE("missing") {
    std::filesystem::remove(folder / "t10k-labels-idx1-ubyte");
    refused("has neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz");
  }
  SUBCASE("fewer labels than pictures") {
    write_file(folder / "train-labels-idx1-ubyte", idx_file({2}, "\1\1"));
    refused("train-images-idx3-ubyte has 3 pictures but 2 labels");
  }
  SUBCASE("a label without a name") {
    write_file(folder / "train-labels-idx1-ubyte", idx_file({3}, "\1\4\1"));
    refused("train-images-idx3-ubyte[1] has the label 4; there are 4 classes");
  }
  SUBCASE("not pictures") {
    write_file(folder / "train-images-idx3-ubyte", idx_file({3}, "abc"));
    refused("must hold pictures");
  }
}

TEST_CASE("Fashion-MNIST as Debian ships it is read as numpy reads it") {
  std::error_code ignored;
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist", ignored)) {
    MESSAGE("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  auto const data = fashion_mnist();
  CHECK(data.train.size() == 60000);
  CHECK(data.test.size() == 10000);
  CHECK(data.train.class_names().front() == "T-shirt/top");
  CHECK(data.train.class_names()[9] == "Ankle boot");
  CHECK(data.train.label(0) == 9);
  CHECK(checksum_of_first_channel(data.train) == 0xAE65DCCDU);
  CHECK(checksum_of_first_channel(data.test) == 0x12728439U);
}

}  // namespace accrete::test
