#include "support/compare.hpp"

#include <accrete/data/loader.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace accrete::test {
namespace {

using Milliseconds = std::chrono::milliseconds;

/// `count` pictures of one colour each; those in `bad` cannot be read; the earlier one of a pair takes longer, so that threads finish out of order.
Examples coloured(Index count, std::set<Index> const& bad = {}, Milliseconds delay = Milliseconds(0)) {
  Source source;
  source.class_names = {"even", "odd"};
  for (Index i = 0; i < count; ++i) { source.labels.push_back(i % 2); }
  source.image = [bad, delay](Index i) {
    if (i % 2 == 0 && delay.count() > 0) { std::this_thread::sleep_for(delay); }
    if (bad.contains(i)) { fail<FileError>("coloured", "picture ", i, " is damaged"); }
    Image image{Tensor<std::uint8_t, 3>({3, 4, 3})};
    for (Index p = 0; p < image.pixels.size(); ++p) { image.pixels.data()[p] = static_cast<std::uint8_t>(i % 256); }
    return image;
  };
  source.id = [](Index i) { return static_cast<std::uint64_t>(1000 + i); };
  source.where = [](Index i) { return "picture " + std::to_string(i); };
  return Examples(std::move(source));
}

/// The same picture under every number, with detail that a cut or a flip shows.
Examples striped(Index count) {
  Source source;
  source.class_names = {"only"};
  source.labels.assign(static_cast<std::size_t>(count), 0);
  source.image = [](Index) {
    Image image{Tensor<std::uint8_t, 3>({12, 14, 3})};
    for (Index p = 0; p < image.pixels.size(); ++p) { image.pixels.data()[p] = static_cast<std::uint8_t>(p * p % 251); }
    return image;
  };
  source.id = [](Index i) { return static_cast<std::uint64_t>(i); };
  source.where = [](Index) { return std::string(); };
  return Examples(std::move(source));
}

Preprocessing const plain{.height = 3, .width = 4, .mean = {0, 0, 0}, .deviation = {1, 1, 1}};

std::vector<Index> all_positions(Loader& loader) {
  std::vector<Index> positions;
  Batch batch;
  while (loader.next(batch)) {
    REQUIRE(batch.images.shape() == Shape<4>{batch.size(), 3, 3, 4});
    for (Index row = 0; row < batch.size(); ++row) {
      auto const i = static_cast<std::size_t>(row);
      REQUIRE(batch.images(row, 2, 1, 3) == static_cast<float>(batch.positions[i] % 256) / 255.0F);
      REQUIRE(batch.labels[i] == batch.positions[i] % 2);
      REQUIRE(batch.ids[i] == static_cast<std::uint64_t>(1000 + batch.positions[i]));
      positions.push_back(batch.positions[i]);
    }
  }
  return positions;
}

std::vector<Index> counted(Index count, std::set<Index> const& without = {}) {
  std::vector<Index> positions;
  for (Index i = 0; i < count; ++i) {
    if (!without.contains(i)) { positions.push_back(i); }
  }
  return positions;
}

}  // namespace

TEST_CASE("every example comes once, in order, whatever the threads, batch and prefetch") {
  for (int const threads : {0, 1, 2, 5}) {
    for (Index const batch : {1, 7, 64, 1000}) {
      for (Index const prefetch : {1, 3}) {
        CAPTURE(threads);
        CAPTURE(batch);
        Loader loader(coloured(100, {}, Milliseconds(batch == 7 ? 1 : 0)), plain, {.batch = batch, .threads = threads, .prefetch = prefetch});
        CHECK(all_positions(loader) == counted(100));
        CHECK(loader.done() == 100);
        Batch none;
        CHECK_FALSE(loader.next(none));
        CHECK(none.size() == 0);
      }
    }
  }
}

TEST_CASE("batches are full but for the last, and a last full batch ends the pass") {
  std::vector<Index> sizes;
  for (Index const count : {20, 23}) {
    Loader loader(coloured(count), plain, {.batch = 10});
    Batch batch;
    while (loader.next(batch)) { sizes.push_back(batch.size()); }
  }
  CHECK(sizes == std::vector<Index>{10, 10, 10, 10, 3});
}

TEST_CASE("no examples give no batches") {
  Loader loader(Examples(), plain);
  Batch batch;
  CHECK_FALSE(loader.next(batch));
}

