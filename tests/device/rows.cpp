#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/rows.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace accrete::test::rows_test {
namespace {

template <class T, class Exec>
void check_softmax(Exec const& exec, Index width) {
  auto x = normal<T>(40, Shape<2>{6, width});
  for (T& value : x) { value = T{10} * value + T{1000}; }  // beyond the range of exp without the maximum taken off
  Matrix<double> want(x.shape());
  for (Index i = 0; i < 6; ++i) {
    double const largest = static_cast<double>(*std::max_element(x[i].begin(), x[i].end()));
    double total = 0;
    for (T const value : x[i]) { total += std::exp(static_cast<double>(value) - largest); }
    for (Index j = 0; j < width; ++j) { want(i, j) = std::exp(static_cast<double>(x(i, j)) - largest) / total; }
  }
  auto there = on_device(exec, x);
  kernels::softmax(exec, there.view());
  CHECK(relative_difference(on_host(exec, there), want) <= tolerance<T>(Kind::softmax));
}

template <class T, class Exec>
void check_statistics(Exec const& exec, Index width) {
  auto x = normal<T>(41, Shape<2>{4, width});
  for (T& value : x) { value += T{1000}; }  // where mean(x^2) - mean(x)^2 would lose its digits
  Vector<double> mean({4});
  Vector<double> variance({4});
  for (Index i = 0; i < 4; ++i) {
    long double sum = 0;
    for (T const value : x[i]) { sum += static_cast<long double>(value); }
    sum /= static_cast<long double>(width);
    long double squares = 0;
    for (T const value : x[i]) { squares += (static_cast<long double>(value) - sum) * (static_cast<long double>(value) - sum); }
    mean(i) = static_cast<double>(sum);
    variance(i) = static_cast<double>(squares / static_cast<long double>(width));
  }
  auto const there = on_device(exec, x);
  Vector<double, typename Exec::Memory> got_mean({4});
  Vector<double, typename Exec::Memory> got_variance({4});
  kernels::row_statistics(exec, there.view(), got_mean.view(), got_variance.view());
  CHECK(relative_difference(on_host(exec, got_mean), mean) <= tolerance<double>(Kind::sum));
  CHECK(relative_difference(on_host(exec, got_variance), variance) <= tolerance<double>(Kind::sum));
}

/// The whole order of a row by a stable sort: larger first, numbers before NaN, lower column first.
template <class T>
std::vector<Index> order_of(VectorView<T const> row) {
  std::vector<Index> order(static_cast<std::size_t>(row.size()));
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return std::isnan(row[b]) ? !std::isnan(row[a]) : row[a] > row[b]; });
  return order;
}

template <class T, class Exec>
void check_topk(Exec const& exec, Matrix<T> const& scores, Index k) {
  CAPTURE(k);
  auto const there = on_device(exec, scores);
  Matrix<Index, typename Exec::Memory> index({scores.extent(0), k});
  Matrix<T, typename Exec::Memory> best({scores.extent(0), k});
  kernels::topk(exec, there.view(), index.view(), best.view());
  auto const got_index = on_host(exec, index);
  auto const got_best = on_host(exec, best);
  for (Index i = 0; i < scores.extent(0); ++i) {
    auto const order = order_of<T>(scores[i]);
    for (Index j = 0; j < k; ++j) {
      Index const column = order[static_cast<std::size_t>(j)];
      CHECK(got_index(i, j) == column);
      CHECK((got_best(i, j) == scores(i, column) || (std::isnan(got_best(i, j)) && std::isnan(scores(i, column)))));
    }
  }
}

template <class T, class Exec>
void check_cosine(Exec const& exec, Index width) {
  auto queries = normal<T>(43, Shape<2>{5, width});
  auto const keys = normal<T>(44, Shape<2>{7, width});
  std::fill(queries[2].begin(), queries[2].end(), T{0});
  Matrix<double> want({5, 7});
  auto const length = [](VectorView<T const> x) { return std::max(1e-12, std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0))); };
  for (Index i = 0; i < 5; ++i) {
    for (Index j = 0; j < 7; ++j) {
      double dot = 0;
      for (Index c = 0; c < width; ++c) { dot += static_cast<double>(queries(i, c)) * static_cast<double>(keys(j, c)); }
      want(i, j) = dot / (length(queries.cview()[i]) * length(keys.cview()[j]));
    }
  }
  auto const queries_there = on_device(exec, queries);
  auto const keys_there = on_device(exec, keys);
  Matrix<T, typename Exec::Memory> y({5, 7});
  kernels::cosine(exec, queries_there.view(), keys_there.view(), y.view());
  auto const got = on_host(exec, y);
  CHECK(relative_difference(got, want) <= tolerance<T>(Kind::softmax));
  for (Index j = 0; j < 7; ++j) { CHECK(got(2, j) == T{0}); }

  auto const one = on_device(exec, chosen_rows(queries, {3}));
  Matrix<T, typename Exec::Memory> alone({1, 7});
  kernels::cosine(exec, one.view(), keys_there.view(), alone.view());
  CHECK(same_bits(on_host(exec, alone), chosen_rows(got, {3})));
}
}  // namespace

TEST_CASE_TEMPLATE("a device softmax sums to one and equals the formula", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const width : {1, 5, 16, 100}) {
    CAPTURE(width);
    check_softmax<float>(exec, width);
    check_softmax<double>(exec, width);
  }
  Matrix<float, typename Exec::Memory> nothing({0, 4});
  kernels::softmax(exec, nothing.view());
}

TEST_CASE_TEMPLATE("device row statistics keep their digits far from zero", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const width : {1, 16, 37, 500}) {
    CAPTURE(width);
    check_statistics<float>(exec, width);
    check_statistics<double>(exec, width);
  }
}

TEST_CASE_TEMPLATE("device top-k is the head of a stable sort, whatever k", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  auto scores = normal<float>(42, Shape<2>{8, 23});
  for (Index j = 0; j < 23; ++j) {
    scores(1, j) = 0.5F;                                     // all equal
    scores(2, j) = static_cast<float>(j % 4);                // many ties
    scores(3, j) = std::numeric_limits<float>::quiet_NaN();  // nothing but NaN
    scores(4, j) = -std::numeric_limits<float>::infinity();  // the smallest number
    scores(5, j) = static_cast<float>(j);                    // ascending
    scores(6, j) = static_cast<float>(-j);                   // descending
    if (j % 3 == 0) { scores(7, j) = std::numeric_limits<float>::quiet_NaN(); }
  }
  scores(4, 9) = std::numeric_limits<float>::quiet_NaN();
  for (Index const k : {1, 2, 5, 22, 23}) {
    check_topk(exec, scores, k);
    check_topk(exec, in_scalar<double>(scores), k);
  }
}

TEST_CASE_TEMPLATE("a device cosine equals the formula; a row of zeros scores nothing", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const width : {1, 15, 16, 192}) {
    CAPTURE(width);
    check_cosine<float>(exec, width);
    check_cosine<double>(exec, width);
  }
}

}  // namespace accrete::test::rows_test
