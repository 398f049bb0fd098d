#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/golden.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/rows.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace accrete::test::rows_test {
namespace {

template <class T>
constexpr T infinite = std::numeric_limits<T>::infinity();

template <class T>
Matrix<double> expected_softmax(Matrix<T> const& x) {
  Matrix<double> y(x.shape());
  for (Index i = 0; i < x.extent(0); ++i) {
    double largest = -infinite<double>;
    for (T const value : x[i]) { largest = std::max(largest, static_cast<double>(value)); }
    double sum = 0.0;
    for (Index j = 0; j < x.extent(1); ++j) { sum += y(i, j) = std::exp(static_cast<double>(x(i, j)) - largest); }
    for (double& value : y[i]) { value /= sum; }
  }
  return y;
}

template <class T>
Matrix<double> expected_cosine(Matrix<T> const& a, Matrix<T> const& b) {
  auto const dot = [](VectorView<T const> x, VectorView<T const> y) {
    double sum = 0.0;
    for (Index i = 0; i < x.size(); ++i) { sum += static_cast<double>(x[i]) * static_cast<double>(y[i]); }
    return sum;
  };
  Matrix<double> y({a.extent(0), b.extent(0)});
  for (Index i = 0; i < y.extent(0); ++i) {
    for (Index j = 0; j < y.extent(1); ++j) { y(i, j) = dot(a[i], b[j]) / (std::max(std::sqrt(dot(a[i], a[i])), 1e-12) * std::max(std::sqrt(dot(b[j], b[j])), 1e-12)); }
  }
  return y;
}
}  // namespace

TEST_CASE_TEMPLATE("softmax equals its formula at every width", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Index const width : {1, 2, 7, 16, 17, 33, 100, 1000}) {
      CAPTURE(width);
      auto x = normal<T>(1, Shape<2>{37, width});
      for (T& value : x) { value *= T{5}; }
      auto const want = expected_softmax(x);
      kernels::softmax(exec, x.view());
      CHECK(relative_difference(x, want) <= tolerance<T>(Kind::softmax));
    }
  }
}

TEST_CASE_TEMPLATE("softmax, cosine and top-k of the reference's values are the reference's", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  typename Case::Executor const exec;
  auto const values = golden("kernels");
  auto x = values.template read<T, 2>("softmax.input");
  kernels::softmax(exec, x.view());
  CHECK(relative_difference(x, values.template read<double, 2>("softmax.output")) <= tolerance<T>(Kind::softmax));

  auto const queries = values.template read<T, 2>("cosine.queries");
  auto const keys = values.template read<T, 2>("cosine.keys");
  Matrix<T> y({queries.extent(0), keys.extent(0)});
  kernels::cosine(exec, queries, keys, y.view());
  CHECK(relative_difference(y, values.template read<double, 2>("cosine.scores")) <= tolerance<T>(Kind::softmax));

  auto const scores = values.template read<T, 2>("top_k.scores");
  auto const order = values.template read<Index, 2>("top_k.index");
  auto const sorted = values.template read<T, 2>("top_k.value");
  for (Index k = 0; k <= scores.extent(1); ++k) {
    Matrix<Index> index({scores.extent(0), k});
    Matrix<T> best({scores.extent(0), k});
    kernels::topk(exec, scores, index.view(), best.view());
    for (Index i = 0; i < scores.extent(0); ++i) {
      for (Index j = 0; j < k; ++j) {
        CHECK(index(i, j) == order(i, j));
        CHECK((best(i, j) == sorted(i, j) || (std::isnan(best(i, j)) && std::isnan(sorted(i, j)))));
      }
    }
  }
}

TEST_CASE_TEMPLATE("softmax of huge, equal, masked and broken rows", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  Index const width = 19;
  Matrix<T> x({4, width});
  std::fill(x[0].begin(), x[0].end(), T{3e30F});
  std::fill(x[1].begin(), x[1].end(), -infinite<T>);
  x(1, 18) = T{-1e30F};
  std::fill(x[2].begin(), x[2].end(), T{0});
  x(2, 4) = static_cast<T>(std::nan(""));
  std::fill(x[3].begin(), x[3].end(), T{-300});
  x(3, 0) = T{300};
  kernels::softmax(typename Case::Executor{}, x.view());
  for (Index j = 0; j < width; ++j) {
    CHECK(static_cast<double>(x(0, j)) == doctest::Approx(1.0 / 19.0).epsilon(tolerance<T>(Kind::elementwise)));
    CHECK(x(1, j) == (j == 18 ? T{1} : T{0}));
    CHECK(std::isnan(x(2, j)));
    CHECK((j == 0 ? x(3, j) == T{1} : std::abs(x(3, j)) < T{1e-30F}));
  }
}

