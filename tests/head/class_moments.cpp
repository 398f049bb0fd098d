#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/head_data.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/class_moments.hpp>
#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace accrete::test::class_moments_test {

namespace {

using Eigens = HostExecutor<EigenProducts>;

ClassMoments learned(Lesson const& lesson, Index classes, SecondMoment kind = SecondMoment::full, Index batch = 1 << 30) {
  ClassMoments moments(kind);
  moments.admit(classes);
  for (Index first = 0; first < lesson.size(); first += batch) {
    Lesson const part = lesson.range(first, std::min(batch, lesson.size() - first));
    moments.add(Eigens{}, part.features.cview(), part.columns);
  }
  return moments;
}

struct Moments {
  Matrix<double> mean;        // [1, L]
  Matrix<double> covariance;  // [L, L]
};

/// Two passes in long double.
Moments naive(Lesson const& lesson, Index column) {
  Lesson const part = lesson.of_class(column);
  Index const width = part.features.extent(1);
  std::vector<long double> mean(static_cast<std::size_t>(width), 0.0L);
  for (Index i = 0; i < part.size(); ++i) {
    for (Index j = 0; j < width; ++j) { mean[static_cast<std::size_t>(j)] += static_cast<long double>(part.features(i, j)) / static_cast<long double>(part.size()); }
  }
  Moments result{Matrix<double>({1, width}), Matrix<double>({width, width})};
  for (Index j = 0; j < width; ++j) {
    result.mean(0, j) = static_cast<double>(mean[static_cast<std::size_t>(j)]);
    for (Index k = 0; k < width; ++k) {
      long double sum = 0.0L;
      for (Index i = 0; i < part.size(); ++i) {
        sum += (static_cast<long double>(part.features(i, j)) - mean[static_cast<std::size_t>(j)]) * (static_cast<long double>(part.features(i, k)) - mean[static_cast<std::size_t>(k)]);
      }
      result.covariance(j, k) = static_cast<double>(sum / static_cast<long double>(part.size() - 1));
    }
  }
  return result;
}

bool same(ClassMoments const& a, ClassMoments const& b) {
  bool equal = a.classes() == b.classes() && a.width() == b.width() && a.kind() == b.kind();
  for (Index c = 0; equal && c < a.classes(); ++c) {
    equal = a.count(c) == b.count(c) && same_bits(a.mean(c), b.mean(c)) && same_bits(a.factor(c), b.factor(c)) && same_bits(a.variances(c), b.variances(c)) && a.is_low_rank(c) == b.is_low_rank(c);
    if (equal && a.kind() == SecondMoment::full) { equal = same_bits(a.covariance(Eigens{}, c).storage(), b.covariance(Eigens{}, c).storage()); }
  }
  return equal;
}

void check_against_naive(ClassMoments const& moments, Lesson const& lesson, Kind kind = Kind::sum) {
  for (Index c = 0; c < moments.classes(); ++c) {
    auto const want = naive(lesson, c);
    CHECK(moments.count(c) == lesson.of_class(c).size());
    CHECK(relative_difference(moments.mean(c), want.mean[0]) <= tolerance<double>(Kind::sum));
    auto const variances = moments.variances(c);
    for (Index j = 0; j < moments.width(); ++j) { CHECK(variances(j) == doctest::Approx(want.covariance(j, j)).epsilon(1e-12)); }
    if (moments.kind() == SecondMoment::full) { CHECK(relative_difference(dense(moments.covariance(Eigens{}, c)), want.covariance) <= tolerance<double>(kind)); }
  }
}

}  // namespace

TEST_CASE("means and unbiased covariances are those of two passes, with few rows and with many") {
  Lesson const lesson = clouds(400, 60, 5, 1);
  auto const moments = learned(lesson, 5);
  CHECK(moments.is_low_rank(4));
  CHECK(!moments.is_low_rank(0));
  check_against_naive(moments, lesson);
  check_against_naive(learned(lesson, 5, SecondMoment::diagonal), lesson);
}

TEST_CASE("a class of few rows is its factor, one row fewer than it has samples") {
  Lesson const lesson = clouds(60, 30, 4, 2);
  auto const moments = learned(lesson, 4);
  for (Index c = 0; c < 4; ++c) {
    if (!moments.is_low_rank(c)) { continue; }
    CHECK(moments.factor(c).extent(0) == moments.count(c) - 1);
    Matrix<double> r(moments.factor(c).shape());
    std::copy(moments.factor(c).begin(), moments.factor(c).end(), r.begin());
    auto want = naive(lesson, c).covariance;
    for (double& x : want) { x *= static_cast<double>(moments.count(c) - 1); }
    CHECK(relative_difference(naive_product(transposed(r), r), want) <= tolerance<double>(Kind::sum));
  }
}

