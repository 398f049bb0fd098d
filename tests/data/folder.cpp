#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"

#include <accrete/data/folder.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace accrete::test {
namespace {

/// Pictures whose content does not matter but differs.
void write_pictures(std::filesystem::path const& folder, int count) {
  for (int i = 0; i < count; ++i) { write_file(folder / ("picture_" + std::to_string(i) + ".png"), folder.string() + std::to_string(i)); }
}

std::vector<std::string> places(Examples const& examples, std::filesystem::path const& root) {
  std::vector<std::string> all;
  for (Index i = 0; i < examples.size(); ++i) { all.push_back(std::filesystem::path(examples.where(i)).lexically_relative(root).string()); }
  return all;
}

}  // namespace

TEST_CASE("pictures are listed by folder path, then by name, whatever the case of their extension") {
  TemporaryFolder const folder;
  for (char const* const name : {"c/z.jpg", "c/B.PNG", "c/a.jpeg", "c/note.txt", "c/sub/1.webp", "c/sub-2/1.tiff", "c/sub/deep/0.ppm", "c/.jpg.bak"}) { write_file(folder / name, "x"); }
  std::filesystem::create_symlink(folder / "c" / "a.jpeg", folder / "c" / "y.jpg");
  write_file(folder / "other" / "k.bmp", "x");
  std::filesystem::create_directory_symlink(folder / "other", folder / "c" / "link");
  std::vector<std::string> listed;
  for (auto const& path : image_files(folder / "c")) { listed.push_back(path.lexically_relative(folder / "c").string()); }
  // '-' sorts before '/', so sub-2 stands between sub and sub/deep, as sorting whole paths does.
  CHECK(listed == std::vector<std::string>{"B.PNG", "a.jpeg", "y.jpg", "z.jpg", "link/k.bmp", "sub/1.webp", "sub-2/1.tiff", "sub/deep/0.ppm"});
}

TEST_CASE("a link that leads back up is refused instead of followed for ever") {
  TemporaryFolder const folder;
  write_file(folder / "c" / "a.jpg", "x");
  std::filesystem::create_directory_symlink(folder / "c", folder / "c" / "again");
  CHECK_THROWS_WITH_AS(static_cast<void>(image_files(folder / "c")), doctest::Contains("links back"), FileError);
}

TEST_CASE("with train and test folders the classes are the sorted names in both") {
  TemporaryFolder const folder;
  for (char const* const part : {"train", "test"}) {
    for (char const* const name : {"bee", "Zebra", "\xC3\xA4hre", "ant"}) { write_pictures(folder / part / name, part[1] == 'r' ? 3 : 1); }
  }
  write_file(folder / "train" / "README.txt", "not a class");
  auto const data = image_folder(folder.path());
  CHECK(data.train.class_names() == std::vector<std::string>{"Zebra", "ant", "bee", "\xC3\xA4hre"});
  CHECK(data.test.class_names() == data.train.class_names());
  CHECK(data.train.size() == 12);
  CHECK(data.test.size() == 4);
  CHECK(data.train.label(5) == 1);
  CHECK(places(data.train, folder.path())[5] == "train/ant/picture_2.png");
  CHECK(data.note.empty());
}

TEST_CASE("val stands in for a missing test folder, and that is said") {
  TemporaryFolder const folder;
  write_pictures(folder / "train" / "ant", 2);
  write_pictures(folder / "val" / "ant", 1);
  CHECK(image_folder(folder.path()).note == "tested on val/, there is no test/");
  write_pictures(folder / "test" / "ant", 4);
  CHECK(image_folder(folder.path()).test.size() == 4);
  CHECK(image_folder(folder.path()).note == "val/ is not used");
}

