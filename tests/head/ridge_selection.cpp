#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/given_map.hpp"
#include "support/golden.hpp"
#include "support/head_data.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/no_projection.hpp>
#include <accrete/head/ridge_choice.hpp>
#include <accrete/head/ridge_selection.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace accrete::test::ridge_selection_test {

namespace {

using Host = HostExecutor<EigenProducts>;
constexpr std::size_t at_one = 8;                       // position of 10^0 in the grid
constexpr std::array<std::size_t, 3> middle{6, 8, 10};  // 1e-2, 1, 1e2

/// The features of a lesson as they are, and with columns of zeros, so that there are more outputs than rows: the dual form of the same problem.
Matrix<float> widened(Matrix<float> const& features, Index width) {
  auto wide = Matrix<float>::zeros({features.extent(0), width});
  for (Index i = 0; i < features.extent(0); ++i) { std::copy(features[i].begin(), features[i].end(), wide[i].begin()); }
  return wide;
}

Matrix<double> in_double(Matrix<float> const& features) {
  Matrix<double> result(features.shape());
  std::copy(features.begin(), features.end(), result.begin());
  return result;
}

Matrix<double> one_hot(std::vector<Index> const& columns, Index classes) {
  auto y = Matrix<double>::zeros({static_cast<Index>(columns.size()), classes});
  for (std::size_t i = 0; i < columns.size(); ++i) { y(static_cast<Index>(i), columns[i]) = 1.0; }
  return y;
}

/// (H^T H + ridge I)^-1 H^T Y by elimination.
Matrix<double> weights_by_elimination(Matrix<double> const& h, Matrix<double> const& y, double ridge) {
  auto a = naive_product(transposed(h), h);
  for (Index i = 0; i < a.extent(0); ++i) { a(i, i) += ridge; }
  return solved(a, naive_product(transposed(h), y));
}

double mean_squared_error(Matrix<double> const& a, Matrix<double> const& b) {
  double sum = 0.0;
  for (Index i = 0; i < a.size(); ++i) { sum += (a.data()[i] - b.data()[i]) * (a.data()[i] - b.data()[i]); }
  return sum / static_cast<double>(a.size());
}

/// Specification 5 (9) 2: H = (1,0), (0,1), (1,1), labels 0, 1, 1.
Lesson example() {
  Lesson lesson{Matrix<float>::zeros({3, 2}), {0, 1, 1}};
  lesson.features(0, 0) = lesson.features(1, 1) = lesson.features(2, 0) = lesson.features(2, 1) = 1.0F;
  return lesson;
}

}  // namespace

TEST_CASE("leave-one-out and cross-validation of the worked example are exact, in both forms") {
  Lesson const lesson = example();
  auto const loo = loo_losses(Host{}, NoProjection(2, 0, 0), {lesson.features.view(), lesson.columns, 2});
  // The mean square of the six residuals is 0.97 / 3; per row there are two.
  CHECK(loo[at_one] == doctest::Approx(2.0 * 0.97 / 3.0).epsilon(tolerance<double>(Kind::sum)));
  auto const wide = widened(lesson.features, 5);
  auto const dual = loo_losses(Host{}, NoProjection(5, 0, 0), {wide.view(), lesson.columns, 2});
  CHECK(dual[at_one] == doctest::Approx(2.0 * 0.97 / 3.0).epsilon(tolerance<double>(Kind::sum)));

  SymmetricMatrix<double> gram(2);
  kernels::rank_k_update(Host{}, 1.0, lesson.features.cview(), gram.view());
  Matrix<double> sums({2, 2});
  sums(0, 0) = sums(1, 0) = 1.0;
  sums(0, 1) = 0.0;
  sums(1, 1) = 2.0;
  auto const gcv = gcv_losses(Host{}, {gram.view(), sums.view(), 3});
  CHECK(gcv[at_one] == doctest::Approx(33.0 / 49.0).epsilon(tolerance<double>(Kind::sum)));
}

