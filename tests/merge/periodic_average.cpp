#include "support/compare.hpp"
#include "support/files.hpp"

#include <accrete/host/host.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/merge/periodic_average.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace accrete::test::periodic_average_test {

namespace {

HostExecutor<> const exec{.threads = 2};

ParameterStore<float> filled(float value, Index length = 3) {
  ParameterStore<float> store;
  store.add({.name = "weight", .shape = {length}, .role = "backbone", .trainable_rows = length});
  auto const values = store.view<1>("weight");
  std::fill(values.begin(), values.end(), value);
  return store;
}

template <class State>
float first(State const& state) {
  return state.averaged().template view<1>("weight")[0];
}

}  // namespace

TEST_CASE("a periodic average is the plain mean of the start and of every so many steps, the first one first") {
  PeriodicAverage<100> const rule;
  PeriodicAverage<100>::State state;
  rule.begin_task(state, filled(0.0F), {});
  auto const ones = filled(1.0F);
  for (int step = 0; step <= 1000; ++step) { rule.after_step(exec, state, ones); }
  CHECK(state.terms() == 12);  // 11 merges
  CHECK(first(state) == doctest::Approx(11.0 / 12.0).epsilon(1e-6));

  PeriodicAverage<2> const often;
  PeriodicAverage<2>::State taken;
  often.begin_task(taken, filled(10.0F), {});
  for (float const value : {1.0F, 100.0F, 4.0F, 100.0F, 9.0F}) { often.after_step(exec, taken, filled(value)); }
  CHECK(first(taken) == doctest::Approx((10.0 + 1.0 + 4.0 + 9.0) / 4.0).epsilon(1e-6));
  CHECK_THROWS_AS(often.after_step(exec, taken, filled(1.0F, 40)), ShapeError);
  auto kept = filled(-1.0F);
  CHECK_THROWS_AS(often.fold(taken, kept.values(), filled(1.0F, 40).values()), ShapeError);
  auto const average = taken.averaged();
  often.fold(taken, kept.values(), average.values());
  CHECK(kept == average);
  CHECK(taken.averaged().size() == 0);
  CHECK(PeriodicAverage<2>::composition() == "periodic-average<2, backbone>");
}

TEST_CASE("a periodic average goes on from a file with the same bits") {
  TemporaryFolder const folder;
  PeriodicAverage<2> const rule;
  PeriodicAverage<2>::State whole;
  rule.begin_task(whole, filled(0.3F), {});
  rule.after_step(exec, whole, filled(0.7F));
  ModelWriter const writer("merge");
  whole.write(writer);
  writer.write(folder / "state");
  auto read = PeriodicAverage<2>::State::read(ModelReader::open(folder / "state", "merge"));
  for (float const value : {0.1F, 0.9F, 0.2F}) {
    rule.after_step(exec, whole, filled(value));
    rule.after_step(exec, read, filled(value));
  }
  CHECK(read.averaged() == whole.averaged());
  CHECK(read.terms() == whole.terms());
}

}  // namespace accrete::test::periodic_average_test
