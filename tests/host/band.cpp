#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/band_reduction.hpp>
#include <accrete/host/band_solve.hpp>
#include <accrete/host/eigen_products.hpp>
#include <accrete/host/rank_k_update.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

namespace accrete::test::band_test {
using kernels::Rotation;

namespace {

using Host = HostExecutor<EigenProducts>;

Matrix<double> dense_band(kernels::SymmetricBand const& form) {
  constexpr Index width = kernels::SymmetricBand::width;
  auto b = Matrix<double>::zeros({form.order, form.order});
  for (Index i = 0; i < form.order; ++i) {
    for (Index j = std::max<Index>(0, i - width); j <= i; ++j) { b(i, j) = b(j, i) = form.band(i, j - i + width); }
  }
  return b;
}

Matrix<double> shifted(Matrix<double> a, double shift) {
  for (Index i = 0; i < a.extent(0); ++i) { a(i, i) += shift; }
  return a;
}

}  // namespace

TEST_CASE("a symmetric matrix is Z B Z^T with a band and an orthogonal Z") {
  Host const exec{.threads = 2};
  for (Index const order : {1, 2, 47, 48, 49, 96, 97, 200, 260}) {
    auto const a = definite_matrix(order, -3.0 * static_cast<double>(order), 21);  // eigenvalues of both signs
    auto const form = kernels::reduce_to_band(exec, tiled<double>(a));
    // Z B Z^T by rotating B's columns, transposing, and rotating again.
    auto half = dense_band(form);
    kernels::rotate(exec, form, Rotation::out_of_band, half.view());
    auto whole = transposed(half);
    kernels::rotate(exec, form, Rotation::out_of_band, whole.view());
    CHECK(relative_difference(whole, a) <= tolerance<double>(Kind::product));

    auto const x = random_matrix<double>(order, 53, 22);
    auto y = x;
    kernels::rotate(exec, form, Rotation::into_band, y.view());
    CHECK(relative_difference(naive_product(transposed(y), y), naive_product(transposed(x), x)) <= tolerance<double>(Kind::product));
    kernels::rotate(exec, form, Rotation::out_of_band, y.view());
    CHECK(relative_difference(y, x) <= tolerance<double>(Kind::product));
  }
}

TEST_CASE("a shifted band solves, its half solve gives energies, and its trace is that of the inverse") {
  Host const exec{.threads = 2};
  for (Index const order : {1, 48, 49, 130, 210}) {
    auto const a = definite_matrix(order, 0.0, 23);
    auto const form = kernels::reduce_to_band(exec, tiled<double>(a));
    auto const b = random_matrix<double>(order, 61, 24);
    for (double const shift : {0.5, 10.0, 1e4}) {
      auto const factor = kernels::factor_band(exec, form, shift);
      REQUIRE(factor);
      auto const want = solved(shifted(a, shift), b);
      auto x = b;
      kernels::rotate(exec, form, Rotation::into_band, x.view());
      auto half = x;
      kernels::solve_band(exec, *factor, x.view());
      kernels::rotate(exec, form, Rotation::out_of_band, x.view());
      CHECK(relative_difference(x, want) <= tolerance<double>(Kind::solve));

      kernels::solve_band_lower(exec, *factor, half.view());
      auto const inner = naive_product(transposed(half), half);
      auto const inner_want = naive_product(transposed(b), want);
      CHECK(relative_difference(inner, inner_want) <= tolerance<double>(Kind::solve));

      auto unit = Matrix<double>::zeros({order, order});
      for (Index i = 0; i < order; ++i) { unit(i, i) = 1.0; }
      auto const inverse = solved(shifted(a, shift), unit);
      double trace = 0.0;
      for (Index i = 0; i < order; ++i) { trace += inverse(i, i); }
      CHECK(kernels::band_inverse_trace(exec, *factor) == doctest::Approx(trace).epsilon(tolerance<double>(Kind::solve)));
    }
  }
}

TEST_CASE("a matrix of rank one and a matrix of zeros reduce") {
  Host const exec{.threads = 2};
  SymmetricMatrix<double> gram(150);
  auto const h = random_matrix<float>(1, 150, 25);
  auto const zero = kernels::reduce_to_band(exec, gram);
  CHECK(std::all_of(zero.band.begin(), zero.band.end(), [](double value) { return value == 0.0; }));
  kernels::rank_k_update(exec, 1.0, h.cview(), gram.view());
  auto const form = kernels::reduce_to_band(exec, gram);
  double trace = 0.0;
  double want = 0.0;
  for (Index i = 0; i < 150; ++i) {
    trace += form.band(i, kernels::SymmetricBand::width);
    want += static_cast<double>(h(0, i)) * static_cast<double>(h(0, i));
  }
  CHECK(trace == doctest::Approx(want).epsilon(tolerance<double>(Kind::sum)));
}

TEST_CASE("a band that is not positive definite has no factor") {
  Host const exec;
  auto const form = kernels::reduce_to_band(exec, tiled<double>(definite_matrix(100, 0.0, 26)));
  CHECK_FALSE(kernels::factor_band(exec, form, -1e6));
  CHECK_FALSE(kernels::factor_band(exec, form, std::numeric_limits<double>::quiet_NaN()));
}

TEST_CASE("the reduction has the same bits for every number of threads") {
  auto const a = tiled<double>(definite_matrix(250, 0.0, 27));
  auto const one = kernels::reduce_to_band(Host{.threads = 1}, a);
  auto const three = kernels::reduce_to_band(Host{.threads = 3}, a);
  CHECK(same_bits(one.band, three.band));
}

TEST_CASE("band kernels refuse extents that do not fit") {
  Host const exec;
  auto const form = kernels::reduce_to_band(exec, tiled<double>(definite_matrix(10, 0.0, 28)));
  Matrix<double> x({9, 2});
  CHECK_THROWS_AS(kernels::rotate(exec, form, Rotation::into_band, x.view()), ShapeError);
  CHECK_THROWS_AS(kernels::solve_band(exec, *kernels::factor_band(exec, form, 1.0), x.view()), ShapeError);
  CHECK_THROWS_AS((void)kernels::reduce_to_band(exec, SymmetricMatrix<double>()), ShapeError);
}

}  // namespace accrete::test::band_test