TEST_CASE("hold-out losses are those of the dense normal equations, in primal and in dual form") {
  Lesson const lesson = clouds(120, 30, 5, 41);
  Index const fit = 96;
  auto const primal = holdout_losses(Host{.threads = 2}, NoProjection(30, 0, 0), {lesson.features.view(), lesson.columns, 7}, fit);
  auto const wide = widened(lesson.features, 100);
  auto const dual = holdout_losses(Host{.threads = 2}, NoProjection(100, 0, 0), {wide.view(), lesson.columns, 7}, fit);
  Lesson const first = lesson.range(0, fit);
  Lesson const rest = lesson.range(fit, 24);
  for (std::size_t const i : middle) {
    auto const w = weights_by_elimination(in_double(first.features), one_hot(first.columns, 7), RidgeGrid::values[i]);
    double const want = mean_squared_error(naive_product(in_double(rest.features), w), one_hot(rest.columns, 7));
    CHECK(primal[i] == doctest::Approx(want).epsilon(tolerance<double>(Kind::routes)));
    CHECK(dual[i] == doctest::Approx(want).epsilon(tolerance<double>(Kind::routes)));
  }
}

TEST_CASE("in dual form even the smallest ridges are smooth, where the normal equations are singular") {
  Lesson const lesson = clouds(60, 200, 3, 42);
  auto const losses = holdout_losses(Host{}, NoProjection(200, 0, 0), {lesson.features.view(), lesson.columns, 3}, 48);
  for (std::size_t i = 1; i < 5; ++i) { CHECK(losses[i] == doctest::Approx(losses[0]).epsilon(tolerance<float>(Kind::routes))); }
}

TEST_CASE("generalised cross-validation equals its dense formula") {
  Lesson const lesson = clouds(150, 60, 4, 43);
  auto const h = in_double(lesson.features);
  auto const y = one_hot(lesson.columns, 4);
  SymmetricMatrix<double> gram(60);
  kernels::rank_k_update(Host{}, 1.0, lesson.features.cview(), gram.view());
  auto const sums = naive_product(transposed(y), h);
  auto const losses = gcv_losses(Host{.threads = 2}, {gram.view(), sums.view(), 150});
  for (std::size_t const i : middle) {
    double const ridge = RidgeGrid::values[i];
    auto a = naive_product(transposed(h), h);
    for (Index k = 0; k < 60; ++k) { a(k, k) += ridge; }
    auto const w = solved(a, naive_product(transposed(h), y));
    auto const hat = naive_product(h, solved(a, transposed(h)));
    double freedom = 0.0;
    for (Index k = 0; k < 150; ++k) { freedom += hat(k, k); }
    double const rss = mean_squared_error(naive_product(h, w), y) * 150.0 * 4.0;
    double const want = rss / 150.0 / std::pow(1.0 - freedom / 150.0, 2);
    CHECK(losses[i] == doctest::Approx(want).epsilon(tolerance<double>(Kind::routes)));
  }
}

TEST_CASE("leave-one-out losses are those of leaving each row out, in primal and in dual form") {
  Lesson const lesson = clouds(40, 9, 3, 44);
  auto const primal = loo_losses(Host{.threads = 2}, NoProjection(9, 0, 0), {lesson.features.view(), lesson.columns, 3});
  auto const wide = widened(lesson.features, 50);
  auto const dual = loo_losses(Host{.threads = 2}, NoProjection(50, 0, 0), {wide.view(), lesson.columns, 3});
  for (std::size_t const i : middle) {
    double want = 0.0;
    for (Index out = 0; out < 40; ++out) {
      std::vector<Index> others;
      for (Index k = 0; k < 40; ++k) {
        if (k != out) { others.push_back(k); }
      }
      Lesson const rest = lesson.rows(others);
      auto const w = weights_by_elimination(in_double(rest.features), one_hot(rest.columns, 3), RidgeGrid::values[i]);
      Lesson const one = lesson.range(out, 1);
      want += mean_squared_error(naive_product(in_double(one.features), w), one_hot(one.columns, 3)) * 3.0 / 40.0;
    }
    CHECK(primal[i] == doctest::Approx(want).epsilon(tolerance<double>(Kind::routes)));
    CHECK(dual[i] == doctest::Approx(want).epsilon(tolerance<double>(Kind::routes)));
  }
}