TEST_CASE("the first bad picture in order is what next throws, and throws again") {
  Loader loader(coloured(50, {23, 31}, Milliseconds(1)), plain, {.batch = 10, .threads = 4});
  Batch batch;
  CHECK(loader.next(batch));
  CHECK(loader.next(batch));
  for (int again = 0; again < 3; ++again) { CHECK_THROWS_WITH_AS(loader.next(batch), "coloured: picture 23 is damaged", FileError); }
  CHECK(batch.positions.back() == 19);
}

TEST_CASE("bad pictures are left out and counted when asked, and a batch of nothing else is left out") {
  std::set<Index> const bad{0, 4, 9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 44};
  for (int const threads : {1, 3}) {
    Loader loader(coloured(45, bad), plain, {.batch = 10, .threads = threads, .skip_bad = true});
    CHECK(all_positions(loader) == counted(45, bad));
    REQUIRE(loader.skipped().size() == bad.size());
    CHECK(loader.skipped()[1] == "coloured: picture 4 is damaged");
    CHECK(loader.skipped().back() == "coloured: picture 44 is damaged");
  }
  Loader nothing(coloured(5, {0, 1, 2, 3, 4}), plain, {.batch = 2, .skip_bad = true});
  Batch batch;
  CHECK_FALSE(nothing.next(batch));
  CHECK(nothing.skipped().size() == 5);
}

TEST_CASE("only unreadable files can be skipped; a wrong setting is an error for all") {
  Preprocessing broken = plain;
  broken.deviation[1] = 0;
  Loader loader(coloured(5), broken, {.batch = 2, .skip_bad = true});
  Batch batch;
  CHECK_THROWS_AS(loader.next(batch), ValueError);
}

TEST_CASE("memory of batches goes round") {
  Loader loader(coloured(400), plain, {.batch = 10, .threads = 2, .prefetch = 2});
  std::set<float const*> places;
  Batch batch;
  while (loader.next(batch)) { places.insert(batch.images.data()); }
  CHECK(places.size() <= 4);  // three slots and the caller's
}

