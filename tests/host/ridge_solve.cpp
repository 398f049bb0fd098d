#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/eigen_products.hpp>
#include <accrete/host/rank_k_update.hpp>
#include <accrete/host/ridge_solve.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace accrete::test::ridge_solve_test {

namespace {

using Host = HostExecutor<EigenProducts>;

struct Problem {
  SymmetricMatrix<double> gram;
  Matrix<double> sums;  // [C, M]

  Problem(Index samples, Index order, Index classes) : gram(order), sums(random_matrix<double>(classes, order, 32)) {
    kernels::rank_k_update(Host{.threads = 2}, 1.0, random_matrix<float>(samples, order, 31).cview(), gram.view());
  }
  [[nodiscard]] Matrix<double> want(double ridge) const {
    auto a = dense(gram);
    for (Index i = 0; i < a.extent(0); ++i) { a(i, i) += ridge; }
    return transposed(solved(a, transposed(sums)));
  }
};

}  // namespace

TEST_CASE("a ridge system is solved to float64 accuracy by a float32 factor") {
  for (Index const order : {1, 48, 193, 250}) {
    Problem const problem(300, order, 7);
    Matrix<double> weights(problem.sums.shape());
    auto const solution = kernels::ridge_solve(Host{.threads = 2}, problem.gram.view(), 50.0, problem.sums.cview(), weights.view());
    CHECK(solution.solved);
    CHECK_FALSE(solution.float64_factor);
    CHECK(solution.residual <= std::numeric_limits<double>::epsilon());
    CHECK(relative_difference(weights, problem.want(50.0)) <= tolerance<double>(Kind::solve));
  }
}

TEST_CASE("where the float32 factor is too coarse, a float64 factor solves") {
  Problem const problem(100, 150, 3);  // singular but for the ridge, largest eigenvalue about 500
  Matrix<double> weights(problem.sums.shape());
  auto const solution = kernels::ridge_solve(Host{.threads = 2}, problem.gram.view(), 1e-7, problem.sums.cview(), weights.view());
  CHECK(solution.solved);
  CHECK(solution.float64_factor);
  // The residual, since weights of a condition number of 1e10 have no more than six digits.
  auto product = naive_product(weights, dense(problem.gram));
  for (Index i = 0; i < product.size(); ++i) { product.data()[i] += 1e-7 * weights.data()[i]; }
  double largest = 0.0;
  for (double const w : weights) { largest = std::max(largest, std::abs(w)); }
  for (Index i = 0; i < product.size(); ++i) { REQUIRE(std::abs(product.data()[i] - problem.sums.data()[i]) <= 500.0 * largest * tolerance<double>(Kind::sum)); }
}

TEST_CASE("a system that is not definite in float64 is not solved and the weights stay") {
  Problem const problem(10, 100, 3);
  auto weights = Matrix<double>::zeros(problem.sums.shape());
  auto const solution = kernels::ridge_solve(Host{.threads = 2}, problem.gram.view(), 0.0, problem.sums.cview(), weights.view());
  CHECK_FALSE(solution.solved);
  CHECK(std::all_of(weights.begin(), weights.end(), [](double w) { return w == 0.0; }));
}

TEST_CASE("weights far from one in size lose nothing in float32") {
  Problem problem(300, 60, 4);
  for (Index i = 0; i < problem.sums.extent(1); ++i) {
    problem.sums(0, i) *= 1e60;
    problem.sums(1, i) *= 1e-60;
    problem.sums(2, i) = 0.0;
  }
  Matrix<double> weights(problem.sums.shape());
  REQUIRE(kernels::ridge_solve(Host{}, problem.gram.view(), 1.0, problem.sums.cview(), weights.view()).solved);
  auto const want = problem.want(1.0);
  for (Index c = 0; c < 4; ++c) { CHECK(relative_difference(weights.cview()[c], want.cview()[c]) <= tolerance<double>(Kind::solve)); }
}

TEST_CASE("a ridge solve has the same bits for every number of threads") {
  Problem const problem(300, 250, 20);
  Matrix<double> one(problem.sums.shape());
  Matrix<double> three(problem.sums.shape());
  (void)kernels::ridge_solve(Host{.threads = 1}, problem.gram.view(), 3.0, problem.sums.cview(), one.view());
  (void)kernels::ridge_solve(Host{.threads = 3}, problem.gram.view(), 3.0, problem.sums.cview(), three.view());
  CHECK(same_bits(one, three));
}

TEST_CASE("a ridge solve refuses a negative ridge and extents that do not fit") {
  Problem const problem(20, 30, 3);
  Matrix<double> weights(problem.sums.shape());
  Matrix<double> other({2, 30});
  CHECK_THROWS_AS((void)kernels::ridge_solve(Host{}, problem.gram.view(), -1.0, problem.sums.cview(), weights.view()), ShapeError);
  CHECK_THROWS_AS((void)kernels::ridge_solve(Host{}, problem.gram.view(), std::nan(""), problem.sums.cview(), weights.view()), ShapeError);
  CHECK_THROWS_AS((void)kernels::ridge_solve(Host{}, problem.gram.view(), 1.0, problem.sums.cview(), other.view()), ShapeError);
}

}  // namespace accrete::test::ridge_solve_test
