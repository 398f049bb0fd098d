#include "support/compare.hpp"
#include "support/files.hpp"

#include <accrete/core/rng.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/merge/fisher.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace accrete::test::fisher_test {

namespace {

Vector<float> of(std::vector<float> const& values) {
  Vector<float> x({static_cast<Index>(values.size())});
  std::copy(values.begin(), values.end(), x.begin());
  return x;
}

Vector<float> merged(FisherMerge<> const& rule, Vector<float> const& before, Vector<float> const& fisher_before, Vector<float> const& after, Vector<float> const& fisher_after) {
  Vector<float> kept = before;
  FisherMerge<>::State state;
  rule.fold(state, kept.view(), before.cview(), fisher_before);
  CHECK(same_bits(kept, before));
  rule.fold(state, kept.view(), after.cview(), fisher_after);
  CHECK(state.tasks == 2);
  CHECK(same_bits(*state.previous, fisher_after));  // the next task's F_0 is this one's F_1
  return kept;
}

float one(FisherMerge<> const& rule, float before, float fisher_before, float after, float fisher_after) { return merged(rule, of({before}), of({fisher_before}), of({after}), of({fisher_after}))(0); }

constexpr Index many = 4000;

/// Numbers of either sign and of many sizes.
Vector<float> numbers(std::uint64_t object) {
  Rng const random({.seed = 7, .purpose = Purpose::initialisation, .object = object});
  Vector<float> x({many});
  for (Index i = 0; i < many; ++i) { x(i) = random.normal(static_cast<std::uint64_t>(i)) * std::pow(10.0F, static_cast<float>(i % 9 - 4)); }
  return x;
}
Vector<float> fishers(std::uint64_t object) {
  Rng const random({.seed = 8, .purpose = Purpose::initialisation, .object = object});
  Vector<float> x({many});
  for (Index i = 0; i < many; ++i) { x(i) = i % 11 == 0 ? 0.0F : static_cast<float>(std::min(1e-4, std::pow(10.0, -24.0 * random.uniform(static_cast<std::uint64_t>(i))))); }
  return x;
}

}  // namespace

TEST_CASE("a mean by Fisher information is that of the formula") {
  CHECK(one({.alpha = 0.5}, 1.0F, 1e-4F, 3.0F, 3e-5F) == doctest::Approx(1.461538).epsilon(1e-6));
  CHECK(one({.alpha = 0.4}, 1.0F, 1e-4F, 3.0F, 3e-5F) == doctest::Approx(1.333333).epsilon(1e-6));
  CHECK(one({.alpha = 0.4}, 1.0F, 2e-5F, 3.0F, 2e-5F) == doctest::Approx(1.8).epsilon(1e-7));
}

TEST_CASE("where nothing is known, the mean is the plain one and never a NaN, with an epsilon and without") {
  for (double const epsilon : {1e-20, 0.0}) {
    CAPTURE(epsilon);
    CHECK(one({.alpha = 0.4, .epsilon = epsilon}, 1.0F, 0.0F, 3.0F, 0.0F) == doctest::Approx(1.8).epsilon(1e-7));
  }
  float const tiny = std::numeric_limits<float>::denorm_min();
  CHECK(std::isfinite(one({.alpha = 0.5, .epsilon = 0.0}, 1.0F, tiny, 3.0F, 0.0F)));
  CHECK(one({.alpha = 0.5, .epsilon = 0.0}, 1.0F, tiny, 3.0F, 0.0F) == 1.0F);
}

TEST_CASE("a common factor of both Fishers changes nothing below the cap") {
  auto const before = numbers(1);
  auto const after = numbers(2);
  auto const scaled = [](Vector<float> x) {
    for (float& value : x) { value *= 0.125F; }
    return x;
  };
  FisherMerge<> const rule{.alpha = 0.3, .epsilon = 0.0};
  CHECK(same_bits(merged(rule, before, fishers(1), after, fishers(2)), merged(rule, before, scaled(fishers(1)), after, scaled(fishers(2)))));
}

