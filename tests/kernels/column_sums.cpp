#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/column_sums.hpp>

#include <doctest/doctest.h>

#include <array>

namespace accrete::test::column_sums_test {
namespace {

constexpr std::array<Shape<2>, 7> shapes{{{1, 1}, {3, 7}, {4, 16}, {130, 33}, {128, 24}, {515, 65}, {1000, 192}}};

/// sums_c + sum of term(r, c) in double.
template <class S, class Term>
Vector<double> summed(Vector<S> const& before, Index rows, Term const& term) {
  auto sums = in_scalar<double>(before);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < sums.size(); ++j) { sums(j) += term(i, j); }
  }
  return sums;
}

/// Dots and scaled columns for one pairing of scalars.
template <class Exec, class A, class B>
void compare_pair(Exec const& exec, Shape<2> shape) {
  using S = SumScalar<A>;
  auto const a = normal<A>(1, shape);
  auto const b = normal<B>(2, shape);
  auto const wide_a = in_scalar<double>(a);
  auto const wide_b = in_scalar<double>(b);
  auto const before = normal<S>(3, Shape<1>{shape[1]});
  auto const offset = normal<S>(4, Shape<1>{shape[1]});
  auto dots = before;
  kernels::column_dots(exec, a.view(), b.view(), dots);
  CHECK(relative_difference(dots, summed(before, shape[0], [&](Index i, Index j) { return wide_a(i, j) * wide_b(i, j); })) <= tolerance<S>(Kind::sum));
  for (bool const accumulate : {false, true}) {
    for (bool const with_offset : {false, true}) {
      CAPTURE(accumulate);
      CAPTURE(with_offset);
      Matrix<double> want(shape);
      for (Index i = 0; i < shape[0]; ++i) {
        for (Index j = 0; j < shape[1]; ++j) { want(i, j) = static_cast<double>(before(j)) * wide_a(i, j) + (with_offset ? static_cast<double>(offset(j)) : 0.0) + (accumulate ? wide_b(i, j) : 0.0); }
      }
      auto y = b;
      kernels::scale_columns(exec, a.view(), before, with_offset ? offset.view() : VectorView<S const>(), y.view(), accumulate);
      CHECK(relative_difference(y, want) <= tolerance<B>(Kind::elementwise));
    }
  }
}
}  // namespace

TEST_CASE_TEMPLATE("column sums add the rows at every size", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  using S = SumScalar<T>;
  for (int const threads : {1, 2}) {
    for (auto const& shape : shapes) {
      CAPTURE(shape[0]);
      CAPTURE(shape[1]);
      auto const x = normal<T>(1, Shape<2>{shape[0], shape[1] + 3});
      auto const wide = in_scalar<double>(x);
      auto const before = normal<S>(2, Shape<1>{shape[1]});
      auto sums = before;
      kernels::column_sums(typename Case::Executor{.threads = threads}, columns(x.view(), 2, shape[1]), sums);
      CHECK(relative_difference(sums, summed(before, shape[0], [&](Index i, Index j) { return wide(i, j + 2); })) <= tolerance<S>(Kind::sum));
    }
  }
}

TEST_CASE_TEMPLATE("column dots and scaled columns equal their formulas for every pairing of scalars", Exec, ACCRETE_HOST_EXECUTORS) {
  for (int const threads : {1, 2}) {
    for (auto const& shape : shapes) {
      CAPTURE(shape[0]);
      CAPTURE(shape[1]);
      Exec const exec{.threads = threads};
      compare_pair<Exec, double, double>(exec, shape);
      compare_pair<Exec, float, float>(exec, shape);
      compare_pair<Exec, float, bfloat16>(exec, shape);
      compare_pair<Exec, bfloat16, float>(exec, shape);
      compare_pair<Exec, bfloat16, bfloat16>(exec, shape);
    }
  }
}

TEST_CASE_TEMPLATE("columns are scaled in place", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  auto x = normal<T>(5, Shape<2>{9, 21});
  auto const gain = normal<T>(6, Shape<1>{21});
  Matrix<T> want(x.shape());
  typename Case::Executor const exec;
  kernels::scale_columns(exec, x.view(), gain, gain, want.view(), false);
  kernels::scale_columns(exec, x.view(), gain, gain, x.view(), false);
  CHECK(same_bits(x, want));
}

TEST_CASE_TEMPLATE("sums over rows have the same bits with any threads", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  using S = SumScalar<T>;
  auto const x = normal<T>(7, Shape<2>{3000, 70});
  auto const sums_with = [&](int threads) {
    typename Case::Executor const exec{.threads = threads};
    auto sums = Matrix<S>::zeros({2, 70});
    kernels::column_sums(exec, x.view(), sums[0]);
    kernels::column_dots(exec, x.view(), x.view(), sums[1]);
    return sums;
  };
  auto const want = sums_with(1);
  for (int const threads : {2, 3, 16}) { CHECK(same_bits(sums_with(threads), want)); }
}

TEST_CASE_TEMPLATE("sums over columns name extents that do not fit", Exec, ACCRETE_HOST_EXECUTORS) {
  auto x = Matrix<float>::zeros({2, 3});
  auto sums = Vector<float>::zeros({2});
  CHECK_THROWS_WITH_AS(kernels::column_sums(Exec{}, x.view(), sums), doctest::Contains("2, 3"), ShapeError);
  CHECK_THROWS_AS(kernels::column_dots(Exec{}, x.view(), x.view(), sums), ShapeError);
  CHECK_THROWS_AS(kernels::column_dots(Exec{}, x.view(), x.view().slice(0, 1), Vector<float>::zeros({3}).view()), ShapeError);
  CHECK_THROWS_AS(kernels::scale_columns(Exec{}, x.view(), sums, {}, x.view(), false), ShapeError);
  CHECK_THROWS_AS(kernels::scale_columns(Exec{}, x.view(), Vector<float>::zeros({3}).view(), sums, x.view(), false), ShapeError);
}

}  // namespace accrete::test::column_sums_test
