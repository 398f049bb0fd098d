#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/cholesky.hpp>
#include <accrete/host/symmetric_product.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace accrete::test::cholesky_test {

namespace {

template <class T>
Matrix<T> padded(Matrix<double> const& x, Index order, Index columns) {
  auto result = Matrix<T>::zeros({TriangleTiles{order}.tiles() * TriangleTiles::edge, columns});
  for (Index i = 0; i < x.extent(0); ++i) {
    for (Index j = 0; j < x.extent(1); ++j) { result(i, j) = static_cast<T>(x(i, j)); }
  }
  return result;
}

template <class T>
Matrix<T> corner(Matrix<T> const& x, Index rows, Index columns) {
  Matrix<T> result({rows, columns});
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) { result(i, j) = x(i, j); }
  }
  return result;
}

}  // namespace

TEST_CASE_TEMPLATE("Cholesky factors and solves for many right-hand sides", T, float, double) {
  for (Index const order : {1, 48, 50, 192, 200, 391}) {
    auto const a = definite_matrix(order, 1.0, 11);
    auto const x = random_matrix<double>(order, 17, 12);
    auto const b = padded<T>(naive_product(a, x), order, 32);
    for (int const threads : {1, 2}) {
      host::CholeskyFactor<T> factor{tiled<T>(a), {}};
      host::set_padding(factor.lower.view());
      REQUIRE(host::cholesky(threads, factor));
      Matrix<T> y = b;
      host::cholesky_solve(threads, factor, y.view());
      CHECK(relative_difference(corner(y, order, 17), x) <= tolerance<T>(Kind::solve));
    }
  }
}

TEST_CASE_TEMPLATE("Cholesky and its solves have the same bits for every number of threads", T, float, double) {
  auto const a = definite_matrix(300, 1.0, 13);
  host::CholeskyFactor<T> one{tiled<T>(a), {}};
  host::CholeskyFactor<T> three = one;
  host::set_padding(one.lower.view());
  host::set_padding(three.lower.view());
  REQUIRE(host::cholesky(1, one));
  REQUIRE(host::cholesky(3, three));
  CHECK(same_bits(one.lower.storage(), three.lower.storage()));
  auto x = padded<T>(random_matrix<double>(300, 64, 14), 300, 64);
  auto y = x;
  host::cholesky_solve(1, one, x.view());
  host::cholesky_solve(3, three, y.view());
  CHECK(same_bits(x, y));
}

TEST_CASE_TEMPLATE("Cholesky says when a matrix is not positive definite", T, float, double) {
  for (Index const bad : {0, 60, 250}) {
    auto a = definite_matrix(260, 1.0, 15);
    a(bad, bad) = -1.0;
    host::CholeskyFactor<T> factor{tiled<T>(a), {}};
    host::set_padding(factor.lower.view());
    CHECK_FALSE(host::cholesky(2, factor));
  }
}

TEST_CASE_TEMPLATE("a symmetric matrix times a block of columns reads the lower triangle only", T, float, double) {
  constexpr Index width = TriangleTiles::panel;
  for (Index const order : {1, 49, 192, 330}) {
    auto const a = definite_matrix(order, 0.0, 16);
    auto const matrix = tiled<T>(a);
    auto const x = padded<T>(random_matrix<double>(order, 32, 17), order, 32);
    auto y = Matrix<T>::zeros(x.shape());
    host::symmetric_product<T>(2, T(-1), host::Blocks<T const>(matrix.view()), 0, x.cview(), y.view());
    auto want = naive_product(a, corner(x, order, 32));
    for (double& value : want) { value = -value; }
    CHECK(relative_difference(corner(y, order, 32), want) <= tolerance<T>(Kind::product));
    if (order <= width) { continue; }

    // From the second block on: as the matrix without its first 48 rows and columns.
    auto part = Matrix<T>::zeros(x.shape());
    host::symmetric_product<T>(2, T(1), host::Blocks<T const>(matrix.view()), 1, x.cview(), part.view());
    Matrix<double> rest({order - width, order - width});
    Matrix<double> rest_x({order - width, 32});
    for (Index i = 0; i < order - width; ++i) {
      for (Index j = 0; j < order - width; ++j) { rest(i, j) = a(i + width, j + width); }
      for (Index j = 0; j < 32; ++j) { rest_x(i, j) = static_cast<double>(x(i + width, j)); }
    }
    Matrix<T> below({order - width, 32});
    std::copy_n(part.data() + width * 32, below.size(), below.data());
    CHECK(relative_difference(below, naive_product(rest, rest_x)) <= tolerance<T>(Kind::product));
    CHECK(std::all_of(part.begin(), part.begin() + width * 32, [](T value) { return value == T(0); }));
  }
}

}  // namespace accrete::test::cholesky_test
