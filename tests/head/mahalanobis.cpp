#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/mahalanobis.hpp>
#include <accrete/head/shrinkage.hpp>

#include <doctest/doctest.h>

#include <cmath>

namespace accrete::test::mahalanobis_test {

namespace {

using Eigens = HostExecutor<EigenProducts>;

/// Spec example: [[2, 1], [1, 1]].
SymmetricMatrix<double> example() {
  SymmetricMatrix<double> s(2);
  s(0, 0) = 2.0;
  s(1, 0) = 1.0;
  s(1, 1) = 1.0;
  return s;
}

template <class Exec>
double distance(Exec const& exec, MahalanobisForm const& form, double x, double y) {
  Matrix<double> z({1, 2});
  z(0, 0) = x;
  z(0, 1) = y;
  Vector<double> d({1});
  form.distances(exec, z.cview(), d.view());
  return d(0);
}

template <class Exec>
Vector<double> measured(Exec const& exec, MahalanobisForm const& form, Matrix<double> const& z) {
  Vector<double> d({z.extent(0)});
  form.distances(exec, z.cview(), d.view());
  return d;
}

/// z^T A^-1 z by Gauss and Jordan.
Vector<double> naive(Matrix<double> const& a, Matrix<double> const& z) {
  auto const x = solved(a, transposed(z));
  auto d = Vector<double>::zeros({z.extent(0)});
  for (Index i = 0; i < z.extent(0); ++i) {
    for (Index j = 0; j < z.extent(1); ++j) { d(i) += z(i, j) * x(j, i); }
  }
  return d;
}

Matrix<double> correlations(Matrix<double> a) {
  Matrix<double> r(a.shape());
  for (Index i = 0; i < a.extent(0); ++i) {
    for (Index j = 0; j < a.extent(1); ++j) { r(i, j) = a(i, j) / std::sqrt(a(i, i) * a(j, j)); }
  }
  return r;
}

}  // namespace

TEST_CASE("shrinking adds the means of the diagonal and of what stands beside it") {
  auto const once = shrunk(example(), {1.0, 1.0});
  CHECK(once(0, 0) == 3.5);
  CHECK(once(1, 0) == 2.0);
  CHECK(once(1, 1) == 2.5);
  auto const twice = shrunk(once, {1.0, 1.0});
  CHECK(twice(0, 0) == 6.5);
  CHECK(twice(1, 0) == 4.0);
  CHECK(twice(1, 1) == 5.5);
  CHECK(shrunk(example(), {1.0, 0.0})(1, 0) == 1.0);

  SymmetricMatrix<double> sparse(3);  // entries that are exactly zero do not count
  sparse(1, 0) = 4.0;
  sparse(2, 1) = 2.0;
  auto const filled = shrunk(sparse, {0.0, 1.0});
  CHECK(filled(1, 0) == 7.0);
  CHECK(filled(2, 0) == 3.0);
}

TEST_CASE_TEMPLATE("distances of the worked example", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  auto const by = [&](double alpha1, double alpha2, int times) {
    auto s = example();
    for (int i = 0; i < times; ++i) { s = shrunk(s, {alpha1, alpha2}); }
    return distance(exec, MahalanobisForm::dense(exec, s, Scaling::correlation), 1.0, -1.0);
  };
  // 2 / (1 - r) for the correlations r = 2 / sqrt(8.75), 4 / sqrt(35.75), 1 / sqrt(8.75)
  CHECK(by(1.0, 1.0, 1) == doctest::Approx(2.0 / (1.0 - 2.0 / std::sqrt(8.75))).epsilon(1e-12));
  CHECK(by(1.0, 1.0, 1) == doctest::Approx(6.1752).epsilon(1e-5));
  CHECK(by(1.0, 1.0, 2) == doctest::Approx(6.0422).epsilon(1e-5));
  CHECK(by(1.0, 0.0, 1) == doctest::Approx(3.0214).epsilon(1e-5));
  CHECK(distance(exec, MahalanobisForm::dense(exec, example(), Scaling::covariance), 1.0, -1.0) == doctest::Approx(5.0).epsilon(1e-12));
}

TEST_CASE("the toolbox's pseudo-inverse of the worked example") {
  Eigens const exec;
  auto s = example();
  for (Index i = 0; i < 2; ++i) { s(i, i) += 100.0; }
  CHECK(distance(exec, MahalanobisForm::spread(exec, s), 1.0, -1.0) == doctest::Approx(1.0).epsilon(1e-10));
  CHECK(distance(exec, MahalanobisForm::spread(exec, s), 1.0, 1.0) == doctest::Approx(0.0).epsilon(1e-10));
}

TEST_CASE("the toolbox's distance is that of the pseudo-inverse of the correlations of rows") {
  Eigens const exec;
  Index const width = 7;
  auto a = definite_matrix(width, 5.0, 3);
  Matrix<double> centred(a.shape());
  for (Index i = 0; i < width; ++i) {
    double mean = 0.0;
    for (Index j = 0; j < width; ++j) { mean += a(i, j) / static_cast<double>(width); }
    for (Index j = 0; j < width; ++j) { centred(i, j) = a(i, j) - mean; }
  }
  auto const p = correlations(naive_product(centred, transposed(centred)));
  auto const z = random_matrix<double>(3, width, 4);
  auto const got = measured(exec, MahalanobisForm::spread(exec, tiled<double>(a)), z);
  // P^+ z is the limit of P (P P + e I)^-1 z; with e = 1e-9 the relative error is e over the square of the least eigenvalue.
  auto square = naive_product(p, p);
  for (Index i = 0; i < width; ++i) { square(i, i) += 1e-9; }
  auto const x = naive_product(p, solved(square, transposed(z)));
  for (Index i = 0; i < 3; ++i) {
    double want = 0.0;
    for (Index j = 0; j < width; ++j) { want += z(i, j) * x(j, i); }
    CHECK(got(i) == doctest::Approx(want).epsilon(1e-5));
  }
}

TEST_CASE_TEMPLATE("dense, low rank and Gauss-Jordan agree", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  for (Index const rows : {0, 1, 9, 60}) {
    Index const width = 50;
    double const shift = 0.7;
    auto const v = random_matrix<double>(rows, width, 5);
    auto s = naive_product(transposed(v), v);
    for (Index i = 0; i < width; ++i) { s(i, i) += shift; }
    auto const z = random_matrix<double>(13, width, 6);
    for (auto const scaling : {Scaling::covariance, Scaling::correlation}) {
      auto const want = naive(scaling == Scaling::correlation ? correlations(s) : s, z);
      auto const low_rank = MahalanobisForm::low_rank(exec, v, shift, scaling);
      CHECK(low_rank.is_low_rank());
      CHECK(relative_difference(measured(exec, MahalanobisForm::dense(exec, tiled<double>(s), scaling), z), want) <= tolerance<double>(Kind::routes));
      CHECK(relative_difference(measured(exec, low_rank, z), want) <= tolerance<double>(Kind::routes));
    }
  }
}

TEST_CASE("round spreads are plain distances, and correlations do not see a scale") {
  Eigens const exec;
  SymmetricMatrix<double> round(9);
  for (Index i = 0; i < 9; ++i) { round(i, i) = 0.3; }
  auto const z = random_matrix<double>(4, 9, 8);
  auto const d = measured(exec, MahalanobisForm::dense(exec, round, Scaling::correlation), z);
  for (Index i = 0; i < 4; ++i) {
    double squared = 0.0;
    for (double const x : z[i]) { squared += x * x; }
    CHECK(d(i) == doctest::Approx(squared).epsilon(1e-13));
  }
  auto const s = definite_matrix(9, 0.5, 9);
  auto scaled = s;
  for (double& x : scaled) { x *= 4.0; }  // a power of two changes no rounding
  CHECK(
      same_bits(measured(exec, MahalanobisForm::dense(exec, tiled<double>(scaled), Scaling::correlation), z), measured(exec, MahalanobisForm::dense(exec, tiled<double>(s), Scaling::correlation), z)));
}

TEST_CASE("a diagonal is a distance of its own") {
  Vector<double> variances({2});
  variances(0) = 4.0;
  variances(1) = 0.25;
  CHECK(distance(Eigens{}, MahalanobisForm::diagonal(variances), 2.0, 1.0) == doctest::Approx(5.0).epsilon(1e-14));
}

TEST_CASE("what has no inverse is refused") {
  Eigens const exec;
  SymmetricMatrix<double> flat(3);
  flat(0, 0) = 1.0;
  CHECK_THROWS_AS(static_cast<void>(MahalanobisForm::dense(exec, flat, Scaling::covariance)), ValueError);
  CHECK_THROWS_AS(static_cast<void>(MahalanobisForm::low_rank(exec, random_matrix<double>(2, 3, 1), 0.0, Scaling::covariance)), ValueError);
  CHECK_THROWS_AS(static_cast<void>(MahalanobisForm::diagonal(Vector<double>::zeros({2}))), ValueError);
  auto const form = MahalanobisForm::dense(exec, example(), Scaling::covariance);
  Vector<double> d({1});
  CHECK_THROWS_AS(form.distances(exec, random_matrix<double>(1, 3, 1).cview(), d.view()), ShapeError);
}

}  // namespace accrete::test::mahalanobis_test
