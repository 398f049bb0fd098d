#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/samples.hpp"

#include <accrete/kernels/gather.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace accrete::test::gather_test {
namespace {

Vector<Index> some_indices(Index count, Index below) {
  Vector<Index> index({count});
  for (Index i = 0; i < count; ++i) { index(i) = (i * i * 7 + 3 * i) % below; }
  return index;
}
}  // namespace

TEST_CASE_TEMPLATE("gather copies the named rows", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    auto const table = normal<T>(1, Shape<2>{17, 129});
    auto const index = some_indices(300, 17);
    Matrix<T> out({300, 129});
    kernels::gather(typename Case::Executor{.threads = threads}, table, index.view(), out.view());
    CHECK(same_bits(out, chosen_rows(table, std::vector<Index>(index.begin(), index.end()))));
  }
}

TEST_CASE_TEMPLATE("scatter-add adds in ascending order, with the same bits for any threads", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  auto const rows = normal<T>(2, Shape<2>{500, 200});
  auto const index = some_indices(500, 9);
  auto const before = normal<double>(3, Shape<2>{9, 200});
  auto const narrow_before = normal<T>(3, Shape<2>{9, 200});
  auto want = before;
  auto narrow_want = narrow_before;
  for (Index i = 0; i < 500; ++i) {
    for (Index c = 0; c < 200; ++c) {
      want(index(i), c) += static_cast<double>(rows(i, c));
      narrow_want(index(i), c) += rows(i, c);
    }
  }
  for (int const threads : {1, 2, 3}) {
    typename Case::Executor const exec{.threads = threads};
    auto got = before;
    kernels::scatter_add(exec, rows.view(), index.view(), got.view());
    CHECK(same_bits(got, want));
    auto narrow_got = narrow_before;
    kernels::scatter_add(exec, rows.view(), index.view(), narrow_got.view());
    CHECK(same_bits(narrow_got, narrow_want));
  }
}

TEST_CASE_TEMPLATE("gather and scatter-add name wrong extents and take no rows", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  Matrix<float> table = Matrix<float>::zeros({4, 3});
  Matrix<float> out({2, 3});
  Vector<Index> const index = some_indices(3, 4);
  CHECK_THROWS_AS(kernels::gather(exec, table, index.view(), out.view()), ShapeError);
  CHECK_THROWS_AS(kernels::scatter_add(exec, out.view(), index.view(), table.view()), ShapeError);
  kernels::gather(exec, table, index.view().slice(0, 0), out.view().slice(0, 0));
  kernels::scatter_add(exec, out.view().slice(0, 0), index.view().slice(0, 0), table.view());
  CHECK(same_bits(table, Matrix<float>::zeros({4, 3})));
}

}  // namespace accrete::test::gather_test
