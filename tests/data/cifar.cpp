#include "support/files.hpp"

#include <accrete/data/cifar.hpp>

#include <doctest/doctest.h>
#include <zlib.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace accrete::test {
namespace {

/// A record whose pixel bytes tell channel and place.
std::string record(std::string const& label_bytes, int shift = 0) {
  std::string bytes = label_bytes;
  for (int channel = 0; channel < 3; ++channel) {
    for (int p = 0; p < 1024; ++p) { bytes += static_cast<char>((channel * 80 + p + shift) % 256); }
  }
  return bytes;
}

std::string names(int count, std::string const& separator) {
  std::string text;
  for (int i = 0; i < count; ++i) { text += "class " + std::to_string(i) + separator; }
  return text;
}

void write_cifar10(TemporaryFolder const& folder, std::string const& below = "") {
  for (int batch = 1; batch <= 5; ++batch) {
    write_file(folder / below / ("data_batch_" + std::to_string(batch) + ".bin"), record(std::string(1, static_cast<char>(batch)), batch) + record(std::string(1, '\x09')));
  }
  write_file(folder / below / "test_batch.bin", record(std::string(1, '\0')));
}

std::uint32_t checksum_of_pixels(Examples const& examples) {
  uLong sum = crc32(0, nullptr, 0);
  for (Index i = 0; i < examples.size(); ++i) {
    auto const image = examples.image(i);
    sum = crc32(sum, image.pixels.data(), static_cast<uInt>(image.pixels.size()));
  }
  return static_cast<std::uint32_t>(sum);
}

std::uint32_t checksum_of_labels(Examples const& examples) {
  uLong sum = crc32(0, nullptr, 0);
  for (Index i = 0; i < examples.size(); ++i) {
    auto const label = static_cast<Bytef>(examples.label(i));
    sum = crc32(sum, &label, 1);
  }
  return static_cast<std::uint32_t>(sum);
}

}  // namespace

TEST_CASE("CIFAR-10 batches are read one after the other, planes become pixels") {
  TemporaryFolder const folder;
  write_cifar10(folder);
  auto const data = cifar10(folder.path());
  CHECK(data.name == "cifar10");
  REQUIRE(data.train.size() == 10);
  REQUIRE(data.test.size() == 1);
  CHECK(data.train.label(4) == 3);
  CHECK(data.train.label(5) == 9);
  CHECK(data.train.where(5) == "data_batch_3.bin[1]");
  CHECK(data.train.class_names()[9] == "9");
  auto const image = data.train.image(4);
  CHECK(image.height() == 32);
  CHECK(image.width() == 32);
  CHECK(image.pixels(2, 5, 0) == (2 * 32 + 5 + 3) % 256);
  CHECK(image.pixels(2, 5, 2) == (160 + 2 * 32 + 5 + 3) % 256);
}

TEST_CASE("an id names the pixels, not the place") {
  TemporaryFolder const folder;
  write_cifar10(folder);
  auto const data = cifar10(folder.path());
  CHECK(data.train.id(1) == data.train.id(3));
  CHECK(data.train.id(1) == data.test.id(0));
  CHECK(data.train.id(0) != data.train.id(1));
}

TEST_CASE("the folder that the archive unpacks into is found, and names are read from beside the data") {
  TemporaryFolder const folder;
  write_cifar10(folder, "cifar-10-batches-bin");
  write_file(folder / "cifar-10-batches-bin" / "batches.meta.txt", names(10, "\r\n") + "\n");
  CHECK(cifar10(folder.path()).train.class_names()[7] == "class 7");

  write_file(folder / "cifar-100-binary" / "train.bin", record("\x01\x63") + record("\x01\x02"));
  write_file(folder / "cifar-100-binary" / "test.bin", record("\x01\x02"));
  auto const data = cifar100(folder.path());
  CHECK(data.train.class_names().size() == 100);
  CHECK(data.train.label(0) == 99);  // the second byte is the fine class
  CHECK(data.test.label(0) == 2);
}

TEST_CASE("the held-out half of CIFAR-100 is read as numpy reads it") {
  if (shared_folder().empty()) {
    MESSAGE("skipped: the shared data are not here");
    return;
  }
  auto const data = cifar100(shared_folder() / "data" / "cifar100-held50");
  CHECK(data.train.size() == 12500);
  CHECK(data.test.size() == 5000);
  CHECK(data.train.class_names().size() == 100);
  CHECK(data.train.class_names()[8] == "bicycle");
  std::set<Index> classes;
  for (Index i = 0; i < data.train.size(); ++i) { classes.insert(data.train.label(i)); }
  CHECK(classes.size() == 50);
  CHECK(checksum_of_pixels(data.train) == 0xAEE98361U);
  CHECK(checksum_of_labels(data.train) == 0x92013FA7U);
  CHECK(checksum_of_pixels(data.test) == 0xB465FEC3U);
  CHECK(checksum_of_labels(data.test) == 0x1815FFA0U);
}

TEST_CASE("a CIFAR file that is missing, empty, cut or mislabelled is refused by name") {
  TemporaryFolder const folder;
  write_cifar10(folder);
  auto const refused = [&](char const* reason) { CHECK_THROWS_WITH_AS(static_cast<void>(cifar10(folder.path())), doctest::Contains(reason), FileError); };
  SUBCASE("missing") {
    std::filesystem::remove(folder / "data_batch_4.bin");
    refused("data_batch_4.bin does not exist");
  }
  SUBCASE("empty") {
    write_file(folder / "test_batch.bin", "");
    refused("test_batch.bin is empty");
  }
  SUBCASE("cut") {
    write_file(folder / "data_batch_2.bin", record("\x01").substr(0, 3000));
    refused("data_batch_2.bin has 3000 bytes, which is not a multiple of the 3073");
  }
  SUBCASE("mislabelled") {
    write_file(folder / "data_batch_5.bin", record("\x01") + record("\x0A"));
    refused("data_batch_5.bin[1] has the label 10; there are 10 classes");
  }
  SUBCASE("too few names") {
    write_file(folder / "batches.meta.txt", names(9, "\n"));
    refused("batches.meta.txt has 9 class names instead of 10");
  }
  SUBCASE("a name twice") {
    write_file(folder / "batches.meta.txt", names(9, "\n") + "class 3\n");
    refused("has the class name 'class 3' twice");
  }
}

}  // namespace accrete::test
