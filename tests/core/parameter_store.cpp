#include "support/files.hpp"

#include <accrete/core/parameter_store.hpp>
#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace accrete {
namespace {

using Store = ParameterStore<float>;

/// A pool of prompts of which the last two rows learn, keys that do not decay, and a frozen head.
Store filled() {
  Store store;
  store.add({"prompt", {4, 3, 5}, "prompt", 2, true, 2, 2});
  store.add({"keys", {4, 7}, "key", 0, false, 0, 4});
  store.add({"head", {3, 5}, "head", -1, true, 0, 0});
  float value = 0.25F;
  for (auto const& segment : store.segments()) {
    for (float& element : store.values(segment.name)) { element = value++; }
  }
  return store;
}

TEST_CASE("all values of a segment lie side by side, those of no other among them") {
  Store store = filled();
  CHECK(store.segment("prompt").elements() == 60);
  CHECK(store.segment("keys").elements() == 28);
  auto const keys = store.values("keys");
  REQUIRE(keys.size() == 28);
  CHECK(keys.data() == store.view<2>("keys").data());
  CHECK(keys[27] == store.view<2>("keys")(3, 6));
  CHECK(std::as_const(store).values("head").size() == 15);
  CHECK_THROWS_AS(static_cast<void>(store.values("no such")), ValueError);
}

TEST_CASE("segments keep their shape and begin at a cache line") {
  Store store = filled();
  CHECK(store.size() == 3);
  CHECK(store.view<3>("prompt")(3, 2, 4) == 59.25F);
  CHECK(store.view<2>("keys")(0, 0) == 60.25F);
  for (char const* const name : {"keys", "head"}) { CHECK(reinterpret_cast<std::uintptr_t>(store.view<2>(name).data()) % 64 == 0); }
  CHECK(store.segment("keys").role == "key");
  CHECK(store.contains("head"));
  CHECK_FALSE(store.contains("tail"));
}

TEST_CASE("many segments added at once are those added one by one, or none is") {
  Store const wanted = filled();
  Store store;
  CHECK(store.add(wanted.segments().front()) == 0);
  CHECK(store.add_all({wanted.segments().begin() + 1, wanted.segments().end()}) == 1);
  for (auto const& segment : wanted.segments()) {
    auto const values = wanted.values(segment.name);
    std::copy(values.begin(), values.end(), store.values(segment.name).begin());
  }
  CHECK(store == wanted);
  CHECK_THROWS_AS(store.add_all({{"more", {2}, "head"}, {"keys", {2}, "key"}}), ValueError);
  CHECK_THROWS_AS(store.add_all({{"more", {2}, "head"}, {"more", {2}, "head"}}), ValueError);
  CHECK_THROWS_AS(store.add_all({{"more", {2}, "head"}, {"rows", {2}, "head", -1, true, 0, 3}}), ShapeError);
  CHECK(store == wanted);
}

TEST_CASE("what is frozen lies outside of every trainable span") {
  Store store = filled();
  Store const before = store;
  for (ParameterSpan const& span : store.trainable()) {
    for (float& value : store.view(span)) { value = -1.0F; }
  }
  for (Index row = 0; row < 4; ++row) {
    bool const learns = row >= 2;
    CHECK((store.view<3>("prompt")(row, 0, 0) == -1.0F) == learns);
    CHECK((store.view<3>("prompt")(row, 2, 4) == -1.0F) == learns);
  }
  CHECK(std::all_of(store.view<2>("keys").begin(), store.view<2>("keys").end(), [](float value) { return value == -1.0F; }));
  auto const head = store.view<2>("head");
  CHECK(std::equal(head.begin(), head.end(), before.view<2>("head").begin()));
}

TEST_CASE("spans are found by role and follow what may learn") {
  Store store = filled();
  CHECK(store.trainable().size() == 2);
  CHECK(store.trainable("key").size() == 1);
  CHECK(store.trainable("head").empty());
  CHECK(store.trainable("prompt").front().count == 30);
  store.train_rows("head", 1, 2);
  REQUIRE(store.trainable("head").size() == 1);
  CHECK(store.view(store.trainable("head").front()).data() == &store.view<2>("head")(1, 0));
  store.train_rows("prompt", 0, 0);
  CHECK(store.trainable("prompt").empty());
}

TEST_CASE("a segment that grows keeps all values, and its new rows are frozen zeros") {
  Store store = filled();
  Store const before = store;
  store.grow("keys", 40);
  CHECK(store.segment("keys").shape == std::vector<Index>{40, 7});
  CHECK(store.segment("keys").trainable_rows == 4);
  for (char const* const name : {"keys", "head"}) {
    auto const old = before.view<2>(name);
    CHECK(std::equal(old.begin(), old.end(), store.view<2>(name).begin()));
    CHECK(reinterpret_cast<std::uintptr_t>(store.view<2>(name).data()) % 64 == 0);
  }
  auto const fresh = store.view<2>("keys").slice(4, 36);
  CHECK(std::all_of(fresh.begin(), fresh.end(), [](float value) { return value == 0.0F; }));
  CHECK(std::equal(before.view<3>("prompt").begin(), before.view<3>("prompt").end(), store.view<3>("prompt").begin()));
}

TEST_CASE("what a file keeps is the same store to the bit") {
  test::TemporaryFolder const folder;
  Store store = filled();
  store.view<2>("head")(0, 0) = -0.0F;
  ModelWriter const writer("test");
  store.write(writer.scope("parameters"));
  writer.write(folder / "store.safetensors");
  auto const read = Store::read(ModelReader::open(folder / "store.safetensors", "test").scope("parameters"));
  CHECK(read == store);
  CHECK(read.trainable() == store.trainable());
  Store changed = store;
  changed.view<2>("head")(0, 0) = 0.0F;
  CHECK_FALSE(read == changed);
}

TEST_CASE("a store of doubles is as good") {
  ParameterStore<double> store;
  store.add({"w", {3}, "head", 0, true, 0, 3});
  store.add({"v", {1}, "head", 0, true, 0, 1});
  CHECK(reinterpret_cast<std::uintptr_t>(store.view<1>("v").data()) % 64 == 0);
  CHECK(store.values().size() == 9);
}

TEST_CASE("what does not fit is refused and changes nothing") {
  Store store = filled();
  Store const before = store;
  CHECK_THROWS_AS(store.add({"", {1}, "", 0, true, 0, 0}), ValueError);
  CHECK_THROWS_AS(store.add({"keys", {1}, "", 0, true, 0, 0}), ValueError);
  CHECK_THROWS_AS(store.add({"x", {}, "", 0, true, 0, 0}), ShapeError);
  CHECK_THROWS_AS(store.add({"x", {2, -1}, "", 0, true, 0, 0}), ShapeError);
  CHECK_THROWS_AS(store.add({"x", {2}, "", 0, true, 1, 2}), ShapeError);
  CHECK_THROWS_AS(store.train_rows("keys", -1, 1), ShapeError);
  CHECK_THROWS_AS(store.train_rows("none", 0, 1), ValueError);
  CHECK_THROWS_AS(store.grow("keys", 3), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(store.view<3>("keys")), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(store.view<2>("none")), ValueError);
  CHECK(store == before);
}

}  // namespace
}  // namespace accrete
