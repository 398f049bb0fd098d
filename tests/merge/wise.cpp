#include "support/compare.hpp"
#include "support/files.hpp"

#include <accrete/io/model_file.hpp>
#include <accrete/merge/periodic_average.hpp>
#include <accrete/merge/wise.hpp>

#include <doctest/doctest.h>

#include <algorithm>

using namespace accrete;
using namespace accrete::test;

namespace {

Vector<float> filled(float value) {
  Vector<float> x({3});
  std::fill(x.begin(), x.end(), value);
  return x;
}

}  // namespace

TEST_CASE("a task's end is drawn back to its start, the first one's too") {
  static_assert(FoldsFirstTask<Wise<>>);
  auto kept = filled(0.1F);
  Wise<>::State state;
  Wise<>{.alpha = 0.8}.fold(state, kept.view(), filled(1.0F).cview());
  CHECK(kept(2) == doctest::Approx(0.82).epsilon(1e-6));
  CHECK(state.published == nullptr);
  auto same = filled(0.1F);
  Wise<>{.alpha = 1.0}.fold(state, same.view(), filled(0.3F).cview());
  CHECK(same_bits(same, filled(0.3F)));
  Wise<>{.alpha = 0.0}.fold(state, same.view(), filled(0.7F).cview());
  CHECK(same_bits(same, filled(0.3F)));
  CHECK_THROWS_AS((Wise<>{.alpha = 1.1}.fold(state, same.view(), filled(0.7F).cview())), ValueError);
  CHECK_THROWS_AS((Wise<>{}.fold(state, same.view(), filled(0.7F).cview().slice(0, 2))), ShapeError);
}

TEST_CASE("or to what was published, whatever the tasks between made of it") {
  TemporaryFolder const folder;
  Wise<> const rule{.alpha = 0.5, .reference = WiseReference::published};
  Wise<>::State state;
  auto kept = filled(1.0F);
  rule.fold(state, kept.view(), filled(3.0F).cview());
  CHECK(kept(0) == 2.0F);
  ModelWriter const writer("merge");
  state.write(writer);
  writer.write(folder / "state");
  auto read = Wise<>::State::read(ModelReader::open(folder / "state", "merge"));
  rule.fold(read, kept.view(), filled(5.0F).cview());
  CHECK(kept(0) == 3.0F);
}

TEST_CASE("a periodic average is the plain mean of the start and of every so many steps, the first one first") {
  PeriodicAverage<100> const rule;
  PeriodicAverage<100>::State state;
  rule.begin(state, filled(0.0F).cview());
  auto const ones = filled(1.0F);
  for (int step = 0; step <= 1000; ++step) { rule.follow(state, ones.cview()); }
  CHECK(state.terms == 12);  // 11 merges
  CHECK(state.average(1) == doctest::Approx(11.0 / 12.0).epsilon(1e-6));

  PeriodicAverage<2> const often;
  PeriodicAverage<2>::State taken;
  often.begin(taken, filled(10.0F).cview());
  for (float const value : {1.0F, 100.0F, 4.0F, 100.0F, 9.0F}) { often.follow(taken, filled(value).cview()); }
  auto kept = filled(-1.0F);
  often.fold(taken, kept.view(), filled(9.0F).cview());
  CHECK(kept(0) == doctest::Approx((10.0 + 1.0 + 4.0 + 9.0) / 4.0).epsilon(1e-6));
  CHECK(taken.average.empty());
  CHECK_THROWS_AS(often.follow(taken, filled(1.0F).cview()), ShapeError);
  CHECK_THROWS_AS(often.fold(taken, kept.view(), filled(1.0F).cview()), ShapeError);
  CHECK(PeriodicAverage<2>::composition() == "periodic-average<2, backbone>");
}

TEST_CASE("a periodic average goes on from a file with the same bits") {
  TemporaryFolder const folder;
  PeriodicAverage<2> const rule;
  PeriodicAverage<2>::State whole;
  rule.begin(whole, filled(0.3F).cview());
  rule.follow(whole, filled(0.7F).cview());
  ModelWriter const writer("merge");
  whole.write(writer);
  writer.write(folder / "state");
  auto read = PeriodicAverage<2>::State::read(ModelReader::open(folder / "state", "merge"));
  for (float const value : {0.1F, 0.9F, 0.2F}) {
    rule.follow(whole, filled(value).cview());
    rule.follow(read, filled(value).cview());
  }
  CHECK(same_bits(read.average, whole.average));
  CHECK(read.terms == whole.terms);
}
