#include <accrete/core/task.hpp>

#include <doctest/doctest.h>

#include <string>

namespace accrete {
namespace {

ClassMap three() {
  ClassMap map;
  map.add("cat", 0);
  map.add("dog", 0);
  map.add("horse", 1);
  return map;
}

TEST_CASE("a class keeps its column and its task when it comes again") {
  ClassMap map = three();
  CHECK(map.add("dog", 5) == 1);
  CHECK(map.size() == 3);
  CHECK(map.task(1) == 0);
  CHECK(map.name(2) == "horse");
  CHECK(map.task(2) == 1);
  CHECK(map.at("horse") == 2);
  CHECK_FALSE(map.find("cow").has_value());
}

TEST_CASE("a removed class frees its column and the later ones move up") {
  ClassMap map = three();
  map.remove(0);
  CHECK(map.size() == 2);
  CHECK(map.at("dog") == 0);
  CHECK(map.at("horse") == 1);
  CHECK(map.task(1) == 1);
  CHECK_FALSE(map.find("cat").has_value());
  CHECK(map.add("cat", 2) == 2);
}

TEST_CASE("an unknown class is refused and the nearest one is named") {
  CHECK_THROWS_WITH_AS(static_cast<void>(three().at("hors")), "ClassMap: there is no class 'hors'; did you mean 'horse'?", ValueError);
  CHECK_THROWS_AS(static_cast<void>(ClassMap().at("cat")), ValueError);
}

TEST_CASE("a column outside of the map is refused and nothing changes") {
  ClassMap map = three();
  CHECK_THROWS_AS(map.remove(3), ShapeError);
  CHECK_THROWS_AS(map.remove(-1), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(map.name(3)), ShapeError);
  CHECK(map == three());
}

}  // namespace
}  // namespace accrete
