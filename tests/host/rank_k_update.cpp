#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/eigen_products.hpp>
#include <accrete/host/rank_k_update.hpp>

#include <doctest/doctest.h>

#include <limits>

namespace accrete::test::rank_k_update_test {

namespace {
using Host = HostExecutor<EigenProducts>;
}

TEST_CASE_TEMPLATE("a rank-k update adds H^T H in float64, for orders beside every tile and panel edge", T, float, double) {
  Host const exec{.threads = 2};
  for (Index const order : {1, 47, 48, 49, 191, 193, 400}) {
    for (Index const rows : {1, 20, 600}) {
      auto const h = random_matrix<T>(rows, order, 5);
      SymmetricMatrix<double> gram(order);
      kernels::rank_k_update(exec, 1.0, h.cview(), gram.view());
      kernels::rank_k_update(exec, 1.0, h.cview(), gram.view());
      kernels::rank_k_update(exec, -1.0, h.cview(), gram.view());
      CHECK(relative_difference(dense(gram), naive_product(transposed(h), h)) <= tolerance<double>(Kind::sum));
    }
  }
}

TEST_CASE_TEMPLATE("an outer update adds H H^T in float64, whatever ranges of columns it comes in", T, float, double) {
  Host const exec{.threads = 2};
  for (Index const order : {1, 48, 193, 300}) {
    auto const h = random_matrix<T>(order, 555, 6);
    SymmetricMatrix<double> gram(order);
    for (Index first = 0; first < 555; first += 37) {
      Matrix<T> part({order, 37});
      for (Index i = 0; i < order; ++i) {
        for (Index k = 0; k < 37; ++k) { part(i, k) = h(i, first + k); }
      }
      kernels::outer_update(exec, part.cview(), gram.view());
    }
    CHECK(relative_difference(dense(gram), naive_product(h, transposed(h))) <= tolerance<double>(Kind::sum));
  }
}

TEST_CASE("a rank-k update has the same bits for every number of threads") {
  auto const h = random_matrix<float>(700, 500, 7);
  SymmetricMatrix<double> one(500);
  SymmetricMatrix<double> three(500);
  kernels::rank_k_update(Host{.threads = 1}, 1.0, h.cview(), one.view());
  kernels::rank_k_update(Host{.threads = 3}, 1.0, h.cview(), three.view());
  CHECK(same_bits(one.storage(), three.storage()));
}

TEST_CASE("what lies outside of a symmetric matrix stays zero") {
  auto const h = random_matrix<float>(30, 100, 8);
  SymmetricMatrix<double> gram(100);
  kernels::rank_k_update(Host{.threads = 2}, 1.0, h.cview(), gram.view());
  for (Index i = 100; i < TriangleTiles::edge; ++i) {
    for (Index j = 0; j <= i; ++j) { REQUIRE(gram.view()(i, j) == 0.0); }
  }
}

TEST_CASE("an update refuses rows of another width and takes no rows at all") {
  SymmetricMatrix<double> gram(10);
  Matrix<float> const narrow({3, 9});
  Matrix<float> const none({0, 10});
  CHECK_THROWS_WITH_AS(kernels::rank_k_update(Host{}, 1.0, narrow.cview(), gram.view()), "rank_k_update: the rows must have the order of the matrix (came: 9, 10)", ShapeError);
  CHECK_THROWS_AS(kernels::outer_update(Host{}, narrow.cview(), gram.view()), ShapeError);
  CHECK_NOTHROW(kernels::rank_k_update(Host{}, 1.0, none.cview(), gram.view()));
}

}  // namespace accrete::test::rank_k_update_test
