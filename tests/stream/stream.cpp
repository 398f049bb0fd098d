#include "support/files.hpp"
#include "support/golden.hpp"

#include <accrete/stream/stream.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace accrete {
namespace {

nlohmann::json const& protocol() {
  static auto const json = nlohmann::json::parse(test::read_file(test::golden_path("protocol.json")));
  return json;
}

/// `each` pictures of every class, classes taking turns; picture i is called "name[i]".
Examples pictures(Index classes, Index each, std::string const& name) {
  Source source;
  for (Index c = 0; c < classes; ++c) { source.class_names.push_back("class " + std::to_string(c)); }
  for (Index i = 0; i < classes * each; ++i) { source.labels.push_back(i % classes); }
  source.image = [](Index) { return Image{}; };
  source.id = [](Index i) { return static_cast<std::uint64_t>(i) + 1000; };
  source.where = [name](Index i) { return name + "[" + std::to_string(i) + "]"; };
  return Examples(source);
}

DataSet data_set(Index classes) { return {pictures(classes, 4, "train"), pictures(classes, 2, "test"), "made up", ""}; }

std::set<Index> labels_of(Examples const& examples) {
  std::set<Index> labels;
  for (Index i = 0; i < examples.size(); ++i) { labels.insert(examples.label(i)); }
  return labels;
}

std::vector<Index> sizes_of(std::vector<Task> const& tasks) {
  std::vector<Index> sizes;
  for (Task const& task : tasks) { sizes.push_back(task.info.classes); }
  return sizes;
}

TEST_CASE("class orders are numpy's for every seed and size of the reference") {
  for (auto const& one : protocol()["orders"]) {
    CAPTURE(one["seed"]);
    CAPTURE(one["n"]);
    CHECK(legacy_permutation(one["n"].get<Index>(), one["seed"].get<std::uint32_t>()) == one["order"].get<std::vector<Index>>());
  }
  CHECK(legacy_permutation(0, 1).empty());
  CHECK(legacy_permutation(1, 1) == std::vector<Index>{0});
  CHECK_THROWS_AS(static_cast<void>(legacy_permutation(-1, 1)), ShapeError);
}

TEST_CASE("pictures are put task after task, and stay in their order inside a task") {
  Examples const all = pictures(4, 2, "test");  // classes 0, 1, 2, 3, 0, 1, 2, 3
  ClassMap classes;
  for (Index const c : {2, 0, 3}) { classes.add("class " + std::to_string(c), c == 2 ? 0 : 1); }
  CHECK(by_task(all.of_classes({0, 2, 3}), classes).indices() == std::vector<Index>{2, 6, 0, 3, 4, 7});
  CHECK(by_task(all.subset({7, 6, 0}), classes).indices() == std::vector<Index>{6, 7, 0});
  CHECK_THROWS_AS(static_cast<void>(by_task(all, classes)), ValueError);
}

TEST_CASE("what is held out is a share of each class, drawn by the seed, and in no other part") {
  Examples const all = pictures(3, 29, "train");
  HeldOut const split = hold_out(all, 0.1, 7);
  REQUIRE(split.held.size() == 3 * 2);
  REQUIRE(split.rest.size() == 3 * 27);
  std::map<std::string, int> parts;
  std::map<Index, int> held;
  for (Index i = 0; i < split.held.size(); ++i) {
    ++parts[split.held.where(i)];
    ++held[split.held.label(i)];
    CHECK((i == 0 || split.held.id(i - 1) < split.held.id(i)));
  }
  for (Index i = 0; i < split.rest.size(); ++i) {
    ++parts[split.rest.where(i)];
    CHECK((i == 0 || split.rest.id(i - 1) < split.rest.id(i)));
  }
  CHECK(parts.size() == 3 * 29);
  CHECK(held == std::map<Index, int>{{0, 2}, {1, 2}, {2, 2}});
  auto const places = [&](std::uint64_t seed) {
    std::vector<std::uint64_t> ids;
    auto const drawn = hold_out(all, 0.1, seed).held;
    for (Index i = 0; i < drawn.size(); ++i) { ids.push_back(drawn.id(i)); }
    return ids;
  };
  CHECK(places(7) == places(7));
  CHECK(places(7) != places(8));
  CHECK(hold_out(all.first_per_class(9), 0.1, 7).held.empty());
  CHECK_THROWS_AS(static_cast<void>(hold_out(all, 1.0, 7)), ValueError);
}

TEST_CASE("task sizes are cut as the reference cuts them") {
  for (auto const& one : protocol()["increments"]) { CHECK(increments(one["total"].get<Index>(), one["first"].get<Index>(), one["step"].get<Index>()) == one["sizes"].get<std::vector<Index>>()); }
}

TEST_CASE("task sizes follow the settings") {
  CHECK(task_sizes(10, {.tasks = 4}) == std::vector<Index>{3, 3, 2, 2});
  CHECK(task_sizes(10, {.tasks = 10}) == std::vector<Index>(10, 1));
  CHECK(task_sizes(100, {.increment = 10}) == std::vector<Index>(10, 10));
  CHECK(task_sizes(10, {.initial = 4, .increment = 4}) == std::vector<Index>{4, 4, 2});
  CHECK(task_sizes(10, {.initial = 4}) == std::vector<Index>{4, 6});
  CHECK(task_sizes(10, {.initial = 10}) == std::vector<Index>{10});
  CHECK(task_sizes(100, {}) == std::vector<Index>(10, 10));
  CHECK(task_sizes(10, {}) == std::vector<Index>(5, 2));
  CHECK(task_sizes(3, {}) == std::vector<Index>(3, 1));
  for (StreamSettings const& bad : {StreamSettings{.tasks = 11}, StreamSettings{.tasks = -1}, StreamSettings{.tasks = 2, .increment = 5}, StreamSettings{.initial = 11},
                                    StreamSettings{.increment = -3}, StreamSettings{.increment = 11}}) {
    CHECK_THROWS_AS(static_cast<void>(task_sizes(10, bad)), ValueError);
  }
  CHECK_THROWS_AS(static_cast<void>(task_sizes(0, {})), ValueError);
}

TEST_CASE("a class-incremental stream brings every class once, in the order of the seed, and judges by all classes seen") {
  DataSet const data = data_set(10);
  auto const tasks = class_incremental(data, {.seed = 1993, .tasks = 4});
  CHECK(sizes_of(tasks) == std::vector<Index>{3, 3, 2, 2});
  std::vector<Index> order;
  Index first = 0;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    Task const& task = tasks[t];
    order.insert(order.end(), task.labels.begin(), task.labels.end());
    CHECK(task.info == TaskInfo{static_cast<Index>(t), first, static_cast<Index>(task.labels.size())});
    first += task.info.classes;
    std::set<Index> const own(task.labels.begin(), task.labels.end());
    CHECK(labels_of(task.train()) == own);
    CHECK(labels_of(task.test()) == own);
    CHECK(labels_of(task.seen()) == std::set<Index>(order.begin(), order.end()));
    CHECK(task.train().size() == 4 * task.info.classes);
    CHECK(task.seen().size() == 2 * static_cast<Index>(order.size()));
    CHECK(task.train().where(0).starts_with("train["));
    CHECK(task.seen().where(0).starts_with("test["));
  }
  CHECK(order == std::vector<Index>{4, 2, 7, 6, 0, 3, 5, 8, 9, 1});
}

