#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/prompt/orthogonal_rows.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace accrete::test::orthogonal_rows_test {

namespace {

/// The specification's 1e-5.
double const close = tolerance<float>(Kind::product);

Rng stream(std::uint32_t task = 0) { return Rng({.seed = 5, .purpose = Purpose::initialisation, .task = task}); }

double product(MatrixView<float const> rows, Index a, Index b) {
  double sum = 0.0;
  for (Index j = 0; j < rows.extent(1); ++j) { sum += static_cast<double>(rows(a, j)) * static_cast<double>(rows(b, j)); }
  return sum;
}

/// Largest |T T^T - I| over the rows [first, first + count).
double from_orthonormal(MatrixView<float const> rows, Index first, Index count) {
  double worst = 0.0;
  for (Index a = first; a < first + count; ++a) {
    for (Index b = first; b <= a; ++b) { worst = std::max(worst, std::abs(product(rows, a, b) - (a == b ? 1.0 : 0.0))); }
  }
  return worst;
}

/// Largest |cos| of a new row [first, first + count) with an old one; rows of zeros have none.
double from_orthogonal(MatrixView<float const> rows, Index first, Index count) {
  double worst = 0.0;
  for (Index a = first; a < first + count; ++a) {
    for (Index b = 0; b < first; ++b) {
      double const length = std::sqrt(product(rows, b, b));
      if (length > 0.0) { worst = std::max(worst, std::abs(product(rows, a, b)) / length); }
    }
  }
  return worst;
}

/// Three tasks' rows after two of them were learned: drawn, then moved by `drift` of their length. The third's are still zero.
Matrix<float> after_two_tasks(double drift, GramSchmidt how) {
  auto rows = Matrix<float>::zeros({12, 48});
  auto const moves = random_matrix<float>(8, 48, 9);
  for (Index task = 0; task < 2; ++task) {
    draw_orthogonal_rows(rows, 4 * task, 4, stream(static_cast<std::uint32_t>(task)), how);
    for (Index i = 4 * task; i < 4 * task + 4; ++i) {
      for (Index j = 0; j < 48; ++j) { rows(i, j) += static_cast<float>(drift / std::sqrt(48.0)) * moves(i, j); }
    }
  }
  return rows;
}

}  // namespace

TEST_CASE("the first rows are orthonormal, the others stay as they are; both ways draw the same") {
  auto exact = Matrix<float>::zeros({100, 64});
  auto classical = Matrix<float>::zeros({100, 64});
  draw_orthogonal_rows(exact, 0, 10, stream());
  draw_orthogonal_rows(classical, 0, 10, stream(), GramSchmidt::classical);
  for (auto const* rows : {&exact, &classical}) {
    CHECK(from_orthonormal(*rows, 0, 10) <= close);
    CHECK(std::all_of((*rows)[10].begin(), rows->end(), [](float x) { return x == 0.0F; }));
  }
  CHECK(relative_difference(exact, classical) <= close);
}

TEST_CASE("a whole space is filled, up to the last direction") {
  for (GramSchmidt const how : {GramSchmidt::exact, GramSchmidt::classical}) {
    for (Index const width : {Index{1}, Index{2}, Index{32}}) {
      Matrix<float> rows({width, width});
      draw_orthogonal_rows(rows, 0, width, stream(), how);
      CHECK(from_orthonormal(rows, 0, width) <= close);
    }
  }
}

TEST_CASE("directions are random: another stream draws others, the same stream the same, and every coordinate is alike") {
  Matrix<float> rows({2, 16});
  Matrix<float> again({2, 16});
  Matrix<float> other({2, 16});
  draw_orthogonal_rows(rows, 0, 2, stream());
  draw_orthogonal_rows(again, 0, 2, stream());
  draw_orthogonal_rows(other, 0, 2, stream(1));
  CHECK(same_bits(rows, again));
  CHECK(std::abs(product(rows, 0, 0) - 1.0) <= close);
  CHECK(relative_difference(rows, other) > 0.1);

  // The square of a coordinate of a random direction in 4 dimensions has mean 1/4 and variance 1/16.
  constexpr Index draws = 2000;
  double squares[4] = {};
  double sums[4] = {};
  for (Index i = 0; i < draws; ++i) {
    Matrix<float> one({1, 4});
    draw_orthogonal_rows(one, 0, 1, stream(static_cast<std::uint32_t>(i)));
    for (Index j = 0; j < 4; ++j) {
      squares[j] += static_cast<double>(one(0, j)) * static_cast<double>(one(0, j)) / draws;
      sums[j] += static_cast<double>(one(0, j)) / draws;
    }
  }
  double const error = 5.0 / std::sqrt(static_cast<double>(draws));  // five standard errors
  for (Index j = 0; j < 4; ++j) {
    CHECK(std::abs(squares[j] - 0.25) <= 0.25 * error);
    CHECK(std::abs(sums[j]) <= 0.5 * error);
  }
}

TEST_CASE("new rows are orthogonal to all that drifted old ones span when exact, as published only to undrifted ones") {
  auto still = after_two_tasks(0.0, GramSchmidt::classical);
  draw_orthogonal_rows(still, 8, 4, stream(2), GramSchmidt::classical);
  CHECK(from_orthonormal(still, 0, 12) <= close);

  auto drifted = after_two_tasks(0.5, GramSchmidt::exact);
  auto const before = drifted;
  draw_orthogonal_rows(drifted, 8, 4, stream(2));
  CHECK(from_orthonormal(drifted, 8, 4) <= close);
  CHECK(from_orthogonal(drifted, 8, 4) <= close);
  CHECK(same_bits(drifted.cview().slice(0, 8), before.cview().slice(0, 8)));

  auto published = before;
  draw_orthogonal_rows(published, 8, 4, stream(2), GramSchmidt::classical);
  CHECK(same_bits(published.cview().slice(0, 8), before.cview().slice(0, 8)));
  for (Index i = 8; i < 12; ++i) { CHECK(std::abs(product(published, i, i) - 1.0) <= close); }
  CHECK(from_orthogonal(published, 8, 4) > 1e-3);
  CHECK(from_orthonormal(published, 8, 4) > 1e-3);
}