TEST_CASE("losses do not depend on threads, bit for bit") {
  Lesson const lesson = clouds(130, 90, 5, 45);
  LabelledRows const rows{lesson.features.view(), lesson.columns, 5};
  NoProjection const map(90, 0, 0);
  CHECK(holdout_losses(Host{.threads = 1}, map, rows, 80) == holdout_losses(Host{.threads = 3}, map, rows, 80));
  CHECK(loo_losses(Host{.threads = 1}, map, rows) == loo_losses(Host{.threads = 3}, map, rows));
}

TEST_CASE("the smallest loss wins, ties go to the smaller ridge, and NaN never wins") {
  double const nan = std::nan("");
  double const infinite = std::numeric_limits<double>::infinity();
  CHECK(RidgeGrid::best(std::vector<double>{3, 1, 2, 1}) == 1);
  CHECK(RidgeGrid::best(std::vector<double>{nan, 5, nan, 4}) == 3);
  CHECK(RidgeGrid::best(std::vector<double>{nan, infinite, nan}) == -1);
  CHECK(RidgeGrid::values.front() == 1e-8);
  CHECK(RidgeGrid::values.back() == 1e8);
}

TEST_CASE("the losses of every criterion are those of the reference") {
  auto const file = golden("ridge");
  GivenMap::weights = file.read<float, 2>("projection");
  GivenMap const map(16, 0, 0);
  SymmetricMatrix<double> gram(64);
  auto sums = Matrix<double>::zeros({9, 64});
  Index samples = 0;
  for (int t = 0; t < 3; ++t) {
    std::string const task = message("task", t, ".");
    auto const stored = file.read<Index, 1>(task + "labels");
    Lesson const lesson{file.read<float, 2>(task + "features"), {stored.begin(), stored.end()}};
    auto const order = file.read<Index, 1>(task + "order");
    Lesson const shuffled = lesson.rows({order.begin(), order.end()});
    auto const h = accrete::detail::mapped(Host{}, map, lesson.features.view());
    kernels::rank_k_update(Host{}, 1.0, h.cview(), gram.view());
    for (Index i = 0; i < lesson.size(); ++i) {
      for (Index j = 0; j < 64; ++j) { sums(lesson.columns[static_cast<std::size_t>(i)], j) += static_cast<double>(h(i, j)); }
    }
    samples += lesson.size();
    RidgeSums const known{gram.view(), sums.view(), samples};
    LabelledRows const rows{lesson.features.view(), lesson.columns, 9};
    auto const compare = [&](std::vector<double> const& got, std::string const& name) {
      auto const want = file.read<double, 1>(task + name);
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::isfinite(got[i]) && RidgeGrid::values[i] >= 1e-2) { CHECK_MESSAGE(got[i] == doctest::Approx(want(static_cast<Index>(i))).epsilon(tolerance<float>(Kind::routes)), name, " ", i); }
      }
    };
    compare(holdout_losses(Host{.threads = 2}, map, {shuffled.features.view(), shuffled.columns, 9}, shuffled.size() * 4 / 5), "validation_loss");
    compare(loo_losses(Host{.threads = 2}, map, rows), "leave_one_out");
    compare(gcv_losses(Host{.threads = 2}, known), "gcv");
    compare(prospective_loo_losses(Host{.threads = 2}, map, rows, known), "prospective_leave_one_out");
  }
}

