#include "support/compare.hpp"
#include "support/tolerances.hpp"

#include <accrete/core/rng.hpp>
#include <accrete/train/gather_spans.hpp>
#include <accrete/train/gradient/agem.hpp>
#include <accrete/train/gradient/gem.hpp>
#include <accrete/train/gradient/none.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace accrete::test::gradient_test {
namespace {

static_assert(GradientPolicy<PlainGradient> && GradientPolicy<Gem> && GradientPolicy<AveragedGem> && !GradientPolicy<int>);
struct Silent : Gem {
  void project() const;
};
static_assert(StatesItsConstraints<Silent> && !ProjectsGradients<Silent> && !GradientPolicy<Silent>);

using Row = std::vector<double>;

Vector<double> vector_of(Row const& row) {
  Vector<double> v({static_cast<Index>(row.size())});
  std::copy(row.begin(), row.end(), v.begin());
  return v;
}
Matrix<double> matrix_of(std::vector<Row> const& rows, Index width) {
  Matrix<double> m({static_cast<Index>(rows.size()), width});
  for (std::size_t i = 0; i < rows.size(); ++i) { std::copy(rows[i].begin(), rows[i].end(), m[static_cast<Index>(i)].begin()); }
  return m;
}
double dot(VectorView<double const> a, VectorView<double const> b) {
  double sum = 0.0;
  for (Index i = 0; i < a.size(); ++i) { sum += a[i] * b[i]; }
  return sum;
}

/// `digits` is half a unit of the last digit that the specification prints.
void check_gem(Row const& gradient, std::vector<Row> const& constraints, Gem const& gem, Row const& multipliers, Row const& want, double digits) {
  Vector<double> g = vector_of(gradient);
  auto const result = gem.project(g.view(), matrix_of(constraints, g.size()));
  CHECK(result.changed);
  REQUIRE(result.multipliers.size() == multipliers.size());
  for (std::size_t k = 0; k < multipliers.size(); ++k) { CHECK(std::abs(result.multipliers[k] - multipliers[k]) <= digits); }
  for (Index i = 0; i < g.size(); ++i) { CHECK(std::abs(g(i) - want[static_cast<std::size_t>(i)]) <= digits); }
}

Matrix<double> drawn(Index rows, Index width, std::uint64_t object) {
  Rng const rng({.seed = 11, .purpose = Purpose::initialisation, .object = object});
  Matrix<double> m({rows, width});
  for (Index i = 0; i < m.size(); ++i) { m.data()[i] = static_cast<double>(rng.normal(static_cast<std::uint64_t>(i))); }
  return m;
}

constexpr double exact = 1e-12;
constexpr double six_digits = 0.5000001e-6;

}  // namespace

TEST_CASE("GEM: one violated constraint") {
  check_gem({1, 0}, {{-1, 1}}, {.margin = 0, .epsilon = 0}, {0.5}, {0.5, 0.5}, exact);
  check_gem({1, 0}, {{-1, 1}}, {.margin = 0, .epsilon = 1e-3}, {0.499750}, {0.500250, 0.499750}, six_digits);
  check_gem({1, 0}, {{-1, 1}}, {.margin = 0.5, .epsilon = 1e-3}, {0.5}, {0.5, 0.5}, exact);  // the bound is active
}

TEST_CASE("GEM: a satisfied constraint gets the margin as well") {
  check_gem({1, 0}, {{-1, 1}, {1, 0}}, {.margin = 0, .epsilon = 0}, {0.5, 0}, {0.5, 0.5}, exact);
  check_gem({1, 0}, {{-1, 1}, {1, 0}}, {.margin = 0.5, .epsilon = 0}, {0.75, 0.5}, {0.75, 0.75}, exact);
  check_gem({1, 0}, {{-1, 1}, {1, 0}}, {.margin = 0.5, .epsilon = 1e-3}, {0.749625, 0.5}, {0.750375, 0.749625}, six_digits);
}

TEST_CASE("GEM: opposite constraints leave nothing") { check_gem({0, 1}, {{1, -1}, {-1, -1}}, {.margin = 0.5, .epsilon = 0}, {0.5, 0.5}, {0, 0}, exact); }