TEST_CASE("a mean lies between its two sides, and an alpha of none or all leaves the bits of one") {
  auto const before = numbers(3);
  auto const after = numbers(4);
  for (double const alpha : {0.0, 1e-9, 0.5, 0.999, 1.0}) {
    CAPTURE(alpha);
    auto const got = merged({.alpha = alpha}, before, fishers(3), after, fishers(4));
    bool inside = true;
    for (Index i = 0; i < many; ++i) { inside = inside && got(i) >= std::min(before(i), after(i)) && got(i) <= std::max(before(i), after(i)); }
    CHECK(inside);
    if (alpha == 0.0) { CHECK(same_bits(got, before)); }
    if (alpha == 1.0) { CHECK(same_bits(got, after)); }
  }
}

TEST_CASE("equal Fishers give the plain mean to the last digit, and so do equal weights without any") {
  auto const before = numbers(5);
  auto const after = numbers(6);
  Vector<float> common({many});
  std::fill(common.begin(), common.end(), 3e-5F);
  auto const by_fisher = merged({.alpha = 0.4}, before, common, after, common);
  FisherMerge<> const equal{.alpha = 0.4, .weights = MergeWeights::equal};
  CHECK_FALSE(equal.asks_for_fisher());
  Vector<float> plain = before;
  FisherMerge<>::State state{1, nullptr};
  equal.fold(state, plain.view(), after.cview(), {});
  CHECK(state.previous == nullptr);
  bool close = true;
  for (Index i = 0; i < many; ++i) {
    auto const want = static_cast<float>(0.6 * static_cast<double>(before(i)) + 0.4 * static_cast<double>(after(i)));
    close = close && plain(i) == want && by_fisher(i) >= std::nextafter(want, -INFINITY) && by_fisher(i) <= std::nextafter(want, INFINITY);
  }
  CHECK(close);
}

TEST_CASE("what does not fit is refused, and nothing is changed") {
  FisherMerge<> const rule;
  auto kept = of({1, 2, 3});
  auto const fresh = of({4, 5, 6});
  FisherMerge<>::State state;
  CHECK_THROWS_AS(rule.fold(state, kept.view(), of({1, 2}).cview(), of({1, 2})), ShapeError);
  CHECK_THROWS_AS(rule.fold(state, kept.view(), fresh.cview(), {}), ShapeError);
  CHECK_THROWS_AS((FisherMerge<>{.alpha = 1.5}.fold(state, kept.view(), fresh.cview(), of({1, 1, 1}))), ValueError);
  CHECK_THROWS_AS((FisherMerge<>{.epsilon = -1.0}.fold(state, kept.view(), fresh.cview(), of({1, 1, 1}))), ValueError);
  CHECK(state.tasks == 0);
  rule.fold(state, kept.view(), fresh.cview(), of({1, 1, 1}));
  auto longer = of({1, 2, 3, 4});
  CHECK_THROWS_AS(rule.fold(state, longer.view(), longer.cview(), of({1, 1, 1, 1})), ShapeError);
  CHECK(state.tasks == 1);
}

TEST_CASE("the state of a mean by Fisher information comes back from a file, and copies share it") {
  TemporaryFolder const folder;
  FisherMerge<>::State state;
  auto kept = of({1, 2});
  FisherMerge<>{}.fold(state, kept.view(), kept.cview(), of({1e-4F, 2e-5F}));
  CHECK(FisherMerge<>::State(state).previous == state.previous);
  ModelWriter const writer("merge");
  state.write(writer.scope("some"));
  FisherMerge<>::State{}.write(writer.scope("none"));
  writer.write(folder / "state");
  auto const reader = ModelReader::open(folder / "state", "merge");
  auto const read = FisherMerge<>::State::read(reader.scope("some"));
  CHECK(read.tasks == 1);
  CHECK(same_bits(*read.previous, *state.previous));
  CHECK(FisherMerge<>::State::read(reader.scope("none")).previous == nullptr);
}

}  // namespace accrete::test::fisher_test
