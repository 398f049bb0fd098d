#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/head_data.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/gaussian.hpp>
#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace accrete::test::gaussian_test {

namespace {

using Eigens = HostExecutor<EigenProducts>;
using State = GaussianHead::State;

/// Every step of the published pipeline by loops and Gauss-Jordan, dense.
Matrix<double> naive_scores(GaussianHead const& head, Lesson const& lesson, Matrix<float> const& queries, Index classes) {
  Index const width = queries.extent(1);
  auto const unit = [&](Matrix<float> const& x) {
    Matrix<double> u(x.shape());
    for (Index i = 0; i < x.extent(0); ++i) {
      double length = 0.0;
      for (Index j = 0; j < width; ++j) {
        double const v = static_cast<double>(x(i, j));
        u(i, j) = head.tukey == 1.0 ? v : head.tukey == 0.0 ? std::log(v) : std::pow(v, head.tukey);
        length += u(i, j) * u(i, j);
      }
      for (Index j = 0; j < width; ++j) { u(i, j) /= std::sqrt(length); }
    }
    return u;
  };
  auto const x = unit(lesson.features);
  auto const q = unit(queries);
  std::vector<Matrix<double>> covariances;
  Matrix<double> means = Matrix<double>::zeros({classes, width});
  for (Index c = 0; c < classes; ++c) {
    std::vector<Index> rows;
    for (Index i = 0; i < lesson.size(); ++i) {
      if (lesson.columns[static_cast<std::size_t>(i)] == c) { rows.push_back(i); }
    }
    auto const n = static_cast<double>(rows.size());
    for (Index const i : rows) {
      for (Index j = 0; j < width; ++j) { means(c, j) += x(i, j) / n; }
    }
    auto s = Matrix<double>::zeros({width, width});
    for (Index const i : rows) {
      for (Index j = 0; j < width; ++j) {
        for (Index k = 0; k < width; ++k) { s(j, k) += (x(i, j) - means(c, j)) * (x(i, k) - means(c, k)) / (n - 1.0); }
      }
    }
    covariances.push_back(std::move(s));
  }
  if (head.covariance == GaussianCovariance::common) {
    auto mean = Matrix<double>::zeros({width, width});
    for (auto const& s : covariances) {
      for (Index i = 0; i < s.size(); ++i) { mean.data()[i] += s.data()[i] / static_cast<double>(classes); }
    }
    std::fill(covariances.begin(), covariances.end(), mean);
  }
  Matrix<double> scores({q.extent(0), classes});
  for (Index c = 0; c < classes; ++c) {
    auto s = covariances[static_cast<std::size_t>(c)];
    if (head.covariance == GaussianCovariance::diagonal) {
      for (Index j = 0; j < width; ++j) {
        for (Index k = 0; k < width; ++k) { s(j, k) = j == k ? s(j, k) : 0.0; }
      }
    }
    for (Index round = 0; round < head.shrinkings; ++round) {
      double diagonal = 0.0;
      double beside = 0.0;
      double counted = 0.0;
      for (Index j = 0; j < width; ++j) {
        for (Index k = 0; k < width; ++k) {
          (j == k ? diagonal : beside) += s(j, k);
          counted += j != k && s(j, k) != 0.0 ? 1.0 : 0.0;
        }
      }
      for (Index j = 0; j < width; ++j) {
        for (Index k = 0; k < width; ++k) { s(j, k) += j == k ? head.alpha1 * diagonal / static_cast<double>(width) : counted > 0.0 ? head.alpha2 * beside / counted : 0.0; }
      }
    }
    auto r = s;
    for (Index j = 0; j < width && head.scaling == Scaling::correlation && head.covariance != GaussianCovariance::diagonal; ++j) {
      for (Index k = 0; k < width; ++k) { r(j, k) = s(j, k) / std::sqrt(s(j, j) * s(k, k)); }
    }
    Matrix<double> z(q.shape());
    for (Index i = 0; i < z.extent(0); ++i) {
      for (Index j = 0; j < width; ++j) { z(i, j) = q(i, j) - means(c, j); }
    }
    auto const y = solved(r, transposed(z));
    for (Index i = 0; i < z.extent(0); ++i) {
      scores(i, c) = 0.0;
      for (Index j = 0; j < width; ++j) { scores(i, c) -= z(i, j) * y(j, i); }
    }
  }
  return scores;
}

Lesson positive(Lesson lesson) {
  for (float& x : lesson.features) { x = std::abs(x) + 0.125F; }
  return lesson;
}

template <class Exec>
double error_of(Exec const& exec, GaussianHead const& head, Lesson const& lesson, Index classes) {
  State state;
  teach(exec, head, state, lesson, classes, 50);
  auto const queries = lesson.range(0, 40).features;
  return relative_difference(scores_of(exec, head, state, queries), naive_scores(head, lesson, queries, classes));
}

std::vector<Index> answers(Matrix<float> const& scores) {
  std::vector<Index> best;
  for (Index i = 0; i < scores.extent(0); ++i) { best.push_back(std::max_element(scores[i].begin(), scores[i].end()) - scores[i].begin()); }
  return best;
}

}  // namespace