TEST_CASE("without a test folder each class is divided by the seed, which the note says") {
  TemporaryFolder const folder;
  write_pictures(folder / "ant", 10);
  write_pictures(folder / "bee", 5);
  write_pictures(folder / "cat", 2);
  write_pictures(folder / "dog", 1);
  auto const data = image_folder(folder.path());
  CHECK(data.train.size() == 8 + 4 + 1 + 1);
  CHECK(data.test.size() == 2 + 1 + 1);
  CHECK(data.note == "no test folder: 4 of 18 pictures were drawn for testing, a fraction of 0.2 of each class by seed 1993; 1 class has one picture only and none to test");

  auto const train = places(data.train, folder.path());
  auto const test = places(data.test, folder.path());
  CHECK(std::is_sorted(train.begin(), train.end()));
  CHECK(std::is_sorted(test.begin(), test.end()));
  std::set<std::string> together(train.begin(), train.end());
  together.insert(test.begin(), test.end());
  CHECK(together.size() == 18);

  SUBCASE("the same seed draws the same pictures, another one others") {
    CHECK(places(image_folder(folder.path()).test, folder.path()) == test);
    bool differs = false;
    for (std::uint64_t seed = 0; seed < 5; ++seed) { differs = differs || places(image_folder(folder.path(), {.seed = seed}).test, folder.path()) != test; }
    CHECK(differs);
  }
  SUBCASE("a new class leaves the others as they were") {
    write_pictures(folder / "aardvark", 7);
    auto const more = places(image_folder(folder.path()).test, folder.path());
    CHECK(std::includes(more.begin(), more.end(), test.begin(), test.end()));
  }
  SUBCASE("the fraction is that of each class, and some picture stays on each side") {
    CHECK(image_folder(folder.path(), {.test_fraction = 0.0}).test.empty());
    CHECK(image_folder(folder.path(), {.test_fraction = 0.999}).train.size() == 4);
  }
}

TEST_CASE("each class draws on its own: not the same places in all") {
  TemporaryFolder const folder;
  for (char const* const name : {"ant", "bee", "cat", "dog", "eel"}) { write_pictures(folder / name, 10); }
  std::set<std::string> drawn;
  for (auto const& place : places(image_folder(folder.path(), {.test_fraction = 0.1}).test, folder.path())) { drawn.insert(place.substr(4)); }
  CHECK(drawn.size() > 1);
}

TEST_CASE("pictures are decoded on demand and named by path; a bad one is told when it is read") {
  TemporaryFolder const folder;
  std::filesystem::create_directories(folder / "ant");
  std::filesystem::copy_file(golden_path("images/rgb.png"), folder / "ant" / "good.png");
  write_file(folder / "ant" / "bad.png", "not a picture");
  auto const data = image_folder(folder.path(), {.test_fraction = 0.0});
  REQUIRE(data.train.size() == 2);
  CHECK_THROWS_WITH_AS(static_cast<void>(data.train.image(0)), doctest::Contains("bad.png is neither a JPEG nor a PNG file"), FileError);
  CHECK(same_bits(data.train.image(1).pixels, golden("images").read<std::uint8_t, 3>("rgb.png")));
  CHECK(data.train.id(0) != data.train.id(1));
  std::filesystem::remove(folder / "ant" / "good.png");
  CHECK_THROWS_WITH_AS(static_cast<void>(data.train.id(1)), doctest::Contains("good.png does not exist"), FileError);
}

TEST_CASE("a folder that cannot be a data set is refused by what is wrong") {
  TemporaryFolder const folder;
  auto const refused = [&](char const* reason) { CHECK_THROWS_WITH_AS(static_cast<void>(image_folder(folder.path())), doctest::Contains(reason), FileError); };
  SUBCASE("nothing in it") { refused("holds no class folders"); }
  SUBCASE("a class without pictures") {
    write_pictures(folder / "ant", 2);
    write_file(folder / "bee" / "note.txt", "x");
    refused("bee holds no pictures");
  }
  SUBCASE("a class in one part only") {
    write_pictures(folder / "train" / "ant", 2);
    write_pictures(folder / "train" / "bee", 2);
    write_pictures(folder / "test" / "ant", 2);
    refused("the class 'bee' is in");
    write_pictures(folder / "test" / "bee", 2);
    write_pictures(folder / "test" / "aardvark", 2);
    refused("the class 'aardvark' is in");
  }
  SUBCASE("a name that is not UTF-8") {
    write_pictures(folder / "caf\xE9", 2);
    refused("not UTF-8");
  }
  SUBCASE("no folder at all") {
    CHECK_THROWS_WITH_AS(static_cast<void>(image_folder(folder / "none")), doctest::Contains("none is not a folder"), FileError);
    CHECK_THROWS_AS(static_cast<void>(image_folder(folder.path(), {.test_fraction = 1.0})), ValueError);
  }
}

}  // namespace accrete::test