TEST_CASE("a loader that is dropped early ends after the pictures in hand") {
  auto const read = std::make_shared<std::atomic<int>>(0);
  Source source;
  source.class_names = {"only"};
  source.labels.assign(10000, 0);
  source.image = [read](Index) {
    ++*read;
    std::this_thread::sleep_for(Milliseconds(5));
    return Image{Tensor<std::uint8_t, 3>::zeros({3, 4, 3})};
  };
  source.id = [](Index i) { return static_cast<std::uint64_t>(i); };
  source.where = [](Index) { return std::string(); };
  auto const begin = std::chrono::steady_clock::now();
  {
    Loader loader(Examples(std::move(source)), plain, {.batch = 4000, .threads = 2});
    std::this_thread::sleep_for(Milliseconds(20));
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  CHECK(*read < 200);
}

TEST_CASE("nobody spins: waiting costs no processor time, and workers stop at the prefetch") {
  auto const read = std::make_shared<std::atomic<int>>(0);
  Source source;
  source.class_names = {"only"};
  source.labels.assign(1000, 0);
  source.image = [read](Index) {
    ++*read;
    return Image{Tensor<std::uint8_t, 3>::zeros({3, 4, 3})};
  };
  source.id = [](Index i) { return static_cast<std::uint64_t>(i); };
  source.where = [](Index) { return std::string(); };
  Loader loader(Examples(std::move(source)), plain, {.batch = 10, .threads = 3, .prefetch = 2});
  Batch batch;
  REQUIRE(loader.next(batch));
  std::this_thread::sleep_for(Milliseconds(50));
  auto const before = std::clock();
  std::this_thread::sleep_for(Milliseconds(300));
  CHECK(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC < 0.005);  // one spinning thread would take 0.3, or its share of a busy machine
  CHECK(*read == 40);                                                          // the batch given out and three slots
}

TEST_CASE("a training pass delivers the given positions in the given order, from any batch on") {
  std::vector<Index> const order{7, 3, 3, 19, 0, 12, 5};
  for (int const threads : {1, 4}) {
    for (Index const first : {0, 1, 2, 3}) {
      Loader loader(coloured(20, {}, Milliseconds(1)), plain, {.batch = 3, .threads = threads, .prefetch = 1}, {.order = order, .first_batch = first, .augmentation = Augmentation::none()});
      CHECK(loader.done() == std::min<Index>(3 * first, 7));
      CHECK(all_positions(loader) == std::vector<Index>(order.begin() + std::min<Index>(3 * first, 7), order.end()));
      CHECK(loader.done() == 7);
      CHECK(loader.total() == 7);
    }
  }
  Loader nothing(coloured(20), plain, {.batch = 3}, TrainingPass{});
  Batch batch;
  CHECK_FALSE(nothing.next(batch));
}

TEST_CASE("an augmented picture depends on its key alone: not on threads, batches, the order, or the subset it is in") {
  Preprocessing const input{.height = 6, .width = 6};
  Augmentation const augmentation{.flip = 0.5, .brightness = 0.4};
  auto const gather = [&](Examples const& examples, TrainingPass pass, LoaderSettings const& settings) {
    std::map<Index, std::vector<float>> pictures;  // by the position in the source
    pass.augmentation = augmentation;
    Loader loader(examples, input, settings, std::move(pass));
    Batch batch;
    while (loader.next(batch)) {
      for (Index row = 0; row < batch.size(); ++row) {
        auto const view = std::as_const(batch.images).view()[row];
        pictures[examples.indices()[static_cast<std::size_t>(batch.positions[static_cast<std::size_t>(row)])]] = {view.begin(), view.end()};
      }
    }
    return pictures;
  };
  auto const source = striped(30);
  auto const want = gather(source, {.order = counted(30), .seed = 4, .task = 1, .epoch = 2}, {.batch = 30});
  CHECK(std::set<std::vector<float>>({want.at(0), want.at(1), want.at(2), want.at(3)}).size() == 4);  // one picture, augmented in four ways
  auto backwards = counted(30);
  std::reverse(backwards.begin(), backwards.end());
  for (int const threads : {1, 3}) { CHECK(gather(source, {.order = backwards, .seed = 4, .task = 1, .epoch = 2}, {.batch = 7, .threads = threads}) == want); }
  auto const part = gather(source.subset({20, 11, 4}), {.order = {2, 0, 1}, .seed = 4, .task = 1, .epoch = 2}, {.batch = 2});
  for (Index const i : {20, 11, 4}) { CHECK(part.at(i) == want.at(i)); }
  CHECK(gather(source, {.order = counted(30), .seed = 4, .task = 1, .epoch = 3}, {.batch = 30}) != want);
  CHECK(gather(source, {.order = counted(30), .seed = 4, .task = 2, .epoch = 2}, {.batch = 30}) != want);
  CHECK(gather(source, {.order = counted(30), .seed = 5, .task = 1, .epoch = 2}, {.batch = 30}) != want);
}

TEST_CASE("bad pictures of a training pass are left out or thrown in the order of the pass") {
  Loader loader(coloured(20, {3, 9}), plain, {.batch = 2, .threads = 3}, {.order = {1, 2, 9, 3}, .augmentation = Augmentation::none()});
  Batch batch;
  CHECK(loader.next(batch));
  CHECK_THROWS_WITH_AS(loader.next(batch), "coloured: picture 9 is damaged", FileError);
  Loader tolerant(coloured(20, {3, 9}), plain, {.batch = 2, .threads = 3, .skip_bad = true}, {.order = {1, 2, 9, 4}, .augmentation = Augmentation::none()});
  CHECK(all_positions(tolerant) == std::vector<Index>{1, 2, 4});
}

TEST_CASE("settings without sense are refused") {
  CHECK_THROWS_WITH_AS(Loader(coloured(3), plain, {}, {.order = {0, 3}}), "Loader: position 3 of the order lies outside of the 3 examples", ValueError);
  CHECK_THROWS_AS(Loader(coloured(3), plain, {}, {.order = {-1}}), ValueError);
  CHECK_THROWS_AS(Loader(coloured(3), plain, {.batch = 2}, {.order = {0, 1, 2}, .first_batch = 3}), ValueError);
  CHECK_THROWS_AS(Loader(coloured(3), plain, {.batch = 2}, {.order = {0, 1, 2}, .first_batch = -1}), ValueError);

  CHECK_THROWS_AS(Loader(coloured(1), plain, {.batch = 0}), ValueError);
  CHECK_THROWS_AS(Loader(coloured(1), plain, {.threads = -1}), ValueError);
  CHECK_THROWS_AS(Loader(coloured(1), plain, {.prefetch = 0}), ValueError);
}

}  // namespace accrete::test