TEST_CASE("nearly parallel old rows cost the exact way no digits") {
  auto rows = Matrix<float>::zeros({4, 6});
  for (Index i = 0; i < 3; ++i) {
    rows(i, 0) = 100.0F;
    rows(i, i + 1) = 0.001F;
  }
  draw_orthogonal_rows(rows, 3, 1, stream());
  // What they span: all of the first four coordinates but one direction of them.
  CHECK(from_orthogonal(rows, 3, 1) <= close);
  for (Index i = 0; i < 2; ++i) { CHECK(std::abs(rows(3, i + 1) - rows(3, i + 2)) <= close); }  // orthogonal to their differences, a tiny part of each
}

TEST_CASE("the classical way is the published formula") {
  auto rows = Matrix<float>::zeros({3, 3});
  rows(0, 0) = 1.0F;
  rows(1, 0) = rows(1, 1) = 1.0F;
  draw_orthogonal_rows(rows, 2, 1, stream(), GramSchmidt::classical);
  double const a = stream().normal(0);
  double const b = stream().normal(1);
  double const c = stream().normal(2);
  double const want[] = {-(a + b) / 2.0, (b - a) / 2.0, c};  // v - a (1, 0, 0) - (a + b)/2 (1, 1, 0)
  double const length = std::hypot(want[0], want[1], want[2]);
  for (Index j = 0; j < 3; ++j) { CHECK(std::abs(static_cast<double>(rows(2, j)) - want[j] / length) <= close); }
}

TEST_CASE("old rows of zeros, and for the exact way repeated ones, take no direction") {
  for (GramSchmidt const how : {GramSchmidt::exact, GramSchmidt::classical}) {
    auto rows = Matrix<float>::zeros({5, 4});
    rows(1, 2) = 3.0F;
    draw_orthogonal_rows(rows, 2, 3, stream(), how);
    CHECK(from_orthonormal(rows, 2, 3) <= close);
    CHECK(from_orthogonal(rows, 2, 3) <= close);
  }
  auto rows = random_matrix<float>(6, 4, 3);
  for (Index j = 0; j < 4; ++j) {
    rows(1, j) = 0.3F * rows(0, j);
    rows(3, j) = rows(0, j) - 0.7F * rows(2, j);
  }
  draw_orthogonal_rows(rows, 4, 2, stream());
  CHECK(from_orthonormal(rows, 4, 2) <= close);
  CHECK(from_orthogonal(rows, 4, 2) <= close);
}

TEST_CASE("rows beyond the dimensions are random directions, as many as there are") {
  for (GramSchmidt const how : {GramSchmidt::exact, GramSchmidt::classical}) {
    auto rows = Matrix<float>::zeros({20, 6});
    draw_orthogonal_rows(rows, 0, 10, stream(), how);
    draw_orthogonal_rows(rows, 10, 10, stream(1), how);
    CHECK(from_orthonormal(rows, 0, 6) <= close);
    for (Index a = 6; a < 20; ++a) {
      CHECK(std::abs(product(rows, a, a) - 1.0) <= close);
      for (Index b = 0; b < a; ++b) { CHECK(std::abs(product(rows, a, b)) < 0.999); }
    }
  }
}

TEST_CASE("the classical way steps over an old row that is too short to divide by") {
  auto rows = Matrix<float>::zeros({3, 2});
  rows(0, 0) = 1.0F;
  rows(1, 1) = 1e-5F;
  draw_orthogonal_rows(rows, 2, 1, stream(), GramSchmidt::classical);
  CHECK(std::abs(rows(2, 0)) <= close);
  CHECK(std::abs(std::abs(rows(2, 1)) - 1.0F) <= close);
  draw_orthogonal_rows(rows, 2, 1, stream());  // for the exact way nothing is left: it took both
  CHECK(std::abs(rows(2, 0)) > 1e-3F);
}

TEST_CASE("what does not fit is refused and changes nothing") {
  auto rows = random_matrix<float>(4, 3, 8);
  auto const before = rows;
  for (auto const& [first, count] : {std::pair{-1, 1}, {0, 5}, {4, 1}, {1, -1}}) { CHECK_THROWS_AS(draw_orthogonal_rows(rows, first, count, stream()), ShapeError); }
  draw_orthogonal_rows(rows, 4, 0, stream());
  CHECK(same_bits(rows, before));
  Matrix<float> narrow({2, 0});
  CHECK_THROWS_AS(draw_orthogonal_rows(narrow, 0, 1, stream()), ShapeError);
  for (float const bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (GramSchmidt const how : {GramSchmidt::exact, GramSchmidt::classical}) {
      auto broken = before;
      broken(1, 1) = bad;
      auto const as_it_was = broken;
      CHECK_THROWS_AS(draw_orthogonal_rows(broken, 2, 2, stream(), how), ValueError);
      CHECK(same_bits(broken, as_it_was));
    }
  }
}

}  // namespace accrete::test::orthogonal_rows_test
