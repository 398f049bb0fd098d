#include <accrete/io/strict_json.hpp>

#include <doctest/doctest.h>

#include <string>

namespace accrete {
namespace {

TEST_CASE("plain JSON comes through") {
  auto const json = parse_strict_json(R"({"a": [1, {"a": 2.5}], "b": {"a": null}})", "f");
  CHECK(json["a"][1]["a"] == 2.5);
  CHECK(parse_strict_json(" 3 ", "f") == 3);
}

TEST_CASE("what a tree would hide is refused") {
  std::string const deep = std::string(100, '[') + std::string(100, ']');
  for (std::string const& text : {std::string(), std::string("{"), std::string(R"({"a":1,"a":2})"), std::string(R"([{"b":{"a":1,"a":2}}])"), std::string("{}\0", 3), std::string("\xEF\xBB\xBF{}"),
                                  std::string("1 2"), std::string("\"\xFF\""), std::string("1e999"), deep}) {
    CAPTURE(text);
    CHECK_THROWS_AS(static_cast<void>(parse_strict_json(text, "f")), FileError);
  }
}

}  // namespace
}  // namespace accrete
