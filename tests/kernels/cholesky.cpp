#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/cholesky.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace accrete::test::cholesky_test {

namespace {

Matrix<double> multiplied_out(kernels::CholeskyFactor<double> const& factor) {
  Matrix<double> lower = Matrix<double>::zeros({factor.order(), factor.order()});
  for (Index i = 0; i < factor.order(); ++i) {
    for (Index j = 0; j <= i; ++j) { lower(i, j) = factor.lower(i, j); }
  }
  return naive_product(lower, transposed(lower));
}

}  // namespace

TEST_CASE_TEMPLATE("the factor multiplied out is the matrix, and solving with it halves the inverse", Exec, ACCRETE_HOST_EXECUTORS) {
  for (Index const order : {1, 5, 48, 192, 205}) {
    auto const a = definite_matrix(order, 0.5, static_cast<std::uint64_t>(order));
    auto const factor = kernels::cholesky(Exec{}, tiled<double>(a));
    REQUIRE(factor);
    CHECK(relative_difference(multiplied_out(*factor), a) <= tolerance<double>(Kind::factor));
    for (Index const columns : {1, 7, 400}) {
      auto const right = random_matrix<double>(order, columns, 3);
      auto x = right;
      kernels::solve_lower(Exec{.threads = 2}, *factor, x.view());
      CHECK(relative_difference(naive_product(transposed(x), x), naive_product(transposed(right), solved(a, right))) <= tolerance<double>(Kind::solve));
    }
  }
}

TEST_CASE_TEMPLATE("a column is solved alone, whatever the others and the threads", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const factor = kernels::cholesky(Exec{.threads = 1}, tiled<double>(definite_matrix(205, 0.5, 1)));
  REQUIRE(factor);
  auto const right = random_matrix<double>(205, 401, 3);
  auto x = right;
  kernels::solve_lower(Exec{.threads = 3}, *factor, x.view());
  for (Index const column : {0, 17, 383, 384, 400}) {
    Matrix<double> one({205, 1});
    for (Index i = 0; i < 205; ++i) { one(i, 0) = right(i, column); }
    kernels::solve_lower(Exec{.threads = 1}, *factor, one.view());
    bool same = true;
    for (Index i = 0; i < 205; ++i) { same = same && one(i, 0) == x(i, column); }
    CHECK(same);
  }
}

TEST_CASE("what is not definite has no factor, and extents must fit") {
  HostExecutor<EigenProducts> const exec;
  auto a = definite_matrix(50, 0.5, 1);
  a(49, 49) = -1.0;
  CHECK(!kernels::cholesky(exec, tiled<double>(a)));
  CHECK_THROWS_AS(static_cast<void>(kernels::cholesky(exec, SymmetricMatrix<double>())), ShapeError);
  a(49, 49) = 1e3;
  auto const factor = kernels::cholesky(exec, tiled<double>(a));
  REQUIRE(factor);
  Matrix<double> x({49, 2});
  CHECK_THROWS_AS(kernels::solve_lower(exec, *factor, x.view()), ShapeError);
}

}  // namespace accrete::test::cholesky_test
