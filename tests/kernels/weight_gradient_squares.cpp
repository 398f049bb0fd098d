#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/column_squares.hpp>
#include <accrete/kernels/weight_gradient_squares.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace accrete::test::weight_gradient_squares_test {
namespace {

struct Size {
  Index samples, rows, inputs, outputs;
};
constexpr Size sizes[] = {{1, 1, 1, 1}, {3, 1, 25, 9}, {300, 1, 17, 50}, {2, 5, 3, 2}, {5, 7, 24, 4}, {3, 197, 48, 13}, {4, 64, 50, 101}, {2, 600, 33, 7}, {9, 2, 130, 8}};

/// squares + sum over the samples of (left_b^T right_b)^2 in double.
template <class S, class T>
Matrix<double> squared(Matrix<S> const& before, Index samples, Matrix<T> const& left, Matrix<T> const& right) {
  auto total = in_scalar<double>(before);
  Index const rows = left.extent(0) / samples;
  for (Index b = 0; b < samples; ++b) {
    for (Index i = 0; i < total.extent(0); ++i) {
      for (Index j = 0; j < total.extent(1); ++j) {
        double sum = 0.0;
        for (Index r = b * rows; r < (b + 1) * rows; ++r) { sum += widened(left(r, i)) * widened(right(r, j)); }
        total(i, j) += sum * sum;
      }
    }
  }
  return total;
}
}  // namespace

TEST_CASE_TEMPLATE("squares of weight gradients are summed sample by sample at every size, also from columns of wider rows", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  using S = SumScalar<T>;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Size const size : sizes) {
      CAPTURE(size.samples);
      CAPTURE(size.rows);
      CAPTURE(size.inputs);
      CAPTURE(size.outputs);
      Index const rows = size.samples * size.rows;
      auto const dy = normal<T>(1, Shape<2>{rows, size.outputs});
      auto const x = normal<T>(2, Shape<2>{rows, size.inputs});
      auto const before = normal<S>(3, Shape<2>{size.outputs, size.inputs});
      auto got = before;
      kernels::weight_gradient_squares(exec, dy.view(), x.view(), size.samples, got);
      CHECK(relative_difference(got, squared(before, size.samples, dy, x)) <= tolerance<S>(Kind::sum));

      auto wide_dy = normal<T>(4, Shape<2>{rows, size.outputs + 5});
      auto wide_x = normal<T>(5, Shape<2>{rows, size.inputs + 3});
      for (Index i = 0; i < rows; ++i) {
        std::copy(dy[i].begin(), dy[i].end(), wide_dy[i].begin() + 2);
        std::copy(x[i].begin(), x[i].end(), wide_x[i].begin() + 3);
      }
      auto strided = before;
      kernels::weight_gradient_squares(exec, columns(wide_dy.view(), 2, size.outputs), columns(wide_x.cview(), 3, size.inputs), size.samples, strided);
      CHECK(same_bits(strided, got));
    }
  }
}

TEST_CASE_TEMPLATE("squares of column sums and dots are summed sample by sample", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  using S = SumScalar<T>;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Size const size : sizes) {
      CAPTURE(size.samples);
      CAPTURE(size.rows);
      CAPTURE(size.inputs);
      auto const a = normal<T>(1, Shape<2>{size.samples * size.rows, size.inputs});
      auto const b = normal<T>(2, Shape<2>{size.samples * size.rows, size.inputs});
      auto const before = normal<S>(3, Shape<1>{size.inputs});
      auto want_sums = in_scalar<double>(before);
      auto want_dots = want_sums;
      for (Index sample = 0; sample < size.samples; ++sample) {
        for (Index c = 0; c < size.inputs; ++c) {
          double sum = 0.0;
          double dot = 0.0;
          for (Index r = sample * size.rows; r < (sample + 1) * size.rows; ++r) {
            sum += widened(a(r, c));
            dot += widened(a(r, c)) * widened(b(r, c));
          }
          want_sums(c) += sum * sum;
          want_dots(c) += dot * dot;
        }
      }
      auto sums = before;
      auto dots = before;
      kernels::column_sum_squares(exec, a.view(), size.samples, sums);
      kernels::column_dot_squares(exec, a.view(), b.view(), size.samples, dots);
      CHECK(relative_difference(sums, want_sums) <= tolerance<S>(Kind::sum));
      CHECK(relative_difference(dots, want_dots) <= tolerance<S>(Kind::sum));
    }
  }
}

TEST_CASE_TEMPLATE("squares of gradients have the same bits with any threads", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  using S = SumScalar<T>;
  for (Index const samples : {Index{7}, Index{700}}) {
    CAPTURE(samples);
    auto const dy = normal<T>(6, Shape<2>{700, 250});
    auto const x = normal<T>(7, Shape<2>{700, 300});
    auto const squares_with = [&](int threads) {
      typename Case::Executor const exec{.threads = threads};
      auto squares = Matrix<S>::zeros({252, 300});
      kernels::weight_gradient_squares(exec, dy.view(), x.view(), samples, squares.view().slice(0, 250));
      kernels::column_sum_squares(exec, x.view(), samples, squares.view()[250]);
      kernels::column_dot_squares(exec, x.view(), x.view(), samples, squares.view()[251]);
      return squares;
    };
    auto const want = squares_with(1);
    for (int const threads : {2, 3, 16}) { CHECK(same_bits(squares_with(threads), want)); }
  }
}

TEST_CASE_TEMPLATE("squares of gradients name what does not fit", Exec, ACCRETE_HOST_EXECUTORS) {
  auto squares = Matrix<float>::zeros({2, 3});
  auto const dy = Matrix<float>::zeros({4, 2});
  auto const x = Matrix<float>::zeros({4, 3});
  CHECK_THROWS_WITH_AS(kernels::weight_gradient_squares(Exec{}, dy.view(), x.view(), 3, squares), doctest::Contains("4, 3"), ShapeError);
  CHECK_THROWS_AS(kernels::weight_gradient_squares(Exec{}, dy.view(), x.view(), 0, squares), ShapeError);
  CHECK_THROWS_AS(kernels::weight_gradient_squares(Exec{}, dy.view(), x.view().slice(0, 2), 2, squares), ShapeError);
  CHECK_THROWS_AS(kernels::weight_gradient_squares(Exec{}, x.view(), dy.view(), 2, squares), ShapeError);
  CHECK_THROWS_WITH_AS(kernels::column_sum_squares(Exec{}, x.view(), 3, squares[0]), doctest::Contains("4, 3"), ShapeError);
  CHECK_THROWS_AS(kernels::column_dot_squares(Exec{}, x.view(), dy.view(), 2, squares[0]), ShapeError);
  CHECK_THROWS_AS(kernels::column_dot_squares(Exec{}, dy.view(), dy.view(), 2, squares[0]), ShapeError);
}

}  // namespace accrete::test::weight_gradient_squares_test