TEST_CASE("GEM without margin: no constraint is violated, and no other such gradient is nearer") {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Index const count = 1 + static_cast<Index>(trial % 12);
    Index const length = trial % 3 == 0 ? 13 : 5000;  // more than one block of products
    Matrix<double> const m = drawn(count, length, 2 * trial);
    Matrix<double> const gradients = drawn(1, length, 2 * trial + 1);
    Vector<double> g({length});
    std::copy(gradients.begin(), gradients.end(), g.begin());
    for (Index i = 0; i < length; ++i) { g(i) -= 0.3 * m(0, i); }
    Vector<double> const before = g;
    auto const result = Gem{.margin = 0, .epsilon = 0}.project(g.view(), m);
    REQUIRE(result.changed);
    // The conditions of Karush, Kuhn and Tucker, sufficient since the problem is convex: what was added is a non-negative sum of active constraints.
    double const scale = std::sqrt(dot(before, before)) * std::sqrt(static_cast<double>(length));
    for (Index k = 0; k < count; ++k) {
      double const v = result.multipliers[static_cast<std::size_t>(k)];
      double const left = dot(g, m.cview()[k]);
      CHECK(left >= -1e-10);
      CHECK(v >= 0.0);
      CHECK(std::abs(v * left) <= 1e-12 * scale);
    }
    Vector<double> rebuilt = before;
    for (Index k = 0; k < count; ++k) {
      for (Index i = 0; i < length; ++i) { rebuilt(i) += result.multipliers[static_cast<std::size_t>(k)] * m(k, i); }
    }
    CHECK(relative_difference(g, rebuilt) <= tolerance<double>(Kind::elementwise));
  }
}

TEST_CASE_TEMPLATE("no violation: the gradient keeps its bits", Policy, PlainGradient, Gem, AveragedGem) {
  Vector<double> g = vector_of({0.1, 0.7, -0.0});
  Vector<double> const before = g;
  auto const result = Policy{}.project(g.view(), matrix_of({{1, 0, 0}, {0, 2, 5}, {0, 0, 3}}, 3));
  CHECK_FALSE(result.changed);
  CHECK(result.violated == 0);
  CHECK(result.multipliers.empty());
  CHECK(same_bits(g, before));
  CHECK_FALSE(Policy{}.project(g.view(), Matrix<double>({0, 3})).changed);  // the first task has no constraint
  CHECK(same_bits(g, before));
}

TEST_CASE("constraints that depend on each other are no trouble") {
  Gem const gem{.margin = 0, .epsilon = 0};
  check_gem({1, 0}, {{-1, 1}, {0, 0}}, gem, {0.5, 0}, {0.5, 0.5}, exact);
  for (auto const& constraints : std::vector<std::vector<Row>>{{{-1, 1}, {-1, 1}}, {{-1, 1}, {-2, 2}, {-0.1, 0.1}}, {{-1, 1}, {1, -1}}}) {
    Vector<double> g = vector_of({1, 0});
    CHECK(gem.project(g.view(), matrix_of(constraints, 2)).changed);
    CHECK(std::abs(g(0) - 0.5) <= exact);
    CHECK(std::abs(g(1) - 0.5) <= exact);
  }
  // The third row is a tenth of the sum of the first two, but rounding gave it a slope of its own: it stays fixed, and the fourth still becomes free.
  Matrix<double> const form = matrix_of({{1, 0, 0.1, 0}, {0, 1, 0.1, 0}, {0.1, 0.1, 0.02, 0}, {0, 0, 0, 1}}, 4);
  Vector<double> const least = NonnegativeQuadratic(form, vector_of({-1, -1, -0.2 - 1e-9, -1e-10})).minimum();
  CHECK(relative_difference(least, vector_of({1, 1, 0, 1e-10})) <= exact);
  // Thirty constraints in four dimensions.
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    Matrix<double> const m = drawn(30, 4, 100 + trial);
    Vector<double> g = vector_of({1, -1, 2, 0.5});
    gem.project(g.view(), m);
    for (Index k = 0; k < 30; ++k) { CHECK(dot(g, m.cview()[k]) >= -1e-10); }
  }
}

TEST_CASE("float gradients follow the same formula, summed in double") {
  Vector<float> g({2});
  g(0) = 1.0F;
  g(1) = 0.0F;
  Matrix<float> m({1, 2});
  m(0, 0) = -1.0F;
  m(0, 1) = 1.0F;
  CHECK(Gem{.margin = 0, .epsilon = 0}.project(g.view(), m).violated == 1);
  CHECK(g(0) == 0.5F);
  CHECK(g(1) == 0.5F);
}

