#include "support/compare.hpp"
#include "support/device.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/rank_k_update.hpp>

#include <doctest/doctest.h>

#include <cmath>

namespace accrete::test::rank_k_update_test {
namespace {

template <class T, class Exec>
void check(Exec const& exec, Index count, Index order) {
  CAPTURE(order);
  auto const rows = normal<T>(70, Shape<2>{count, order});
  SymmetricMatrix<double> gram(order);
  for (Index i = 0; i < order; ++i) {
    for (Index j = 0; j <= i; ++j) { gram(i, j) = static_cast<double>(i) - 0.5 * static_cast<double>(j); }
  }
  Matrix<double> want({order, order});
  Matrix<double> before({order, order});
  for (Index i = 0; i < order; ++i) {
    for (Index j = 0; j < order; ++j) {
      double sum = 0;
      for (Index k = 0; k < count; ++k) { sum += static_cast<double>(rows(k, i)) * static_cast<double>(rows(k, j)); }
      before(i, j) = gram(i, j);
      want(i, j) = gram(i, j) + sum;
    }
  }
  auto const all = [&](SymmetricMatrix<double> const& matrix) {
    Matrix<double> full({order, order});
    for (Index i = 0; i < order; ++i) {
      for (Index j = 0; j < order; ++j) { full(i, j) = matrix(i, j); }
    }
    return full;
  };
  auto const rows_there = on_device(exec, rows);
  Vector<double, typename Exec::Memory> storage({gram.storage().size()});
  kernels::upload(exec, VectorView<double const>(gram.storage()), storage.view());
  kernels::rank_k_update(exec, 1.0, rows_there.view(), SymmetricView<double>(storage.data(), order));
  kernels::download(exec, storage.cview(), gram.storage());
  CHECK(relative_difference(all(gram), want) <= tolerance<double>(Kind::sum));
  kernels::rank_k_update(exec, -1.0, rows_there.view(), SymmetricView<double>(storage.data(), order));
  kernels::download(exec, storage.cview(), gram.storage());
  CHECK(relative_difference(all(gram), before) <= tolerance<double>(Kind::sum));

  // What lies outside of the matrix stays zero.
  double outside = 0;
  double inside = 0;
  for (double const value : gram.storage()) { outside += std::abs(value); }
  for (Index i = 0; i < order; ++i) {
    for (Index j = 0; j < order; ++j) {
      bool const in_diagonal_tile = i / TriangleTiles::edge == j / TriangleTiles::edge;
      if (j <= i) { inside += std::abs(gram(i, j)); }
      if (j > i && in_diagonal_tile) {
        TriangleTiles const layout{order};
        inside += std::abs(gram.storage()[layout.tile(i / TriangleTiles::edge, j / TriangleTiles::edge) + TriangleTiles::inside(i % TriangleTiles::edge, j % TriangleTiles::edge)]);
      }
    }
  }
  CHECK(std::abs(outside - inside) <= tolerance<double>(Kind::sum) * inside);
}
}  // namespace

TEST_CASE_TEMPLATE("a device rank-k update adds H^T H to the lower triangle, and takes it back", Exec, ACCRETE_DEVICES) {
  ACCRETE_DEVICE_OR_SKIP(exec);
  for (Index const order : {1, 3, 16, 17, 48, 95, 192, 200, 390}) {
    check<float>(exec, 13, order);
    check<double>(exec, 5, order);
  }
}

}  // namespace accrete::test::rank_k_update_test
