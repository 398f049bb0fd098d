#pragma once

#include <accrete/core/rng.hpp>
#include <accrete/core/symmetric.hpp>
#include <accrete/core/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace accrete::test {

/// [rows, columns] of standard normals.
template <class T>
[[nodiscard]] Matrix<T> random_matrix(Index rows, Index columns, std::uint64_t seed) {
  Rng const random({.seed = seed, .purpose = Purpose::initialisation});
  Matrix<T> matrix({rows, columns});
  for (Index i = 0; i < matrix.size(); ++i) { matrix.data()[i] = static_cast<T>(random.normal(static_cast<std::uint64_t>(i))); }
  return matrix;
}

/// a b by three loops in long double.
template <class A, class B>
[[nodiscard]] Matrix<double> naive_product(Matrix<A> const& a, Matrix<B> const& b) {
  Matrix<double> y({a.extent(0), b.extent(1)});
  for (Index i = 0; i < y.extent(0); ++i) {
    for (Index j = 0; j < y.extent(1); ++j) {
      long double sum = 0.0L;
      for (Index k = 0; k < a.extent(1); ++k) { sum += static_cast<long double>(a(i, k)) * static_cast<long double>(b(k, j)); }
      y(i, j) = static_cast<double>(sum);
    }
  }
  return y;
}

template <class T>
[[nodiscard]] Matrix<T> transposed(Matrix<T> const& a) {
  Matrix<T> result({a.extent(1), a.extent(0)});
  for (Index i = 0; i < a.extent(0); ++i) {
    for (Index j = 0; j < a.extent(1); ++j) { result(j, i) = a(i, j); }
  }
  return result;
}

/// The whole matrix, both triangles.
template <class T>
[[nodiscard]] Matrix<double> dense(SymmetricMatrix<T> const& matrix) {
  Matrix<double> result({matrix.order(), matrix.order()});
  for (Index i = 0; i < matrix.order(); ++i) {
    for (Index j = 0; j < matrix.order(); ++j) { result(i, j) = static_cast<double>(matrix(i, j)); }
  }
  return result;
}

/// The lower triangle of a square matrix in tiles; above the diagonal of the diagonal tiles stands what nobody may read.
template <class T>
[[nodiscard]] SymmetricMatrix<T> tiled(Matrix<double> const& matrix) {
  SymmetricMatrix<T> result(matrix.extent(0));
  for (Index i = 0; i < matrix.extent(0); ++i) {
    for (Index j = 0; j < matrix.extent(0); ++j) {
      if (j <= i) {
        result(i, j) = static_cast<T>(matrix(i, j));
      } else if (i / TriangleTiles::edge == j / TriangleTiles::edge) {
        result.storage().data()[result.view().layout().tile(i / TriangleTiles::edge, i / TriangleTiles::edge) + TriangleTiles::inside(i % TriangleTiles::edge, j % TriangleTiles::edge)] = T(1e6);
      }
    }
  }
  return result;
}

/// A random symmetric positive definite matrix: eigenvalues around `order`, and `shift` on the diagonal.
[[nodiscard]] inline Matrix<double> definite_matrix(Index order, double shift, std::uint64_t seed) {
  auto const h = random_matrix<double>(2 * order, order, seed);
  auto a = naive_product(transposed(h), h);
  for (Index i = 0; i < order; ++i) { a(i, i) += shift; }
  return a;
}

/// Gauss-Jordan with row pivots: slow, simple, and nothing like what it checks.
[[nodiscard]] inline Matrix<double> solved(Matrix<double> a, Matrix<double> b) {
  Index const n = a.extent(0);
  for (Index k = 0; k < n; ++k) {
    Index pivot = k;
    for (Index i = k + 1; i < n; ++i) { pivot = std::abs(a(i, k)) > std::abs(a(pivot, k)) ? i : pivot; }
    if (pivot != k) {
      std::swap_ranges(a[k].begin(), a[k].end(), a[pivot].begin());
      std::swap_ranges(b[k].begin(), b[k].end(), b[pivot].begin());
    }
    for (Index i = 0; i < n; ++i) {
      if (i == k) { continue; }
      double const factor = a(i, k) / a(k, k);
      for (Index j = k; j < n; ++j) { a(i, j) -= factor * a(k, j); }
      for (Index j = 0; j < b.extent(1); ++j) { b(i, j) -= factor * b(k, j); }
    }
  }
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < b.extent(1); ++j) { b(i, j) /= a(i, i); }
  }
  return b;
}

}  // namespace accrete::test
