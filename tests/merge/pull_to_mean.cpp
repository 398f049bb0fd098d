#include "support/compare.hpp"
#include "support/files.hpp"

#include <accrete/io/model_file.hpp>
#include <accrete/merge/pull_to_mean.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace accrete::test::pull_to_mean_test {

namespace {

Vector<float> one(float value) {
  Vector<float> x({1});
  x(0) = value;
  return x;
}

PullToMean::State after(std::vector<float> const& history) {
  PullToMean::State state;
  Vector<float> kept({1});
  for (float const value : history) { PullToMean{}.fold(state, kept.view(), one(value).cview()); }
  return state;
}

float pulled(PullToMean const& merge, PullToMean::State const& state, float value) {
  auto x = one(value);
  merge.after_step(state, x.view());
  return x(0);
}

}  // namespace

TEST_CASE("a step pulls towards the mean of the ended tasks") {
  CHECK(pulled({}, after({1.0F}), 2.0F) == doctest::Approx(1.9F));
  CHECK(pulled({}, after({1.0F, 3.0F}), 4.0F) == doctest::Approx(3.8F));
  CHECK(pulled({}, {}, 4.0F) == 4.0F);
  CHECK(pulled({.momentum = 0.0}, after({1.0F}), 2.0F) == 2.0F);
}

TEST_CASE("many pulls at once are the pulls one by one") {
  auto const state = after({1.0F});
  float x = 2.0F;
  float const published[] = {1.9F, 1.81F, 1.729F};
  for (Index times = 1; times <= 13; ++times) {
    x = pulled({}, state, x);
    CHECK(pulled({.times = times}, state, 2.0F) == doctest::Approx(x));
    if (times <= 3) { CHECK(x == doctest::Approx(published[times - 1])); }
  }
  CHECK(x - 1.0F == doctest::Approx(0.2541866F));  // 0.9^13
}

TEST_CASE("an ended task becomes what is kept and part of the mean") {
  PullToMean const merge;
  PullToMean::State state;
  auto kept = one(0.0F);
  merge.fold(state, kept.view(), one(7.0F).cview());
  CHECK(kept(0) == 7.0F);
  CHECK(state.tasks == 1);
  merge.fold(state, kept.view(), one(1.0F).cview());
  CHECK(kept(0) == 1.0F);
  CHECK(state.sums == std::vector<double>{8.0});
}

TEST_CASE("a state goes through a file bit for bit") {
  TemporaryFolder const folder;
  for (auto const& state : {PullToMean::State{}, after({0.1F, 0.7F})}) {
    ModelWriter const writer("test");
    state.write(writer.scope("merge"));
    writer.write(folder / "m.safetensors");
    auto const again = PullToMean::State::read(ModelReader::open(folder / "m.safetensors", "test").scope("merge"));
    CHECK(again.tasks == state.tasks);
    CHECK(again.sums == state.sums);
  }
}

TEST_CASE("what does not fit is refused and changes nothing") {
  auto state = after({1.0F});
  Vector<float> two({2});
  two(0) = two(1) = 5.0F;
  CHECK_THROWS_AS(PullToMean{}.after_step(state, two.view()), ShapeError);
  CHECK_THROWS_AS(PullToMean{}.fold(state, two.view(), one(1.0F).cview()), ShapeError);
  CHECK_THROWS_AS(PullToMean{}.fold(state, two.view(), two.cview()), ShapeError);
  CHECK_THROWS_AS((PullToMean{.momentum = 1.5}).after_step(state, two.view()), ValueError);
  CHECK(two(0) == 5.0F);
  CHECK(state.tasks == 1);
}

}  // namespace accrete::test::pull_to_mean_test