TEST_CASE("explicit classes are the subset and the order") {
  auto const tasks = class_incremental(data_set(10), {.classes = {7, 1, 5}, .increment = 2});
  CHECK(sizes_of(tasks) == std::vector<Index>{2, 1});
  CHECK(tasks[0].labels == std::vector<Index>{7, 1});
  CHECK(tasks[1].labels == std::vector<Index>{5});
  CHECK(tasks[1].seen().size() == 6);
}

TEST_CASE("train_per_class takes the first pictures of each class in file order and leaves the test alone") {
  auto const tasks = class_incremental(data_set(3), {.classes = {2, 0, 1}, .tasks = 1, .train_per_class = 2});
  std::vector<std::string> names;
  for (Index i = 0; i < tasks[0].train().size(); ++i) { names.push_back(tasks[0].train().where(i)); }
  CHECK(names == std::vector<std::string>{"train[0]", "train[1]", "train[2]", "train[3]", "train[4]", "train[5]"});
  CHECK(tasks[0].test().size() == 6);
}

TEST_CASE("a number of classes per task is its own type") {
  CHECK(sizes_of(class_incremental(data_set(10), ClassesPerTask{4})) == std::vector<Index>{4, 4, 2});
  CHECK_THROWS_AS(static_cast<void>(class_incremental(data_set(10), ClassesPerTask{0})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(class_incremental(data_set(10), ClassesPerTask{11})), ValueError);
}

TEST_CASE("classes that are unknown, come twice or have no picture are refused, and so are names that differ") {
  DataSet const data = data_set(4);
  CHECK_THROWS_WITH_AS(static_cast<void>(class_incremental(data, {.classes = {0, 4}})), "class_order: there is no class 4; made up has the labels 0 to 3", ValueError);
  CHECK_THROWS_AS(static_cast<void>(class_incremental(data, {.classes = {-1}})), ValueError);
  CHECK_THROWS_WITH_AS(static_cast<void>(class_incremental(data, {.classes = {1, 1}})), "class_order: class 1 comes twice", ValueError);
  CHECK_THROWS_AS(static_cast<void>(class_incremental(data, {.train_per_class = -1})), ValueError);
  DataSet const without{data.train.of_classes({0, 1, 2}), data.test, "short", ""};
  CHECK_THROWS_WITH_AS(static_cast<void>(class_incremental(without, {})), "class_order: class 3 (class 3) has no training picture", ValueError);
  DataSet const other{data.train, pictures(5, 1, "test"), "odd", ""};
  CHECK_THROWS_AS(static_cast<void>(class_incremental(other, {})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(class_incremental(DataSet{}, {})), ValueError);
}

TEST_CASE("a domain-incremental stream repeats the classes, and judges by the domains seen or by all") {
  std::vector<DataSet> const domains{{pictures(3, 2, "photo"), pictures(3, 1, "photo test"), "photo", ""}, {pictures(3, 4, "sketch"), pictures(3, 5, "sketch test"), "sketch", ""}};
  auto const tasks = domain_incremental(domains);
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0].info == TaskInfo{0, 0, 3});
  CHECK(tasks[1].info == TaskInfo{1, 3, 0});
  CHECK(tasks[1].labels == std::vector<Index>{0, 1, 2});
  CHECK(tasks[1].train().where(0) == "sketch[0]");
  CHECK(tasks[0].seen().size() == 3);
  Examples const seen = tasks[1].seen();
  CHECK(seen.size() == 18);
  CHECK(seen.where(2) == "photo test[2]");
  CHECK(seen.where(3) == "sketch test[0]");
  CHECK(seen.label(4) == 1);
  CHECK(seen.id(4) == 1001);
  CHECK(seen.of_classes({2}).where(1) == "sketch test[2]");
  CHECK(tasks[1].test().size() == 15);
  auto const all = domain_incremental(domains, {.judged_by = JudgedBy::all_domains, .train_per_class = 1});
  CHECK(all[0].seen().size() == 18);
  CHECK(all[1].train().size() == 3);
}