TEST_CASE("far from the origin nothing cancels") {
  Lesson lesson = clouds(200, 8, 2, 3);
  for (float& x : lesson.features) { x += 4096.0F; }
  check_against_naive(learned(lesson, 2), lesson, Kind::factor);  // a difference of numbers around 4096 keeps 12 digits
}

TEST_CASE("batches, threads and other classes do not change a bit") {
  Lesson const lesson = clouds(300, 24, 3, 4);
  auto const joint = learned(lesson, 3);
  CHECK(same(learned(lesson, 3, SecondMoment::full, 1), joint));
  CHECK(same(learned(lesson, 3, SecondMoment::full, 37), joint));
  ClassMoments grown;
  for (Index c = 0; c < 3; ++c) {
    grown.admit(c + 1);
    Lesson const part = lesson.of_class(c);
    grown.add(Eigens{.threads = 3}, part.features.cview(), part.columns);
  }
  CHECK(same(grown, joint));
}

TEST_CASE("shards merge to the whole") {
  Lesson const lesson = clouds(400, 30, 4, 5);
  for (auto const kind : {SecondMoment::full, SecondMoment::diagonal}) {
    for (Index const cut : {1, 30, 200}) {
      auto merged = learned(lesson.range(0, cut), 4, kind);
      merged.merge(learned(lesson.range(cut, 400 - cut), 4, kind), std::vector<Index>{0, 1, 2, 3});
      check_against_naive(merged, lesson);
      merged.settle(Eigens{});
      check_against_naive(merged, lesson);
    }
  }
  ClassMoments three;
  three.admit(3);
  three.merge(learned(lesson.of_class(0), 1), std::vector<Index>{2});
  CHECK(three.count(2) == lesson.of_class(0).size());
  CHECK(three.count(0) == 0);
}

TEST_CASE("a class without samples or with one has no spread") {
  ClassMoments moments;
  moments.admit(2);
  Lesson const lesson = clouds(1, 6, 1, 6);
  moments.add(Eigens{}, lesson.features.cview(), lesson.columns);
  CHECK(same_bits(dense(moments.covariance(Eigens{}, 0)), Matrix<double>::zeros({6, 6})));
  CHECK(same_bits(moments.variances(1), Vector<double>::zeros({6})));
  CHECK(moments.factor(0).extent(0) == 0);
}

TEST_CASE("forgetting a class equals never having learned it, bit for bit") {
  Lesson const lesson = clouds(150, 12, 4, 7);
  for (Index c = 0; c < 4; ++c) {
    auto moments = learned(lesson, 4);
    moments.forget(c);
    CHECK(same(moments, learned(lesson.without_class(c), 3)));
  }
}

TEST_CASE("moments go through a file bit for bit") {
  TemporaryFolder const folder;
  for (auto const kind : {SecondMoment::full, SecondMoment::diagonal}) {
    for (Index const classes : {0, 1, 5}) {
      auto moments = classes == 0 ? ClassMoments(kind) : learned(clouds(200, 20, classes, 8), classes, kind);
      moments.admit(classes + 1);
      ModelWriter const writer("test");
      moments.write(writer.scope("m"));
      writer.write(folder / "m.safetensors");
      auto const again = ClassMoments::read(ModelReader::open(folder / "m.safetensors", "test").scope("m"));
      CHECK(same(again, moments));
    }
  }
}

TEST_CASE("what does not fit is refused and changes nothing") {
  Lesson const lesson = clouds(30, 6, 2, 9);
  auto moments = learned(lesson, 2);
  auto const before = moments;
  CHECK_THROWS_AS(moments.add(Eigens{}, lesson.features.cview(), std::vector<Index>(30, 2)), ShapeError);
  CHECK_THROWS_AS(moments.add(Eigens{}, random_matrix<double>(1, 7, 1).cview(), std::vector<Index>{0}), ShapeError);
  Matrix<double> bad = random_matrix<double>(1, 6, 1);
  bad(0, 3) = std::nan("");
  CHECK_THROWS_AS(moments.add(Eigens{}, bad.cview(), std::vector<Index>{0}), ValueError);
  CHECK_THROWS_AS(moments.merge(before, std::vector<Index>{0}), ShapeError);
  CHECK_THROWS_AS(moments.merge(learned(lesson, 2, SecondMoment::diagonal), std::vector<Index>{0, 1}), ShapeError);
  CHECK_THROWS_AS(moments.forget(2), ShapeError);
  CHECK(same(moments, before));
  CHECK_THROWS_AS(static_cast<void>(learned(lesson, 2, SecondMoment::diagonal).covariance(Eigens{}, 0)), ValueError);
}

}  // namespace accrete::test::class_moments_test