TEST_CASE("A-GEM takes off the part against the mean of the memories") {
  Vector<double> g = vector_of({1, 0});
  CHECK(AveragedGem{}.project(g.view(), matrix_of({{-1, 1}}, 2)).changed);
  CHECK(std::abs(g(0) - 0.5) <= exact);
  CHECK(std::abs(g(1) - 0.5) <= exact);
  g = vector_of({1, 2, -3});
  Matrix<double> const m = matrix_of({{1, 0, 4}, {0, -5, 2}}, 3);
  AveragedGem{}.project(g.view(), m);
  Vector<double> const mean = vector_of({0.5, -2.5, 3});
  CHECK(std::abs(dot(g, mean)) <= exact);
  double const share = (0.5 - 5.0 - 9.0) / (0.25 + 6.25 + 9.0);
  CHECK(std::abs(g(1) - (2.0 + share * 2.5)) <= exact);
  g = vector_of({1, 0});
  CHECK_FALSE(AveragedGem{}.project(g.view(), matrix_of({{-1, 0}, {1, 0}}, 2)).changed);  // the mean is zero
}

TEST_CASE("shards of the parameters sum their products and find the same multipliers") {
  Matrix<double> const m = drawn(3, 10, 7);
  Vector<double> g = vector_of({-1, 2, -3, 4, -5, 6, -7, 8, -9, 10});
  GradientProducts const whole = gradient_products<double>("test", g, m);
  GradientProducts sum{Matrix<double>::zeros({3, 3}), Vector<double>::zeros({3})};
  for (Index const first : {0, 4}) {
    Index const part = first == 0 ? 4 : 6;
    Matrix<double> piece({3, part});
    for (Index k = 0; k < 3; ++k) { std::copy_n(m.cview()[k].begin() + first, part, piece[k].begin()); }
    GradientProducts const of_piece = gradient_products<double>("test", g.cview().slice(first, part), piece);
    for (Index i = 0; i < 9; ++i) { sum.gram.data()[i] += of_piece.gram.data()[i]; }
    for (Index i = 0; i < 3; ++i) { sum.aligned(i) += of_piece.aligned(i); }
  }
  CHECK(relative_difference(Gem{}.multipliers(sum), Gem{}.multipliers(whole)) <= tolerance<double>(Kind::solve));
}

TEST_CASE("gradients that do not fit or are not finite are refused, and stay") {
  Vector<double> g = vector_of({1, 0});
  Vector<double> const before = g;
  CHECK_THROWS_AS((Gem{}.project(g.view(), matrix_of({{1, 2, 3}}, 3))), ShapeError);
  CHECK_THROWS_AS((Gem{}.project(g.view(), matrix_of({{-1, std::numeric_limits<double>::quiet_NaN()}}, 2))), ValueError);
  CHECK_THROWS_AS((AveragedGem{}.project(g.view(), matrix_of({{-1, std::numeric_limits<double>::infinity()}}, 2))), ValueError);
  CHECK_THROWS_AS((Gem{.margin = -1}.project(g.view(), matrix_of({{-1, 0}}, 2))), ValueError);
  CHECK(same_bits(g, before));
  Gem gem;
  assign_setting(Gem::settings(), gem, "margin", "0.25");
  CHECK(gem.margin == 0.25);
}

TEST_CASE("what learns is gathered side by side and goes back to its place") {
  ParameterStore<float> store;
  store.add({"a", {3, 2}, "trunk", -1, true, 1, 2});
  store.add({"b", {3}, "head", -1, true, 0, 3});
  for (Index i = 0; i < store.values().size(); ++i) { store.values()[i] = static_cast<float>(i); }
  auto const before = store;
  auto const spans = store.trainable();
  REQUIRE(span_elements(spans) == 7);
  Vector<float> side({7});
  gather_spans(std::as_const(store).values(), spans, side.view());
  CHECK(side(0) == 2.0F);
  CHECK(side(4) == 16.0F);
  for (float& value : side) { value = -value; }
  scatter_spans(side.cview(), spans, store.values());
  CHECK(store.view<2>("a")(0, 1) == 1.0F);
  CHECK(store.view<2>("a")(2, 1) == -5.0F);
  CHECK(store.view<1>("b")(2) == -18.0F);
  for (float& value : side) { value = -value; }
  scatter_spans(side.cview(), spans, store.values());
  CHECK(store == before);
  CHECK_THROWS_AS(gather_spans(std::as_const(store).values(), spans, side.view().slice(0, 6)), ShapeError);
}

}  // namespace accrete::test::gradient_test
