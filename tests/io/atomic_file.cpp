#include "support/files.hpp"

#include <accrete/io/atomic_file.hpp>
#include <accrete/io/safetensors.hpp>

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace accrete {
namespace {

Index files_in(std::filesystem::path const& folder) { return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()); }

TEST_CASE("the target is the old file until the new one is complete") {
  test::TemporaryFolder const folder;
  test::write_file(folder / "f", "old");
  {
    AtomicFile file(folder / "f");
    file.write("new and longer");
    CHECK(test::read_file(folder / "f") == "old");
    file.commit();
  }
  CHECK(test::read_file(folder / "f") == "new and longer");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a writer that gives up leaves nothing behind") {
  test::TemporaryFolder const folder;
  test::write_file(folder / "f", "old");
  { AtomicFile(folder / "f").write("half"); }
  CHECK(test::read_file(folder / "f") == "old");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("what a killed writer left is taken over, not kept") {
  test::TemporaryFolder const folder;
  test::write_file(folder / ".f.partial", "a long rest of a writer that was killed");
  AtomicFile file(folder / "f");
  file.write("new");
  file.commit();
  CHECK(test::read_file(folder / "f") == "new");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a symbolic link is followed and stays a link") {
  test::TemporaryFolder const folder;
  test::write_file(folder / "store" / "f", "old");
  std::filesystem::create_symlink(folder / "store" / "f", folder / "link");
  AtomicFile file(folder / "link");
  file.write("new");
  file.commit();
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(test::read_file(folder / "store" / "f") == "new");
}

TEST_CASE("two writers of one target take turns, and the file is one of theirs") {
  test::TemporaryFolder const folder;
  auto const write = [&](char letter) {
    for (int i = 0; i < 50; ++i) {
      AtomicFile file(folder / "f");
      for (int part = 0; part < 20; ++part) { file.write(std::string(100, letter)); }
      file.commit();
    }
  };
  std::thread first(write, 'a');
  std::thread second(write, 'b');
  first.join();
  second.join();
  std::string const text = test::read_file(folder / "f");
  CHECK((text == std::string(2000, 'a') || text == std::string(2000, 'b')));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a place that cannot be written is refused with its name") {
  test::TemporaryFolder const folder;
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "none" / "f"), ((folder / "none" / "f").string() + ": cannot be written: No such file or directory").c_str(), FileError);
  CHECK_THROWS_AS(AtomicFile(folder.path()), FileError);
  CHECK_THROWS_AS(AtomicFile(""), FileError);
}

// The child writes without end; every file it writes is filled with one number, so a mixture would show.
TEST_CASE("kill -9 at 200 random moments never leaves an unreadable file") {
  test::TemporaryFolder const folder;
  auto const path = folder / "model.safetensors";
  auto const write = [&](float number) {
    auto values = Tensor<float, 1>(Shape<1>{50000});
    std::fill(values.begin(), values.end(), number);
    SafetensorsWriter writer;
    writer.add("values", values);
    writer.write(path);
  };
  auto const before = std::chrono::steady_clock::now();
  write(0.0F);
  // Moments are drawn from three times what one write takes, so that they fall into it on any machine under any load.
  std::chrono::duration<double> const span = 3 * (std::chrono::steady_clock::now() - before);
  std::minstd_rand random(7);
  int changed = 0;
  float last = 0.0F;
  for (int round = 1; round <= 200; ++round) {
    pid_t const child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (int i = 0;; ++i) { write(static_cast<float>(round) + static_cast<float>(i % 1000) / 1000.0F); }
    }
    std::this_thread::sleep_for(span * std::uniform_real_distribution<>()(random));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    auto const values = SafetensorsFile::open(path).read<float, 1>("values");
    bool const whole = std::all_of(values.begin(), values.end(), [&](float value) { return value == values(0); });
    REQUIRE(whole);
    changed += values(0) != last ? 1 : 0;
    last = values(0);
  }
  CHECK(changed > 0);  // the moments were such that something was written
  CHECK(files_in(folder.path()) <= 2);
}

}  // namespace
}  // namespace accrete