TEST_CASE_TEMPLATE("scores are those of the published pipeline", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  Lesson const lesson = positive(clouds(200, 24, 3, 1));
  double const allowed = tolerance<float>(Kind::elementwise);
  CHECK(error_of(exec, {}, lesson, 3) <= allowed);
  CHECK(error_of(exec, {.alpha1 = 10.0, .alpha2 = 10.0}, lesson, 3) <= allowed);
  CHECK(error_of(exec, {.shrinkings = 2}, lesson, 3) <= allowed);
  CHECK(error_of(exec, {.alpha2 = 1.0, .shrinkings = 2, .tukey = 0.5}, lesson, 3) <= allowed);
  CHECK(error_of(exec, {.tukey = 0.0}, lesson, 3) <= allowed);
  CHECK(error_of(exec, {.scaling = Scaling::covariance}, lesson, 3) <= allowed);
  CHECK(error_of(exec, {.covariance = GaussianCovariance::common}, lesson, 3) <= allowed);
  CHECK(error_of(exec, {.covariance = GaussianCovariance::diagonal}, lesson, 3) <= allowed);
}

TEST_CASE("classes of few samples take the low-rank route and score the same") {
  Lesson const lesson = clouds(40, 64, 4, 2);
  for (auto const& head : {GaussianHead{}, GaussianHead{.shrinkings = 2}, GaussianHead{.scaling = Scaling::covariance}}) {
    CHECK(error_of(Eigens{}, head, lesson, 4) <= tolerance<float>(Kind::elementwise));
  }
}

