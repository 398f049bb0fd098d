#include <accrete/io/strict_json.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace accrete {
namespace {

TEST_CASE("what is written is what another reader of JSON reads") {
  Json::Object members{{"text", "quote \" slash \\ \xC3\xA9\xF0\x9F\x8C\x8D\n\x01\x7F"},
                       {"most", std::numeric_limits<std::uint64_t>::max()},
                       {"least", std::numeric_limits<std::int64_t>::min()},
                       {"yes", true},
                       {"nothing", Json()},
                       {"whole", 3.0},
                       {"empty", Json::List()},
                       {"none", Json::Object()},
                       {"numbers", std::vector<double>{0.1, -1e-300, 5e-324, 1.7976931348623157e308, 1e22}}};
  Json const value(members);
  for (std::size_t const indent : {std::size_t{0}, std::size_t{2}}) {
    auto const read = nlohmann::json::parse(value.dump(indent));
    CHECK(read["text"] == *value.find("text")->text());
    CHECK(read["most"] == std::numeric_limits<std::uint64_t>::max());
    CHECK(read["least"] == std::numeric_limits<std::int64_t>::min());
    CHECK(read["yes"] == true);
    CHECK(read["nothing"].is_null());
    CHECK(read["whole"].is_number_float());
    CHECK(read["empty"] == nlohmann::json::array());
    CHECK(read["none"] == nlohmann::json::object());
    CHECK(read["numbers"].get<std::vector<double>>() == *value.find("numbers")->as<std::vector<double>>());
  }
  CHECK(value.dump().find('\n') == std::string::npos);
  CHECK(value.dump(2) == nlohmann::ordered_json::parse(value.dump()).dump(2));
}

TEST_CASE("what another writer of JSON wrote is read") {
  nlohmann::json const value{{"a", {1, -2, 2.5, nullptr, false, "\xC3\xA9"}}, {"b", {{"c", "\xF0\x9F\x8C\x8D \b\f\t/"}}}};
  for (bool const ascii : {false, true}) {
    Json const read = parse_strict_json(value.dump(1, '\t', ascii), "f");
    CHECK(nlohmann::json::parse(read.dump()) == value);
  }
}

TEST_CASE("a value is given as another type only where nothing is lost") {
  Json const read = parse_strict_json(R"({"n": 300, "m": -1, "x": 2.5, "t": "a", "l": [1, 2], "o": [1, "b"]})", "f");
  CHECK(read.find("n")->as<int>() == 300);
  CHECK_FALSE(read.find("n")->as<std::int8_t>());
  CHECK(read.find("n")->as<double>() == 300.0);
  CHECK_FALSE(read.find("m")->as<std::uint64_t>());
  CHECK(read.find("m")->as<int>() == -1);
  CHECK_FALSE(read.find("x")->as<int>());
  CHECK_FALSE(read.find("t")->as<double>());
  CHECK_FALSE(read.find("n")->as<bool>());
  CHECK(read.find("l")->as<std::vector<int>>() == std::vector<int>{1, 2});
  CHECK_FALSE(read.find("o")->as<std::vector<int>>());
  CHECK(read.find("z") == nullptr);
  CHECK(read.find("l")->find("n") == nullptr);
}

TEST_CASE("what JSON has no word for is told before it is written, and replaced in a text that must be written") {
  CHECK_FALSE(Json(std::numeric_limits<double>::quiet_NaN()).can_be_written());
  CHECK_FALSE(Json(Json::List{1, Json::Object{{"a", std::numeric_limits<double>::infinity()}}}).can_be_written());
  CHECK_FALSE(Json("\xFF").can_be_written());
  CHECK_FALSE(Json(Json::Object{{"\xC3", 1}}).can_be_written());
  CHECK(Json(Json::List{1.5, "\xC3\xA9"}).can_be_written());
  CHECK(Json(-std::numeric_limits<double>::infinity()).dump() == "null");
  CHECK(Json("a\xFF\xC3z").dump() == "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
  CHECK(json_quoted("\xC3\xA9\xF0\x9F\x8C\x8D\xFF", JsonText::ascii) == R"("\u00e9\ud83c\udf0d\ufffd")");
}

}  // namespace
}  // namespace accrete
