#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/dropout.hpp>
#include <accrete/kernels/elementwise.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace accrete::test::elementwise_test {
namespace {

template <class T>
T from_double(double value) {
  Vector<double> one({1});
  one(0) = value;
  return in_scalar<T>(one)(0);
}
}  // namespace

TEST_CASE_TEMPLATE("vectors are filled and added to", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Index const count : {0, 1, 7, 8, 33, 40000}) {
      CAPTURE(count);
      auto const x = normal<T>(1, Shape<1>{count});
      auto y = normal<T>(2, Shape<1>{count});
      Vector<T> want({count});
      for (Index i = 0; i < count; ++i) { want(i) = from_double<T>(test::widened(x(i)) + test::widened(y(i))); }
      kernels::add(exec, x, y.view());
      CHECK(same_bits(y, want));
      kernels::fill(exec, y.view(), from_double<T>(-2.5));
      CHECK(std::all_of(y.begin(), y.end(), [](T value) { return value == from_double<T>(-2.5); }));
    }
  }
  Vector<T> three({3});
  Vector<T> four({4});
  CHECK_THROWS_WITH_AS(kernels::add(typename Case::Executor{}, three, four.view()), doctest::Contains("3, 4"), ShapeError);
}

TEST_CASE_TEMPLATE("a vector goes part of the way to another; a weight of 0 keeps its bits, and so does agreement", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Index const count : {0, 1, 9, 40001}) {
      CAPTURE(count);
      auto const towards = normal<T>(1, Shape<1>{count});
      auto const start = normal<T>(2, Shape<1>{count});
      auto x = start;
      kernels::interpolate(exec, towards, 0.25, x.view());
      Vector<double> want({count});
      for (Index i = 0; i < count; ++i) { want(i) = 0.75 * static_cast<double>(start(i)) + 0.25 * static_cast<double>(towards(i)); }
      if (count > 0) { CHECK(relative_difference(x, want) <= tolerance<T>(Kind::elementwise)); }
      auto same = x;
      kernels::interpolate(exec, towards, 0.0, same.view());
      CHECK(same_bits(same, x));
      kernels::interpolate(exec, x, 0.7, same.view());
      CHECK(same_bits(same, x));
    }
  }
  Vector<T> three({3});
  Vector<T> four({4});
  CHECK_THROWS_WITH_AS(kernels::interpolate(typename Case::Executor{}, three, 0.5, four.view()), doctest::Contains("3, 4"), ShapeError);
}

TEST_CASE_TEMPLATE("dropout keeps what its stream says, by place, whatever the threads and the stride", Case, ACCRETE_EXECUTORS_AND_SCALARS, ACCRETE_HOST_SCALARS(bfloat16)) {
  using T = typename Case::Scalar;
  Rng const rng(RngKey{.seed = 5, .purpose = Purpose::dropout, .task = 1, .epoch = 2, .object = 3});
  for (double const rate : {0.1, 0.5, 0.97}) {
    CAPTURE(rate);
    for (Index const width : {1, 2, 7, 192}) {
      CAPTURE(width);
      auto const x = normal<T>(3, Shape<2>{51, width + 3});
      auto want = x;
      for (Index i = 0; i < 51; ++i) {
        for (Index j = 0; j < width; ++j) {
          bool const stays = rng.uniform(static_cast<std::uint64_t>(i * width + j)) >= rate;
          auto const factor = static_cast<SumScalar<T>>(1.0 / (1.0 - rate));
          want(i, j + 2) = stays ? from_double<T>(static_cast<double>(static_cast<SumScalar<T>>(test::widened(x(i, j + 2))) * factor)) : T{};
        }
      }
      for (int const threads : {1, 2, 5}) {
        auto got = x;
        kernels::dropout(typename Case::Executor{.threads = threads}, rng, rate, columns(got.view(), 2, width));
        CHECK(same_bits(got, want));
      }
    }
  }
}

TEST_CASE_TEMPLATE("dropout drops a share of the rate, zero where a NaN stood, and nothing for rate 0", Exec, ACCRETE_HOST_EXECUTORS) {
  Rng const rng(RngKey{.seed = 1, .purpose = Purpose::dropout});
  Matrix<float> x({100, 1000});
  std::fill(x.begin(), x.end(), std::numeric_limits<float>::quiet_NaN());
  auto const untouched = x;
  kernels::dropout(Exec{}, rng, 0.0, x.view());
  CHECK(same_bits(x, untouched));
  kernels::dropout(Exec{}, rng, 0.25, x.view());
  Index dropped = 0;
  for (float const value : x) { dropped += value == 0.0F ? 1 : 0; }
  CHECK(std::abs(static_cast<double>(dropped) / 1e5 - 0.25) < 4.0 * std::sqrt(0.25 * 0.75 / 1e5));  // four standard deviations of 100,000 draws
  for (double const rate : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()}) { CHECK_THROWS_AS(kernels::dropout(Exec{}, rng, rate, x.view()), ValueError); }
}

}  // namespace accrete::test::elementwise_test
