#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/matrices.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/weight_gradient.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

namespace accrete::test::weight_gradient_test {
namespace {

struct Size {
  Index rows, inputs, outputs;
};
constexpr Size sizes[] = {{1, 1, 1}, {5, 3, 2}, {70, 24, 4}, {255, 25, 9}, {256, 48, 8}, {257, 50, 13}, {530, 197, 101}, {33, 192, 200}, {600, 7, 130}};
}  // namespace

TEST_CASE_TEMPLATE("a weight gradient adds dy^T x at every size, also from columns of wider rows", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  using S = SumScalar<T>;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Size const size : sizes) {
      CAPTURE(size.rows);
      CAPTURE(size.inputs);
      CAPTURE(size.outputs);
      auto const dy = normal<T>(1, Shape<2>{size.rows, size.outputs});
      auto const x = normal<T>(2, Shape<2>{size.rows, size.inputs});
      auto const before = normal<S>(3, Shape<2>{size.outputs, size.inputs});
      auto want = naive_product(transposed(in_scalar<double>(dy)), in_scalar<double>(x));
      for (Index i = 0; i < want.size(); ++i) { want.data()[i] += static_cast<double>(before.data()[i]); }
      auto got = before;
      kernels::weight_gradient(exec, dy.view(), x.view(), got);
      CHECK(relative_difference(got, want) <= tolerance<S>(Kind::sum));  // the factors are compared as rounded
      auto added = Matrix<S>::zeros({size.outputs, size.inputs});
      kernels::weight_gradient(exec, dy.view(), x.view(), added);
      auto written = added;
      std::fill(written.begin(), written.end(), std::numeric_limits<S>::quiet_NaN());
      kernels::weight_gradient(exec, dy.view(), x.view(), written, false);
      CHECK(same_bits(written, added));

      auto wide_dy = normal<T>(4, Shape<2>{size.rows, size.outputs + 5});
      auto wide_x = normal<T>(5, Shape<2>{size.rows, size.inputs + 3});
      for (Index i = 0; i < size.rows; ++i) {
        std::copy(dy[i].begin(), dy[i].end(), wide_dy[i].begin() + 2);
        std::copy(x[i].begin(), x[i].end(), wide_x[i].begin() + 3);
      }
      auto strided = before;
      kernels::weight_gradient(exec, columns(wide_dy.view(), 2, size.outputs), columns(wide_x.cview(), 3, size.inputs), strided);
      CHECK(same_bits(strided, got));
    }
  }
}

TEST_CASE_TEMPLATE("a weight gradient has the same bits with any threads", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  auto const dy = normal<T>(6, Shape<2>{700, 250});
  auto const x = normal<T>(7, Shape<2>{700, 300});
  auto want = Matrix<SumScalar<T>>::zeros({250, 300});
  kernels::weight_gradient(typename Case::Executor{.threads = 1}, dy.view(), x.view(), want);
  for (int const threads : {2, 3, 16}) {
    CAPTURE(threads);
    auto got = Matrix<SumScalar<T>>::zeros({250, 300});
    kernels::weight_gradient(typename Case::Executor{.threads = threads}, dy.view(), x.view(), got);
    CHECK(same_bits(got, want));
  }
}

TEST_CASE_TEMPLATE("a weight gradient of no rows adds nothing or leaves zeros, and extents that do not fit are named", Exec, ACCRETE_HOST_EXECUTORS) {
  auto dw = Matrix<float>::zeros({2, 3});
  dw(1, 2) = 5.0F;
  auto const same = dw;
  kernels::weight_gradient(Exec{}, MatrixView<float const>(nullptr, {0, 2}), MatrixView<float const>(nullptr, {0, 3}), dw);
  CHECK(same_bits(dw, same));
  kernels::weight_gradient(Exec{}, MatrixView<float const>(nullptr, {0, 2}), MatrixView<float const>(nullptr, {0, 3}), dw, false);
  CHECK(dw(1, 2) == 0.0F);
  auto const dy = Matrix<float>::zeros({4, 2});
  auto const x = Matrix<float>::zeros({5, 3});
  CHECK_THROWS_WITH_AS(kernels::weight_gradient(Exec{}, dy.view(), x.view(), dw), doctest::Contains("4, 5"), ShapeError);
  CHECK_THROWS_WITH_AS(kernels::weight_gradient(Exec{}, dy.view(), x.view().slice(0, 4), Matrix<float>::zeros({3, 2}).view()), doctest::Contains("3, 2, 2, 3"), ShapeError);
}

}  // namespace accrete::test::weight_gradient_test
