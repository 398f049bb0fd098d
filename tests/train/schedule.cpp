#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/tolerances.hpp"

#include <accrete/train/schedule.hpp>

#include <doctest/doctest.h>

#include <string>

namespace accrete::test::schedule_test {
namespace {

static_assert(RateSchedule<AnyRate> && !RateSchedule<double>);

template <class Schedule>
void check_rates(std::string const& name, Schedule const& schedule) {
  CAPTURE(name);
  auto const want = golden("optimisers").read<double, 1>("rate." + name);
  Vector<double> got(want.shape());
  Vector<double> any(want.shape());
  for (Index t = 0; t < got.size(); ++t) {
    got(t) = schedule.rate(t);
    any(t) = AnyRate{schedule}.rate(t);
  }
  CHECK(relative_difference(got, want) <= tolerance<double>(Kind::elementwise));
  CHECK(same_bits(any, got));
}

}  // namespace

TEST_CASE("rates are those of torch's schedules") {
  check_rates("constant", ConstantRate{.base = 0.02});
  check_rates("cosine", CosineRate{.base = 0.02, .steps = 20, .minimum = 1e-3});
  check_rates("multistep", MultiStepRate{.base = 0.02, .milestones = {3, 7, 7}});
  check_rates("warmup", WarmupRate{.base = 0.02, .start = 0.1, .steps = 5});
  check_rates("warmup_cosine", WarmupCosineRate{.base = 0.02, .start = 0.1, .warmup = 5, .steps = 15, .minimum = 1e-3});
  check_rates("linear", LinearRate{.base = 0.02, .steps = 8});
  check_rates("coda", CodaRate{.base = 0.02, .epochs = 12});
}

TEST_CASE("a factor multiplies the base rate and leaves the common minimum") {
  CosineRate const cosine{.base = 1.0, .steps = 10, .minimum = 0.01};
  CHECK(cosine.rate(0, 0.1) == doctest::Approx(0.1));
  CHECK(cosine.rate(10, 0.1) == doctest::Approx(0.01));
  CHECK(cosine.rate(5, 0.1) == doctest::Approx(0.055));
  CHECK(ConstantRate{.base = 2.0}.rate(3, 0.5) == 1.0);
  CHECK(WarmupCosineRate{.base = 1.0, .start = 0.0, .warmup = 2, .steps = 4, .minimum = 0.0}.rate(1, 0.5) == 0.25);
}

TEST_CASE("the published quirks: the cosine never reaches its minimum, and CODA's first two epochs share a rate") {
  CosineRate const cosine{.base = 1.0, .steps = 20};
  CHECK(cosine.rate(19) > 0.0);
  CHECK(cosine.rate(21) > cosine.rate(20));
  CodaRate const coda{.base = 1.0, .epochs = 20};
  CHECK(coda.rate(0) == 1.0);
  CHECK(coda.rate(1) == 1.0);
  CHECK(coda.rate(2) < 1.0);
}

TEST_CASE("schedules without sense are refused") {
  CHECK_THROWS_AS(static_cast<void>(CosineRate{.steps = 0}.rate(0)), ValueError);
  CHECK_THROWS_AS(static_cast<void>(CosineRate{.steps = 3}.rate(-1)), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(LinearRate{.steps = 0}.rate(0)), ValueError);
  CHECK_THROWS_AS(static_cast<void>(WarmupRate{.steps = 0}.rate(0)), ValueError);
  CHECK_THROWS_AS(static_cast<void>(WarmupCosineRate{.warmup = -1}.rate(0)), ValueError);
  CHECK_THROWS_WITH_AS(static_cast<void>(CodaRate{.epochs = 1}.rate(0)), "CodaRate: needs at least 2 steps (came: 1)", ValueError);
}

}  // namespace accrete::test::schedule_test
