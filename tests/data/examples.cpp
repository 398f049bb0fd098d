#include <accrete/data/data_set.hpp>
#include <accrete/data/examples.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace accrete::test {
namespace {

/// Six pictures of three classes; picture i is one pixel of level i.
Examples six() {
  Source source;
  source.class_names = {"ant", "bee", "cat"};
  source.labels = {2, 0, 1, 2, 2, 0};
  source.image = [](Index i) {
    Image image{Tensor<std::uint8_t, 3>({1, 1, 3})};
    image.pixels(0, 0, 0) = static_cast<std::uint8_t>(i);
    return image;
  };
  source.id = [](Index i) { return static_cast<std::uint64_t>(100 + i); };
  source.where = [](Index i) { return "six[" + std::to_string(i) + "]"; };
  return Examples(std::move(source));
}

using Indices = std::vector<Index>;

}  // namespace

TEST_CASE("examples give label, picture, id and place by position, through any chain of subsets") {
  auto const all = six();
  CHECK(all.size() == 6);
  CHECK(all.label(1) == 0);
  auto const part = all.subset({5, 3, 3, 0}).subset({2, 0});
  CHECK(part.size() == 2);
  CHECK(part.indices() == Indices{3, 5});
  CHECK(part.label(0) == 2);
  CHECK(part.id(1) == 105);
  CHECK(part.where(0) == "six[3]");
  CHECK(part.image(0).pixels(0, 0, 0) == 3);
  CHECK(part.class_names() == all.class_names());
}

TEST_CASE("classes and first examples keep the order of the sequence") {
  auto const all = six();
  CHECK(all.of_classes({0, 2}).indices() == Indices{0, 1, 3, 4, 5});
  CHECK(all.of_classes({}).empty());
  CHECK(all.first_per_class(2).indices() == Indices{0, 1, 2, 3, 5});
  CHECK(all.subset({4, 3, 1}).first_per_class(1).indices() == Indices{4, 1});
  CHECK(all.first_per_class(0).empty());
  CHECK(all.evenly(3).indices() == Indices{0, 2, 4});
  CHECK(all.evenly(4).indices() == Indices{0, 1, 3, 4});
  CHECK(all.evenly(7).indices() == all.indices());
  CHECK(all.subset({4, 3, 1}).evenly(2).indices() == Indices{4, 3});
  CHECK(all.evenly(0).empty());
}

TEST_CASE("no examples at all are a valid sequence") {
  Examples const none;
  CHECK(none.size() == 0);
  CHECK(none.class_names().empty());
  CHECK(none.subset({}).empty());
  CHECK(DataSet{}.train.empty());
}

TEST_CASE("positions and labels outside of what exists are refused") {
  auto const all = six();
  CHECK_THROWS_AS(static_cast<void>(all.label(6)), ValueError);
  CHECK_THROWS_AS(static_cast<void>(all.id(-1)), ValueError);
  CHECK_THROWS_AS(static_cast<void>(all.subset({0, 6})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(all.of_classes({3})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(all.first_per_class(-1)), ValueError);
  CHECK_THROWS_AS(static_cast<void>(all.evenly(-1)), ValueError);
  CHECK_THROWS_AS(Examples(Source{.class_names = {"ant"}, .labels = {1}, .image = {}, .id = {}, .where = {}}), ValueError);
  CHECK_THROWS_AS(Examples(Source{.class_names = {"ant"}, .labels = {0}, .image = {}, .id = {}, .where = {}}), ValueError);
}

}  // namespace accrete::test
