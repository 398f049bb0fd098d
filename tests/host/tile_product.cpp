#include "support/compare.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/tile_product.hpp>

#include <doctest/doctest.h>

namespace accrete::test::tile_product_test {
namespace simd = accrete::host::simd;

TEST_CASE_TEMPLATE("tiles of every size multiply, with the bits of one chain per element", T, float, double) {
  constexpr Index step = simd::lanes<T>;
  Index const depth = 37;
  for (Index vectors = 1; vectors <= host::tile_vectors; ++vectors) {
    Index const width = vectors * step;
    auto const b = normal<T>(1, Shape<2>{depth, width + 8});
    for (Index rows = 1; rows <= 2 * host::tile_rows + 1; ++rows) {
      CAPTURE(vectors);
      CAPTURE(rows);
      auto const a = normal<T>(2, Shape<2>{rows, depth + 3});
      Matrix<double> want = Matrix<double>::zeros({rows, width});
      Matrix<T> y = Matrix<T>::zeros({rows, width + 1});
      for (Index i = 0; i < rows; ++i) {
        for (Index j = 0; j < width; ++j) {
          for (Index k = 0; k < depth; ++k) { want(i, j) += static_cast<double>(a(i, k)) * static_cast<double>(b(k, j)); }
        }
      }
      host::multiply_panel<T>(rows, vectors, {a.data(), depth + 3, b.data(), width + 8, depth, y.data(), width + 1});
      Matrix<T> got({rows, width});
      for (Index i = 0; i < rows; ++i) { std::copy_n(y[i].data(), width, got[i].data()); }
      CHECK(relative_difference(got, want) <= tolerance<T>(Kind::product));
      // One row and one vector at a time.
      for (Index i = 0; i < rows; ++i) {
        for (Index v = 0; v < vectors; ++v) {
          Vector<T> alone({step});
          host::multiply_panel<T>(1, 1, {a[i].data(), depth + 3, b.data() + v * step, width + 8, depth, alone.data(), step});
          CHECK(same_bits(alone, VectorView<T const>(got[i].data() + v * step, {step})));
        }
        CHECK(y(i, width) == T{0});
      }
    }
  }
}

TEST_CASE("columns fall into tiles evenly and completely") {
  for (Index vectors = 1; vectors <= 60; ++vectors) {
    host::TileColumns const columns{vectors};
    CHECK(columns.first(0) == 0);
    CHECK(columns.first(columns.tiles()) == vectors);
    for (Index tile = 0; tile < columns.tiles(); ++tile) {
      CHECK(columns.width(tile) >= 1);
      CHECK(columns.width(tile) <= host::tile_vectors);
    }
  }
}

}  // namespace accrete::test::tile_product_test
