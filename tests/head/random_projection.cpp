#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/no_projection.hpp>
#include <accrete/head/random_projection.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace accrete::test::random_projection_test {

TEST_CASE("a projection drawn in panels of any size has the same bits") {
  RandomProjection const map(20, 1300, 7);
  auto const whole = map.weights(0, 1300);
  for (Index const width : {1, 7, 512, 1000}) {
    for (Index first = 0; first < 1300; first += width) {
      Index const count = std::min(width, 1300 - first);
      CHECK(same_bits(map.weights(first, count).cview(), whole.cview().slice(first, count)));
    }
  }
  Rng const random({.seed = 7, .purpose = Purpose::projection});
  CHECK(whole(5, 3) == random.normal(3 * 1300 + 5));
  CHECK_FALSE(same_bits(RandomProjection(20, 1300, 8).weights(0, 3), map.weights(0, 3)));
}

TEST_CASE("the weights are standard normal") {
  auto const weights = RandomProjection(400, 500, 1993).weights(0, 500);
  double sum = 0.0;
  double square = 0.0;
  for (float const w : weights) {
    sum += static_cast<double>(w);
    square += static_cast<double>(w) * static_cast<double>(w);
  }
  auto const count = static_cast<double>(weights.size());
  CHECK(std::abs(sum / count) < 5.0 / std::sqrt(count));  // five standard deviations of either estimate
  CHECK(std::abs(square / count - 1.0) < 5.0 * std::sqrt(2.0 / count));
}

TEST_CASE_TEMPLATE("a projection rectifies the product, panel by panel with the same bits", Exec, ACCRETE_HOST_EXECUTORS) {
  RandomProjection const map(24, 1100, 3);
  auto const features = random_matrix<float>(37, 24, 9);
  auto want = naive_product(features, transposed(map.weights(0, 1100)));
  for (double& h : want) { h = std::max(h, 0.0); }
  Matrix<float> whole({37, 1100});
  map.apply(Exec{.threads = 2}, features.cview(), 0, RowsView<float>(whole.view()));
  CHECK(relative_difference(whole, want) <= tolerance<float>(Kind::product));
  for (Index first = 0; first < 1100; first += 512) {
    Index const count = std::min<Index>(512, 1100 - first);
    Matrix<float> part({1, count});
    map.apply(Exec{.threads = 1, .precision = Precision::bfloat16}, features.cview().slice(36, 1), first, RowsView<float>(part.view()));
    CHECK(std::equal(part.begin(), part.end(), whole[36].begin() + first));
  }
}

TEST_CASE("the number of outputs follows the width unless it is given") {
  CHECK(RandomProjection(192, 0, 1).outputs() == 2000);
  CHECK(RandomProjection(383, 0, 1).outputs() == 2000);
  CHECK(RandomProjection(384, 0, 1).outputs() == 10000);
  CHECK(RandomProjection(192, 77, 1).outputs() == 77);
  CHECK(RandomProjection(192, 77, 1) == RandomProjection(192, 77, 1));
  CHECK_FALSE(RandomProjection(192, 77, 1) == RandomProjection(192, 77, 2));
}

TEST_CASE("a map refuses widths and ranges that are not its own") {
  HostExecutor<EigenProducts> const exec;
  RandomProjection const map(8, 600, 1);
  Matrix<float> const features({2, 8});
  Matrix<float> out({2, 100});
  CHECK_THROWS_AS(RandomProjection(0, 5, 1), ShapeError);
  CHECK_THROWS_AS(RandomProjection(5, -1, 1), ShapeError);
  CHECK_THROWS_AS((void)map.weights(590, 11), ShapeError);
  CHECK_THROWS_AS(map.apply(exec, Matrix<float>({2, 7}).cview(), 512, RowsView<float>(out.view())), ShapeError);
  CHECK_THROWS_AS(map.apply(exec, features.cview(), 100, RowsView<float>(out.view())), ShapeError);
  CHECK_THROWS_AS(map.apply(exec, features.cview(), 512, RowsView<float>(out.view())), ShapeError);
  CHECK_THROWS_AS(NoProjection(4, 5, 0), ShapeError);
}

TEST_CASE("without a projection there is no rectification") {
  NoProjection const map(3, 0, 1);
  Matrix<float> const features = random_matrix<float>(4, 3, 1);
  Matrix<float> out({4, 3});
  map.apply(HostExecutor<EigenProducts>{}, features.cview(), 0, RowsView<float>(out.view()));
  CHECK(same_bits(out, features));
}

}  // namespace accrete::test::random_projection_test