TEST_CASE("with round clouds of one size the answer is the nearest mean") {
  // The corners of a cube around a point on each axis: exchanging axes exchanges classes, so the mean covariance is a I + b 1 1^T. All means have one sum,
  // therefore the second part tells no class from another.
  Lesson lesson{Matrix<float>({24, 3}), {}};
  float const centres[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  for (Index c = 0; c < 3; ++c) {
    for (Index k = 0; k < 8; ++k) {
      Index const row = c * 8 + k;
      lesson.columns.push_back(c);
      for (Index j = 0; j < 3; ++j) { lesson.features(row, j) = centres[c][j] + 0.1F * ((k >> j & 1) != 0 ? 1.0F : -1.0F); }
    }
  }
  GaussianHead const head{.covariance = GaussianCovariance::common};
  State state;
  teach(Eigens{}, head, state, lesson, 3);
  auto const queries = random_matrix<float>(100, 3, 3);
  auto const got = answers(scores_of(Eigens{}, head, state, queries));
  UnitRows const unit(queries.cview());
  for (Index i = 0; i < 100; ++i) {
    Index nearest = 0;
    double least = std::numeric_limits<double>::infinity();
    for (Index c = 0; c < 3; ++c) {
      double d = 0.0;
      for (Index j = 0; j < 3; ++j) { d += std::pow(unit.rows(i, j) - state.moments().mean(c)[j], 2); }
      if (d < least) {
        least = d;
        nearest = c;
      }
    }
    CHECK(got[static_cast<std::size_t>(i)] == nearest);
  }
}

TEST_CASE("scaling all features leaves the scores") {
  Lesson lesson = clouds(150, 16, 3, 4);
  State plain;
  teach(Eigens{}, GaussianHead{}, plain, lesson, 3);
  auto const want = scores_of(Eigens{}, GaussianHead{}, plain, lesson.features);
  for (float& x : lesson.features) { x *= 8.0F; }
  State scaled;
  teach(Eigens{}, GaussianHead{}, scaled, lesson, 3);
  CHECK(relative_difference(scores_of(Eigens{}, GaussianHead{}, scaled, lesson.features), want) <= tolerance<float>(Kind::elementwise));
}

TEST_CASE_TEMPLATE("a feature's scores depend on that feature alone", Exec, ACCRETE_HOST_EXECUTORS) {
  Lesson const lesson = clouds(300, 48, 4, 5);
  for (auto const covariance : {GaussianCovariance::per_class, GaussianCovariance::common, GaussianCovariance::diagonal}) {
    GaussianHead const head{.covariance = covariance};
    State state;
    teach(Exec{.threads = 2}, head, state, lesson, 4);
    auto const want = scores_of(Exec{.threads = 2}, head, state, lesson.features);
    for (Index const first : {0, 5, 255, 256, 299}) {
      Matrix<float> one({1, 4});
      head.scores(Exec{.threads = 1}, state, lesson.features.cview().slice(first, 1), one.view());
      CHECK(same_bits(one.cview(), want.cview().slice(first, 1)));
    }
  }
}

TEST_CASE("a new task leaves the distances of old classes as they were") {
  Lesson const lesson = clouds(300, 20, 4, 6);
  GaussianHead const head;
  State state;
  teach(Eigens{}, head, state, lesson.of_class(0), 1);
  teach(Eigens{}, head, state, lesson.of_class(1), 2);
  auto const* const form = state.form(0);
  auto const before = scores_of(Eigens{}, head, state, lesson.features);
  teach(Eigens{}, head, state, lesson.of_class(2), 3);
  CHECK(state.form(0) == form);
  auto const after = scores_of(Eigens{}, head, state, lesson.features);
  for (Index i = 0; i < lesson.size(); ++i) { CHECK(same_bits(after[i].slice(0, 2), before[i])); }
  teach(Eigens{}, head, state, lesson.of_class(0), 3);
  CHECK(state.form(0) != form);
}

TEST_CASE("a class of one sample is measured by plain distance, and said so") {
  Lesson const lesson = clouds(60, 8, 2, 7);
  Lesson one = lesson.range(0, 1);
  GaussianHead const head;
  State state;
  teach(Eigens{}, head, state, lesson.of_class(0), 1);
  one.columns = {1};
  teach(Eigens{}, head, state, one, 3);
  auto const scores = scores_of(Eigens{}, head, state, lesson.features);
  UnitRows const unit(lesson.features.cview());
  for (Index i = 0; i < 20; ++i) {
    double d = 0.0;
    for (Index j = 0; j < 8; ++j) { d += std::pow(unit.rows(i, j) - unit.rows(0, j), 2); }
    CHECK(static_cast<double>(scores(i, 1)) == doctest::Approx(-d).epsilon(1e-6));
    CHECK(scores(i, 2) == std::numeric_limits<float>::lowest());  // no sample at all
  }
  REQUIRE(head.notes(state).size() == 1);
  CHECK(head.notes(state)[0] == "class 1 has one sample and therefore no covariance; plain distance is used for it");
}

TEST_CASE("the toolbox's recipe is nearly a cosine classifier, and its scores are not the paper's") {
  Lesson const lesson = clouds(400, 24, 3, 8, 0.3F);
  GaussianHead const head{.recipe = GaussianRecipe::toolbox};
  State state;
  teach(Eigens{}, head, state, lesson, 3);
  auto const scores = scores_of(Eigens{}, head, state, lesson.features);
  // Covariances are small beside 100 I: P is close to I - 1 1^T / L up to the factor L / (L - 1).
  UnitRows const unit(lesson.features.cview());
  for (Index i = 0; i < 10; ++i) {
    for (Index c = 0; c < 3; ++c) {
      auto const mean = state.moments().mean(c);
      double const length = std::sqrt(accrete::detail::squared_length(mean.data(), 24));
      double sum = 0.0;
      double squares = 0.0;
      for (Index j = 0; j < 24; ++j) {
        double const z = unit.rows(i, j) - mean[j] / length;
        sum += z;
        squares += z * z;
      }
      double const want = (squares - sum * sum / 24.0) * 23.0 / 24.0;
      CHECK(static_cast<double>(scores(i, c)) / want == doctest::Approx(-1.0).epsilon(0.02));
    }
  }
  CHECK(dense(state.moments().covariance(Eigens{}, 0))(0, 0) > 0.01);  // of the raw features
}

TEST_CASE("merged shards and one run score alike; forgetting equals never having learned") {
  Lesson const lesson = clouds(300, 20, 4, 9);
  for (auto const covariance : {GaussianCovariance::per_class, GaussianCovariance::common, GaussianCovariance::diagonal}) {
    GaussianHead const head{.covariance = covariance};
    State joint;
    teach(Eigens{}, head, joint, lesson, 4);
    State merged;
    State other;
    teach(Eigens{}, head, other, lesson.range(0, 130), 4);
    head.admit(merged, 4);
    head.merge(merged, other, std::vector<Index>{0, 1, 2, 3});
    State rest;
    teach(Eigens{}, head, rest, lesson.range(130, 170), 4);
    head.merge(merged, rest, std::vector<Index>{0, 1, 2, 3});
    CHECK_THROWS_AS(static_cast<void>(scores_of(Eigens{}, head, merged, lesson.features)), ValueError);
    head.fit(Eigens{}, merged);
    CHECK(relative_difference(scores_of(Eigens{}, head, merged, lesson.features), scores_of(Eigens{}, head, joint, lesson.features)) <= tolerance<float>(Kind::elementwise));

    for (Index c = 0; c < 4; ++c) {
      State state = joint;
      head.forget(Eigens{}, state, c, {});
      head.fit(Eigens{}, state);
      State never;
      teach(Eigens{}, head, never, lesson.without_class(c), 3);
      CHECK(same_bits(scores_of(Eigens{}, head, state, lesson.features), scores_of(Eigens{}, head, never, lesson.features)));
    }
  }
}

TEST_CASE("a state goes through a file, and scores with the same bits") {
  TemporaryFolder const folder;
  for (auto const covariance : {GaussianCovariance::per_class, GaussianCovariance::common, GaussianCovariance::diagonal}) {
    GaussianHead const head{.covariance = covariance};
    Lesson const lesson = clouds(200, 20, 4, 10);
    State state;
    teach(Eigens{}, head, state, lesson, 4);
    ModelWriter writer("test");
    head.write(state, writer);
    writer.write(folder / "m.safetensors");
    State again;
    head.read(again, ModelReader::open(folder / "m.safetensors", "test"));
    CHECK(same_bits(scores_of(Eigens{}, head, again, lesson.features), scores_of(Eigens{}, head, state, lesson.features)));
  }
}

TEST_CASE("other settings need a fit of their own") {
  Lesson const lesson = clouds(100, 10, 2, 11);
  State state;
  teach(Eigens{}, GaussianHead{}, state, lesson, 2);
  GaussianHead const other{.alpha1 = 5.0};
  CHECK_THROWS_AS(static_cast<void>(scores_of(Eigens{}, other, state, lesson.features)), ValueError);
  other.fit(Eigens{}, state);
  CHECK(relative_difference(scores_of(Eigens{}, other, state, lesson.features), naive_scores(other, lesson, lesson.features, 2)) <= tolerance<float>(Kind::elementwise));
}

TEST_CASE("what does not fit is refused and changes nothing") {
  Lesson const lesson = clouds(100, 10, 2, 12);
  State state;
  GaussianHead const head;
  teach(Eigens{}, head, state, lesson, 2);
  CHECK_THROWS_AS(head.observe(Eigens{}, state, lesson.features.view(), std::vector<Index>(100, 2)), ShapeError);
  GaussianHead const powers{.tukey = 0.5};
  CHECK_THROWS_AS(powers.observe(Eigens{}, state, lesson.features.view(), lesson.columns), ValueError);  // some features are negative
  CHECK(state.moments().count(0) == lesson.of_class(0).size());
  State of_powers;
  teach(Eigens{}, powers, of_powers, positive(lesson), 2);
  CHECK_THROWS_AS(static_cast<void>(scores_of(Eigens{}, powers, of_powers, lesson.features)), ValueError);
  CHECK_THROWS_AS(head.forget(Eigens{}, state, 2, {}), ShapeError);
  GaussianHead const bare{.alpha1 = 0.0, .scaling = Scaling::covariance};
  State flat;
  CHECK_THROWS_AS(teach(Eigens{}, bare, flat, clouds(6, 10, 2, 13), 2), ValueError);
  GaussianHead settings;
  assign_setting(GaussianHead::settings(), settings, "covariance", "common");
  assign_setting(GaussianHead::settings(), settings, "recipe", "toolbox");
  CHECK(settings.covariance == GaussianCovariance::common);
  CHECK(settings.recipe == GaussianRecipe::toolbox);
}

}  // namespace accrete::test::gaussian_test
