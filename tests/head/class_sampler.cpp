#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_data.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/class_sampler.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace accrete::test::class_sampler_test {

namespace {

using Eigens = HostExecutor<EigenProducts>;
constexpr double ridge = 1e-4;

ClassMoments learned(Lesson const& lesson, Index classes, SecondMoment kind) {
  ClassMoments moments(kind);
  moments.admit(classes);
  moments.add(Eigens{}, lesson.features.cview(), lesson.columns);
  return moments;
}

/// Mean and covariance of many draws against those asked for, in standard errors.
void check_draws(ClassMoments const& moments, Index column, double scale) {
  Index const count = 100'000;
  Index const width = moments.width();
  ClassSampler const sampler(Eigens{}, moments, ridge);
  Matrix<float> x({count, width});
  sampler.draw(Eigens{}, column, scale, {.seed = 3, .purpose = Purpose::class_sampling}, 0, x.view());
  auto want = Matrix<double>::zeros({width, width});
  if (moments.kind() == SecondMoment::full) {
    want = dense(moments.covariance(Eigens{}, column));
  } else {
    for (Index j = 0; j < width; ++j) { want(j, j) = moments.variances(column)(j); }
  }
  for (Index j = 0; j < width; ++j) { want(j, j) += ridge; }
  std::vector<double> mean(static_cast<std::size_t>(width), 0.0);
  auto second = Matrix<double>::zeros({width, width});
  for (Index i = 0; i < count; ++i) {
    for (Index j = 0; j < width; ++j) {
      double const dj = static_cast<double>(x(i, j)) - scale * moments.mean(column)[j];
      mean[static_cast<std::size_t>(j)] += dj / static_cast<double>(count);
      for (Index k = 0; k <= j; ++k) { second(j, k) += dj * (static_cast<double>(x(i, k)) - scale * moments.mean(column)[k]) / static_cast<double>(count); }
    }
  }
  double worst_mean = 0.0;
  double worst_second = 0.0;
  for (Index j = 0; j < width; ++j) {
    worst_mean = std::max(worst_mean, std::abs(mean[static_cast<std::size_t>(j)]) / std::sqrt(want(j, j) / static_cast<double>(count)));
    for (Index k = 0; k <= j; ++k) {
      double const error = std::sqrt((want(j, j) * want(k, k) + want(j, k) * want(j, k)) / static_cast<double>(count));
      worst_second = std::max(worst_second, std::abs(second(j, k) - want(j, k)) / error);
    }
  }
  CHECK(worst_mean <= 5.0);
  CHECK(worst_second <= 5.0);
}

}  // namespace

TEST_CASE("the factor multiplied out is the covariance and its ridge") {
  auto const moments = learned(clouds(400, 30, 2, 1), 2, SecondMoment::full);
  REQUIRE(!moments.is_low_rank(0));
  ClassSampler const sampler(Eigens{}, moments, ridge);
  auto want = dense(moments.covariance(Eigens{}, 0));
  for (Index j = 0; j < 30; ++j) { want(j, j) += ridge; }
  CHECK(relative_difference(naive_product(sampler.lower(0), transposed(sampler.lower(0))), want) <= tolerance<double>(Kind::factor));
}

TEST_CASE("draws have the mean and the covariance asked for, by every route") {
  check_draws(learned(clouds(300, 8, 2, 2), 2, SecondMoment::full), 0, 0.93);
  auto const few = learned(clouds(9, 8, 2, 3), 2, SecondMoment::full);
  REQUIRE(few.is_low_rank(1));
  check_draws(few, 1, 1.0);
  check_draws(learned(clouds(1, 8, 1, 4), 1, SecondMoment::full), 0, 1.0);
  check_draws(learned(clouds(300, 8, 2, 5), 2, SecondMoment::diagonal), 1, 0.97);
}

TEST_CASE("a row depends on its key and number alone") {
  auto const moments = learned(clouds(60, 8, 2, 6), 2, SecondMoment::full);
  ClassSampler const sampler(Eigens{}, moments, ridge);
  RngKey const key{.seed = 5, .purpose = Purpose::class_sampling, .task = 2, .epoch = 1};
  Matrix<float> all({20, 8});
  sampler.draw(Eigens{.threads = 2}, 1, 0.9, key, 0, all.view());
  Matrix<float> part({3, 8});
  sampler.draw(Eigens{.threads = 1}, 1, 0.9, key, 11, part.view());
  CHECK(same_bits(part.cview(), all.cview().slice(11, 3)));
  sampler.draw(Eigens{}, 0, 0.9, key, 11, part.view());
  CHECK(!same_bits(part.cview(), all.cview().slice(11, 3)));
}

TEST_CASE("what does not fit is refused") {
  auto const moments = learned(clouds(60, 8, 2, 6), 2, SecondMoment::full);
  CHECK_THROWS_AS(ClassSampler(Eigens{}, moments, 0.0), ValueError);
  ClassSampler const sampler(Eigens{}, moments, ridge);
  Matrix<float> narrow({1, 7});
  CHECK_THROWS_AS(sampler.draw(Eigens{}, 0, 1.0, {}, 0, narrow.view()), ShapeError);
  Matrix<float> fits({1, 8});
  CHECK_THROWS_AS(sampler.draw(Eigens{}, 2, 1.0, {}, 0, fits.view()), ShapeError);
}

}  // namespace accrete::test::class_sampler_test
