#include <accrete/core/settings.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace accrete {
namespace {

enum class Mode { fast, exact };

struct Policy {
  double ridge = 0.5;
  std::int64_t size = 10;
  Mode mode = Mode::exact;
  std::optional<double> limit = {};
};

std::vector<Setting<Policy>> settings() {
  return {number_setting<Policy>("ridge", "regularisation", &Policy::ridge, 0.0, 1e9), number_setting<Policy>("size", "how many", &Policy::size, std::int64_t{1}, std::int64_t{100}),
          choice_setting<Policy>("mode", "how", &Policy::mode, {{"fast", Mode::fast}, {"exact", Mode::exact}}), optional_setting<Policy>("limit", "a bound", &Policy::limit, "auto", 0.0, 10.0)};
}

TEST_CASE("settings are written as text and read back to the same bits") {
  Policy policy;
  policy.ridge = 0.1 + 0.2;
  Policy other;
  for (auto const& setting : settings()) { assign_setting(settings(), other, setting.name, setting.text(policy)); }
  CHECK(other.ridge == policy.ridge);
  CHECK(other.size == 10);
  assign_setting(settings(), other, "mode", "fast");
  CHECK(other.mode == Mode::fast);
  CHECK(settings()[2].text(other) == "fast");
}

TEST_CASE("an unknown setting or choice names the nearest valid one, and nothing changes") {
  Policy policy;
  CHECK_THROWS_WITH_AS(assign_setting(settings(), policy, "rigde", "1"), "settings: there is no 'rigde'; did you mean 'ridge'?", ValueError);
  CHECK_THROWS_WITH_AS(assign_setting(settings(), policy, "mode", "fats"), "mode: has no choice 'fats'; did you mean 'fast'?", ValueError);
  for (char const* const text : {"", "x", "1x", " 1", "0", "101", "1.5", "-1"}) { CHECK_THROWS_AS(assign_setting(settings(), policy, "size", text), ValueError); }
  for (char const* const text : {"nan", "inf", "-1", "1e10"}) { CHECK_THROWS_AS(assign_setting(settings(), policy, "ridge", text), ValueError); }
  CHECK(policy.size == 10);
  CHECK(policy.ridge == 0.5);
  CHECK_THROWS_AS(assign_setting(std::vector<Setting<Policy>>{}, policy, "a", "1"), ValueError);
}

TEST_CASE("a number that may be left to choose is written as a word") {
  Policy policy;
  CHECK(settings()[3].text(policy) == "auto");
  assign_setting(settings(), policy, "limit", "2.5");
  CHECK(policy.limit == 2.5);
  CHECK(settings()[3].text(policy) == "2.5");
  CHECK_THROWS_AS(assign_setting(settings(), policy, "limit", "11"), ValueError);
  CHECK_THROWS_AS(assign_setting(settings(), policy, "limit", "automatic"), ValueError);
  CHECK(policy.limit == 2.5);
  assign_setting(settings(), policy, "limit", "auto");
  CHECK(!policy.limit);
}

struct Inner {
  double a = 1.0;
  std::int64_t b = 2;
};
struct Base {
  double first = 0.0;
  Inner inner = {};
};
struct Whole : Base {
  std::string before = "x";
  Base part = {};
};

TEST_CASE("the settings of a part and of a base reach into the whole, a prefix in front of the name") {
  std::vector<Setting<Inner>> const inner{number_setting<Inner>("a", "", &Inner::a, 0.0, 9.0), number_setting<Inner>("b", "", &Inner::b, std::int64_t{0}, std::int64_t{9})};
  auto const base = part_settings(&Base::inner, inner, "in-");
  auto const in_part = part_settings(&Whole::part, base);
  auto const inherited = inherited_settings<Whole>(base);
  Whole whole;
  assign_setting(in_part, whole, "in-b", "7");
  assign_setting(inherited, whole, "in-b", "5");
  CHECK(whole.part.inner.b == 7);
  CHECK(whole.inner.b == 5);
  CHECK(in_part[1].text(whole) == "7");
  CHECK_THROWS_WITH_AS(assign_setting(in_part, whole, "in-a", "10"), doctest::Contains("in-a"), ValueError);
  CHECK(whole.part.inner.a == 1.0);
}

TEST_CASE("a text is cut at every separator, empty parts included") {
  using Parts = std::vector<std::string_view>;
  CHECK(split_text("a,bc,d", ',') == Parts{"a", "bc", "d"});
  CHECK(split_text("a,,b,", ',') == Parts{"a", "", "b", ""});
  CHECK(split_text("", ',') == Parts{""});
  CHECK(split_text("a,b", ' ') == Parts{"a,b"});
}

TEST_CASE("the nearest name has the fewest edits") {
  std::vector<std::string> const names{"simplecil", "ranpac", "coda"};
  CHECK(nearest_name("rampac", names) == "ranpac");
  CHECK(nearest_name("simple", names) == "simplecil");
  CHECK(nearest_name("x", {}) == "");
}

}  // namespace
}  // namespace accrete