TEST_CASE("domains that do not fit each other are refused") {
  DataSet const three = data_set(3);
  CHECK_THROWS_AS(static_cast<void>(domain_incremental({})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(domain_incremental({three, data_set(4)})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(domain_incremental({three, {three.train.subset({}), three.test, "empty", ""}})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(join({})), ValueError);
}

TEST_CASE("joined parts, empty ones included, keep every picture in order") {
  Examples const joined = join({pictures(2, 0, "none"), pictures(2, 1, "a"), pictures(2, 0, "none"), pictures(2, 2, "b")});
  std::vector<std::string> names;
  for (Index i = 0; i < joined.size(); ++i) { names.push_back(joined.where(i)); }
  CHECK(names == std::vector<std::string>{"a[0]", "a[1]", "b[0]", "b[1]", "b[2]", "b[3]"});
}

TEST_CASE("an online stream shows every picture once, in small chunks, and knows which classes are new") {
  DataSet const data = data_set(6);
  auto const chunks = online(data, {.order = {.tasks = 2}, .chunk = 5});
  REQUIRE(chunks.size() == 6);  // 12 pictures a task: 5, 5, 2
  std::map<std::string, int> shown;
  std::set<Index> known;
  for (Task const& chunk : chunks) {
    CHECK(chunk.info.index == &chunk - chunks.data());
    CHECK(chunk.info.first_class == static_cast<Index>(known.size()));
    for (Index i = 0; i < chunk.train().size(); ++i) { ++shown[chunk.train().where(i)]; }
    known.merge(labels_of(chunk.train()));
    CHECK(chunk.info.first_class + chunk.info.classes == static_cast<Index>(known.size()));
    CHECK(std::set<Index>(chunk.labels.begin(), chunk.labels.end()) == labels_of(chunk.train()));
    CHECK(labels_of(chunk.seen()) == known);
  }
  CHECK(shown.size() == 24);
  CHECK(std::all_of(shown.begin(), shown.end(), [](auto const& one) { return one.second == 1; }));
  CHECK(chunks[2].train().size() == 2);
  CHECK(chunks[2].info.first_class + chunks[2].info.classes == 3);  // the second task has not begun
}

TEST_CASE("the order inside an online stream depends on the seed alone") {
  auto const order = [](std::uint64_t seed) {
    std::vector<std::string> names;
    for (Task const& chunk : online(data_set(4), {.order = {.tasks = 1}, .chunk = 3, .seed = seed})) {
      for (Index i = 0; i < chunk.train().size(); ++i) { names.push_back(chunk.train().where(i)); }
    }
    return names;
  };
  CHECK(order(1) == order(1));
  CHECK(order(1) != order(2));
  CHECK_THROWS_AS(static_cast<void>(online(data_set(2), {.chunk = 0})), ValueError);
}

}  // namespace
}  // namespace accrete
