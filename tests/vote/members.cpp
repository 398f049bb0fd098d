#include "support/tolerances.hpp"

#include <accrete/vote/max_probability.hpp>
#include <accrete/vote/mean_probability.hpp>
#include <accrete/vote/single.hpp>
#include <accrete/vote/sum.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace accrete::test::members_test {

namespace {

Matrix<float> one_row(std::vector<float> const& values) {
  Matrix<float> row({1, static_cast<Index>(values.size())});
  std::copy(values.begin(), values.end(), row.begin());
  return row;
}

template <class Vote>
Matrix<float> voted(Vote const& vote, std::vector<Matrix<float>> const& members) {
  Matrix<float> scores(members.front().shape());
  vote(members, scores.view());
  return scores;
}

Index best(Matrix<float> const& scores) { return std::max_element(scores.begin(), scores.end()) - scores.begin(); }

}  // namespace

TEST_CASE("the largest probability wins, not the largest logit: (5, 4.9, 0) and (0, 0, 3) choose class 2") {
  std::vector<Matrix<float>> const members{one_row({5.0F, 4.9F, 0.0F}), one_row({0.0F, 0.0F, 3.0F})};
  auto const scores = voted(MaxProbability{}, members);
  CHECK(std::exp(scores(0, 0)) == doctest::Approx(0.5231).epsilon(1e-4));
  CHECK(std::exp(scores(0, 1)) == doctest::Approx(0.4733).epsilon(1e-4));
  CHECK(std::exp(scores(0, 2)) == doctest::Approx(0.9094).epsilon(1e-4));
  CHECK(best(scores) == 2);
  CHECK(best(voted(SumOfLogits{}, members)) == 0);
}

TEST_CASE("logits of any size give finite scores") {
  std::vector<Matrix<float>> const members{one_row({3e4F, -3e4F}), one_row({-1e30F, 1e30F})};
  for (float const score : voted(MaxProbability{}, members)) { CHECK(std::isfinite(score)); }
  auto const mean = voted(MeanProbability{}, members);
  CHECK(mean(0, 0) == 0.5F);
  CHECK(mean(0, 1) == 0.5F);
}

TEST_CASE("a mean of probabilities counts the first member by its weight, and the others alike") {
  std::vector<Matrix<float>> const members{one_row({0.0F, std::log(3.0F)}), one_row({std::log(4.0F), 0.0F}), one_row({0.0F, 0.0F})};
  auto const scores = voted(MeanProbability{.weight = 0.6}, members);
  CHECK(scores(0, 0) == doctest::Approx(0.6 * 0.25 + 0.2 * 0.8 + 0.2 * 0.5).epsilon(tolerance<float>(Kind::softmax)));
  CHECK(scores(0, 0) + scores(0, 1) == doctest::Approx(1.0).epsilon(tolerance<float>(Kind::softmax)));
  CHECK(voted(MeanProbability{.weight = 0.1}, {members[0]})(0, 1) == doctest::Approx(0.75).epsilon(tolerance<float>(Kind::softmax)));  // a single one counts whole
  CHECK_THROWS_AS(voted(MeanProbability{.weight = std::numeric_limits<double>::quiet_NaN()}, members), ValueError);
}

TEST_CASE("one member answers with its own logits, and a sum is the sum") {
  std::vector<Matrix<float>> const members{one_row({1.0F, 2.0F}), one_row({-4.0F, 0.5F})};
  CHECK(voted(SingleVote{}, members)(0, 1) == 2.0F);
  CHECK(voted(SingleVote{.who = SingleVote::Who::last}, members)(0, 0) == -4.0F);
  CHECK(voted(SumOfLogits{}, members)(0, 0) == -3.0F);
  CHECK(voted(SumOfLogits{}, members)(0, 1) == 2.5F);
}

TEST_CASE_TEMPLATE("members must agree about their extents, and there must be one", Vote, SingleVote, SumOfLogits, MaxProbability, MeanProbability) {
  Matrix<float> scores({1, 2});
  CHECK_THROWS_AS(Vote{}(std::vector<Matrix<float>>{}, scores.view()), ShapeError);
  CHECK_THROWS_AS(Vote{}(std::vector<Matrix<float>>{one_row({1.0F, 2.0F}), one_row({1.0F})}, scores.view()), ShapeError);
}

}  // namespace accrete::test::members_test
