#include "support/compare.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/double_product.hpp>
#include <accrete/host/eigen_products.hpp>

#include <doctest/doctest.h>

namespace accrete::test::double_product_test {

TEST_CASE("products of rows and of columns are float64 sums, whatever the scalars") {
  HostExecutor<EigenProducts> const exec{.threads = 2};
  for (Index const depth : {1, 47, 600, 1030}) {
    auto const a = random_matrix<float>(53, depth, 1);
    auto const b = random_matrix<double>(100, depth, 2);
    auto want = naive_product(a, transposed(b));
    auto rows = Matrix<double>::zeros({53, 100});
    kernels::row_products(exec, a.cview(), b.cview(), rows.view());
    CHECK(relative_difference(rows, want) <= tolerance<double>(Kind::sum));

    auto const columns_of_a = transposed(a);
    auto const columns_of_b = transposed(b);
    auto columns = Matrix<double>::zeros({53, 100});
    kernels::column_products(exec, columns_of_a.cview(), columns_of_b.cview(), columns.view());
    CHECK(relative_difference(columns, want) <= tolerance<double>(Kind::sum));

    kernels::column_products(exec, columns_of_a.cview(), columns_of_b.cview(), columns.view());
    for (double& value : want) { value *= 2; }
    CHECK(relative_difference(columns, want) <= tolerance<double>(Kind::sum));
  }
}

TEST_CASE("products refuse extents that do not fit") {
  HostExecutor<EigenProducts> const exec;
  Matrix<double> const a({3, 4});
  Matrix<double> const b({5, 6});
  Matrix<double> y({3, 5});
  CHECK_THROWS_AS(kernels::row_products(exec, a.cview(), b.cview(), y.view()), ShapeError);
  CHECK_THROWS_AS(kernels::column_products(exec, a.cview(), b.cview(), y.view()), ShapeError);
}

}  // namespace accrete::test::double_product_test
