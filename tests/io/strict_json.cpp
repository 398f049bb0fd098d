#include <accrete/io/strict_json.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace accrete {
namespace {

TEST_CASE("plain JSON comes through") {
  Json const json = parse_strict_json(R"({"a": [1, {"a": 2.5}], "b": {"a": null}})", "f");
  CHECK((*json.find("a")->list())[1].find("a")->as<double>() == 2.5);
  CHECK(json.find("b")->find("a")->is_null());
  CHECK(parse_strict_json(" 3 ", "f").as<int>() == 3);
}

TEST_CASE("what a tree would hide is refused") {
  std::string const deep = std::string(100, '[') + std::string(100, ']');
  for (std::string const& text : {std::string(), std::string("{"), std::string(R"({"a":1,"a":2})"), std::string(R"([{"b":{"a":1,"a":2}}])"), std::string("{}\0", 3), std::string("\xEF\xBB\xBF{}"),
                                  std::string("1 2"), std::string("\"\xFF\""), std::string("1e999"), deep}) {
    CAPTURE(text);
    CHECK_THROWS_AS(static_cast<void>(parse_strict_json(text, "f")), FileError);
  }
}

TEST_CASE("the grammar is that of JSON, as another reader judges it") {
  for (char const* const text : {"0",
                                 "-0",
                                 "00",
                                 "01",
                                 "-",
                                 "+1",
                                 "1.",
                                 ".5",
                                 "1.5",
                                 "-1.25e-3",
                                 "1e",
                                 "1e+",
                                 "1E+2",
                                 "0x1",
                                 "Infinity",
                                 "nan",
                                 "18446744073709551615",
                                 "18446744073709551616",
                                 "-9223372036854775808",
                                 "-9223372036854775809",
                                 "true",
                                 "tru",
                                 "truee",
                                 "null",
                                 "nul",
                                 "[]",
                                 "[1,]",
                                 "[,1]",
                                 "[1 2]",
                                 "[1,2",
                                 "{}",
                                 "{,}",
                                 "{\"a\":1,}",
                                 "{\"a\"}",
                                 "{a:1}",
                                 "{\"a\" : [ { } , \"\" ] }",
                                 "\"",
                                 "\"a",
                                 "\"\\\"",
                                 "\"\\x\"",
                                 "\"\\u12\"",
                                 "\"\\u00e9\"",
                                 "\"\\ud83c\\udf0d\"",
                                 "\"\\ud83c\"",
                                 "\"\\ud83cx\"",
                                 "\"\\udf0d\"",
                                 "\"\\ud83c\\u0041\"",
                                 "\"\x01\"",
                                 "\"\x7F\"",
                                 "\"\xC0\x80\"",
                                 "\"\xED\xA0\x80\"",
                                 "\"\xF4\x90\x80\x80\"",
                                 "\"\xE2\x82\"",
                                 "/**/1",
                                 "1//",
                                 "\f1",
                                 "'a'",
                                 "]",
                                 "}",
                                 "\"\\u0000\""}) {
    CAPTURE(text);
    bool const wanted = nlohmann::json::accept(text);
    if (!wanted) {
      CHECK_THROWS_AS(static_cast<void>(parse_strict_json(text, "f")), FileError);
      continue;
    }
    Json json;
    CHECK_NOTHROW(json = parse_strict_json(text, "f"));
    CHECK(nlohmann::json::parse(json.dump()) == nlohmann::json::parse(text));
  }
}

}  // namespace
}  // namespace accrete
