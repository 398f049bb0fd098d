#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/golden.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"

#include <accrete/kernels/layer_norm.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

namespace accrete::test::layer_norm_test {
namespace {

template <class T>
Matrix<double> expected(Matrix<T> const& x, Vector<T> const& gain, Vector<T> const& offset, double epsilon) {
  Matrix<double> y(x.shape());
  auto const width = static_cast<double>(x.extent(1));
  for (Index i = 0; i < x.extent(0); ++i) {
    double mean = 0.0;
    for (T const value : x[i]) { mean += static_cast<double>(value) / width; }
    double variance = 0.0;
    for (T const value : x[i]) { variance += std::pow(static_cast<double>(value) - mean, 2.0) / width; }
    for (Index j = 0; j < x.extent(1); ++j) { y(i, j) = static_cast<double>(gain(j)) * (static_cast<double>(x(i, j)) - mean) / std::sqrt(variance + epsilon) + static_cast<double>(offset(j)); }
  }
  return y;
}
}  // namespace

TEST_CASE_TEMPLATE("a layer norm equals its formula at every width, also in place", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  for (int const threads : {1, 2}) {
    typename Case::Executor const exec{.threads = threads};
    for (Index const width : {1, 2, 15, 16, 17, 64, 65, 192, 200, 768, 1024}) {
      CAPTURE(width);
      auto x = normal<T>(1, Shape<2>{41, width});
      for (T& value : x) { value = T{3} * value + T{2}; }
      auto const gain = normal<T>(2, Shape<1>{width});
      auto const offset = normal<T>(3, Shape<1>{width});
      auto const want = expected(x, gain, offset, 1e-3);
      Matrix<T> y(x.shape());
      kernels::layer_norm(exec, x.view(), gain, offset, 1e-3, y.view());
      CHECK(relative_difference(y, want) <= tolerance<T>(Kind::softmax));
      kernels::layer_norm(exec, x.view(), gain, offset, 1e-3, x.view());
      CHECK(same_bits(x, y));
    }
  }
}

TEST_CASE_TEMPLATE("a layer norm of the reference's rows gives the reference's values", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  auto const values = golden("kernels");
  typename Case::Executor const exec;
  for (std::string const name : {"layer_norm", "layer_norm_shifted", "layer_norm_constant"}) {
    auto const x = values.template read<T, 2>(name + ".input");
    auto const gain = values.template read<T, 1>(name + ".weight");
    auto const offset = values.template read<T, 1>(name + ".bias");
    for (std::string const text : {"1e-12", "1e-6", "1e-5"}) {
      CAPTURE(name);
      CAPTURE(text);
      Matrix<T> y(x.shape());
      kernels::layer_norm(exec, x.view(), gain, offset, std::stod(text), y.view());
      // A row around 1000 has lost three digits before the kernel sees it (tests/golden/README.md).
      double const lost = std::is_same_v<T, float> && name == "layer_norm_shifted" ? 20.0 : 1.0;
      CHECK(relative_difference(y, values.template read<double, 2>(name + ".output.eps" + text)) <= lost * tolerance<T>(Kind::softmax));
    }
  }
}

TEST_CASE_TEMPLATE("a layer norm rounds to bfloat16 once", Exec, ACCRETE_HOST_EXECUTORS) {
  for (Index const width : {5, 192, 203}) {
    CAPTURE(width);
    auto const x = normal<float>(4, Shape<2>{9, width});
    auto const gain = normal<float>(5, Shape<1>{width});
    auto const offset = normal<float>(6, Shape<1>{width});
    Matrix<float> wide(x.shape());
    Matrix<bfloat16> narrow(x.shape());
    kernels::layer_norm(Exec{}, x.view(), gain, offset, 1e-6, wide.view());
    kernels::layer_norm(Exec{}, x.view(), gain, offset, 1e-6, narrow.view());
    CHECK(same_bits(narrow, in_scalar<bfloat16>(wide)));
  }
}

TEST_CASE_TEMPLATE("a row's norm has the same bits alone, in a batch and at a distance, with any threads", Case, ACCRETE_EXECUTORS_AND_SCALARS) {
  using T = typename Case::Scalar;
  Index const width = 197;
  auto const x = normal<T>(7, Shape<2>{333, width + 3});
  auto const gain = normal<T>(8, Shape<1>{width});
  auto const offset = normal<T>(9, Shape<1>{width});
  Matrix<T> want({333, width});
  kernels::layer_norm(typename Case::Executor{.threads = 1}, columns(x.view(), 1, width), gain, offset, 1e-6, RowsView<T>(want.view()));
  for (int const threads : {1, 2, 5}) {
    typename Case::Executor const exec{.threads = threads};
    Matrix<T> together({333, width});
    kernels::layer_norm(exec, columns(x.view(), 1, width), gain, offset, 1e-6, RowsView<T>(together.view()));
    CHECK(same_bits(together, want));
    Matrix<T> alone({333, width});
    for (Index i = 0; i < 333; ++i) { kernels::layer_norm(exec, MatrixView<T const>(x[i].data() + 1, {1, width}), gain, offset, 1e-6, alone.view().slice(i, 1)); }
    CHECK(same_bits(alone, want));
  }
}

TEST_CASE_TEMPLATE("a layer norm names wrong extents and takes no rows", Exec, ACCRETE_HOST_EXECUTORS) {
  auto x = Matrix<float>::zeros({2, 4});
  auto const gain = Vector<float>::zeros({4});
  auto const short_gain = Vector<float>::zeros({3});
  CHECK_THROWS_AS(kernels::layer_norm(Exec{}, x.view(), short_gain, gain, 1e-6, x.view()), ShapeError);
  CHECK_THROWS_AS(kernels::layer_norm(Exec{}, x.view(), gain, gain, -1.0, x.view()), ShapeError);
  kernels::layer_norm(Exec{}, x.view().slice(0, 0), gain, gain, 1e-6, x.view().slice(0, 0));
}

}  // namespace accrete::test::layer_norm_test