TEST_CASE_TEMPLATE("mean and variance of rows are those of float64 in two passes", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (Index const width : {1, 7, 8, 9, 100, 777}) {
    CAPTURE(width);
    auto x = normal<T>(2, Shape<2>{11, width});
    for (T& value : x) { value += T{1000}; }
    Vector<double> mean({11});
    Vector<double> variance({11});
    kernels::row_statistics(typename Case::Executor{.threads = 2}, x.view(), mean.view(), variance.view());
    for (Index i = 0; i < 11; ++i) {
      long double sum = 0.0L;
      for (T const value : x[i]) { sum += static_cast<long double>(value); }
      long double const centre = sum / width;
      long double squares = 0.0L;
      for (T const value : x[i]) { squares += (static_cast<long double>(value) - centre) * (static_cast<long double>(value) - centre); }
      CHECK(std::abs(mean(i) - static_cast<double>(centre)) <= 1000.0 * tolerance<double>(Kind::sum));
      CHECK(std::abs(variance(i) - static_cast<double>(squares / width)) <= tolerance<double>(Kind::sum));
    }
  }
}

TEST_CASE_TEMPLATE("top-k puts ties by column and NaN last", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  T const nan = static_cast<T>(std::nan(""));
  Matrix<T> scores({2, 6});
  std::copy_n(std::vector<T>{1, nan, 3, 3, -infinite<T>, 1}.data(), 6, scores[0].data());
  std::fill(scores[1].begin(), scores[1].end(), nan);
  Matrix<Index> index({2, 6});
  Matrix<T> best({2, 6});
  kernels::topk(typename Case::Executor{}, scores, index.view(), best.view());
  std::vector<Index> const first(index[0].begin(), index[0].end());
  std::vector<Index> const second(index[1].begin(), index[1].end());
  CHECK(first == std::vector<Index>{2, 3, 0, 5, 4, 1});
  CHECK(second == std::vector<Index>{0, 1, 2, 3, 4, 5});
  CHECK(best(0, 4) == -infinite<T>);
  CHECK(std::isnan(best(0, 5)));
}

TEST_CASE_TEMPLATE("cosine equals its formula; rows of zeros score 0", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (Index const width : {1, 3, 16, 31, 192, 770}) {
    CAPTURE(width);
    auto queries = normal<T>(3, Shape<2>{13, width});
    auto keys = normal<T>(4, Shape<2>{22, width});
    std::fill(queries[5].begin(), queries[5].end(), T{0});
    std::fill(keys[21].begin(), keys[21].end(), T{0});
    Matrix<T> y({13, 22});
    kernels::cosine(typename Case::Executor{.threads = 2}, queries, keys, y.view());
    CHECK(relative_difference(y, expected_cosine(queries, keys)) <= tolerance<T>(Kind::softmax));
    for (Index j = 0; j < 22; ++j) { CHECK(y(5, j) == T{0}); }
    for (Index i = 0; i < 13; ++i) { CHECK(y(i, 21) == T{0}); }
  }
}

TEST_CASE_TEMPLATE("rows keep their bits alone, in a batch, with any threads and any number of keys", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  auto const queries = normal<T>(5, Shape<2>{400, 67});
  auto const keys = normal<T>(6, Shape<2>{23, 67});
  typename Case::Executor const one{.threads = 1};
  Matrix<T> want({400, 23});
  kernels::cosine(one, queries, keys, want.view());
  auto want_softmax = want;
  kernels::softmax(one, want_softmax.view());
  for (int const threads : {1, 2, 5}) {
    typename Case::Executor const exec{.threads = threads};
    Matrix<T> got({400, 23});
    for (Index i = 0; i < 400; i += 9) { kernels::cosine(exec, queries.view().slice(i, std::min<Index>(9, 400 - i)), keys, got.view().slice(i, std::min<Index>(9, 400 - i))); }
    CHECK(same_bits(got, want));
    kernels::cosine(exec, queries, keys, got.view());
    CHECK(same_bits(got, want));
    kernels::softmax(exec, got.view());
    CHECK(same_bits(got, want_softmax));
  }
  for (Index j = 0; j < 23; ++j) {
    Matrix<T> one_key({400, 1});
    kernels::cosine(one, queries, keys.view().slice(j, 1), one_key.view());
    bool same = true;
    for (Index i = 0; i < 400; ++i) { same = same && one_key(i, 0) == want(i, j); }
    CHECK(same);
  }
}

TEST_CASE_TEMPLATE("row kernels name wrong extents and take no rows", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  Matrix<float> x = Matrix<float>::zeros({2, 3});
  Matrix<float> best({2, 4});
  Matrix<Index> index({2, 4});
  Vector<double> three({3});
  CHECK_THROWS_AS(kernels::topk(exec, x, index.view(), best.view()), ShapeError);
  CHECK_THROWS_AS(kernels::row_statistics(exec, x.view(), three.view(), three.view()), ShapeError);
  CHECK_THROWS_AS(kernels::cosine(exec, x, best, x.view()), ShapeError);
  Matrix<float> none({0, 3});
  kernels::softmax(exec, none.view());
  Matrix<float> scores({0, 2});
  kernels::cosine(exec, none, x, scores.view());
  kernels::topk(exec, none, Matrix<Index>({0, 1}).view(), Matrix<float>({0, 1}).view());
}

}  // namespace accrete::test::rows_test