TEST_CASE("a choice needs five samples; with fewer the last ridge is kept, or the sums choose") {
  Lesson const lesson = clouds(60, 10, 3, 46);
  SymmetricMatrix<double> gram(10);
  kernels::rank_k_update(Host{}, 1.0, lesson.features.cview(), gram.view());
  auto const sums = naive_product(transposed(one_hot(lesson.columns, 3)), in_double(lesson.features));
  RidgeSums const known{gram.view(), sums.view(), 60};
  NoProjection const map(10, 0, 0);
  Lesson const four = lesson.range(0, 4);
  RidgeReport report;
  (void)choose_ridge(Host{}, map, {four.features.view(), four.columns, 3}, known, {.before = 0.125}, report);
  CHECK(report.chosen == 0.125);
  CHECK(report.chosen_by == "kept");
  CHECK(report.selection_samples == 0);
  (void)choose_ridge(Host{}, map, {four.features.view(), four.columns, 3}, known, {}, report);
  CHECK(report.chosen_by == "gcv");
  CHECK(report.chosen == RidgeGrid::values[static_cast<std::size_t>(RidgeGrid::best(gcv_losses(Host{}, known)))]);

  RidgeReport sub_sampled;
  (void)choose_ridge(Host{}, map, {lesson.features.view(), lesson.columns, 3}, known, {.most_samples = 20}, sub_sampled);
  CHECK(sub_sampled.chosen_by == "holdout");
  CHECK(sub_sampled.selection_samples == 20);
  RidgeReport other_key;
  (void)choose_ridge(Host{}, map, {lesson.features.view(), lesson.columns, 3}, known, {.most_samples = 20, .key = {.seed = 1}}, other_key);
  CHECK(other_key.losses != sub_sampled.losses);
}

TEST_CASE("a hold-out over all samples gives the weights away, the same as the normal equations give") {
  Lesson const lesson = clouds(70, 90, 4, 47);
  auto const h = in_double(lesson.features);
  SymmetricMatrix<double> gram(90);
  kernels::rank_k_update(Host{}, 1.0, lesson.features.cview(), gram.view());
  auto const sums = naive_product(transposed(one_hot(lesson.columns, 5)), h);
  NoProjection const map(90, 0, 0);
  LabelledRows const rows{lesson.features.view(), lesson.columns, 5};
  HoldoutDual<Host, NoProjection> const dual(Host{.threads = 2}, map, rows, 56);
  CHECK(dual.losses() == holdout_losses(Host{.threads = 2}, map, rows, 56));
  for (std::size_t const i : middle) {
    auto const weights = dual.weights(RidgeGrid::values[i]);
    REQUIRE(weights);
    CHECK(relative_difference(*weights, transposed(weights_by_elimination(h, one_hot(lesson.columns, 5), RidgeGrid::values[i]))) <= tolerance<double>(Kind::routes));
  }
  RidgeReport report;
  CHECK(choose_ridge(Host{}, map, rows, {gram.view(), sums.view(), 70}, {}, report));
  CHECK(report.chosen_by == "holdout");
  // Not where older samples are in the sums, nor where a part was looked at.
  CHECK_FALSE(choose_ridge(Host{}, map, rows, {gram.view(), sums.view(), 71}, {}, report));
  CHECK_FALSE(choose_ridge(Host{}, map, rows, {gram.view(), sums.view(), 70}, {.most_samples = 69}, report));
}

TEST_CASE("a choice among losses that are all infinite falls back to the sums' diagonal") {
  SymmetricMatrix<double> const gram(3);
  auto const sums = Matrix<double>::zeros({1, 3});
  auto const zeros = Matrix<float>::zeros({6, 3});
  std::vector<Index> const columns(6, 0);
  RidgeReport report;
  (void)choose_ridge(Host{}, NoProjection(3, 0, 0), {zeros.view(), columns, 1}, {gram.view(), sums.view(), 6}, {}, report);
  CHECK(report.chosen > 0.0);
}

}  // namespace accrete::test::ridge_selection_test
