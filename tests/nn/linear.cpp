#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/naive_network.hpp"
#include "support/tolerances.hpp"

#include <accrete/nn/linear.hpp>

#include <doctest/doctest.h>

namespace accrete::test::linear_test {

TEST_CASE_TEMPLATE("a linear layer is x W^T + b through its activation, or added to y", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec{.threads = 2};
  auto const weight = drawn<2>("weight", {13, 29});
  auto const bias = drawn<1>("bias", {13});
  auto const x = drawn<2>("x", {17, 29});
  nn::Linear<Exec> const layer(exec, weight, bias);
  CHECK(layer.inputs() == 29);
  CHECK(layer.outputs() == 13);
  auto const plain = naive::linear(naive::widened(x), weight, bias);
  for (auto const activation : {kernels::Activation::none, kernels::Activation::gelu, kernels::Activation::quick_gelu, kernels::Activation::relu}) {
    Matrix<float> y({17, 13});
    layer.forward(exec, RowsView<float const>(x.view()), RowsView<float>(y.view()), {.activation = activation});
    CHECK(relative_difference(y, naive::activated(plain, activation)) <= tolerance<float>(Kind::product));
  }
  auto y = drawn<2>("y", {17, 13});
  auto const expected = naive::sum(naive::widened(y), plain);
  layer.forward(exec, RowsView<float const>(x.view()), RowsView<float>(y.view()), {.accumulate = true});
  CHECK(relative_difference(y, expected) <= tolerance<float>(Kind::product));
}

TEST_CASE_TEMPLATE("a linear layer without bias writes into columns of a wider matrix and leaves the others", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  auto const weight = drawn<2>("weight", {8, 16});
  auto const x = drawn<2>("x", {5, 16});
  nn::Linear<Exec> const layer(exec, weight, VectorView<float const>());
  auto y = Matrix<float>::zeros({5, 20});
  layer.forward(exec, RowsView<float const>(x.view()), columns(y.view(), 7, 8));
  auto const expected = naive::linear(naive::widened(x), weight, {});
  Matrix<float> inside({5, 8});
  double outside = 0;
  for (Index i = 0; i < 5; ++i) {
    for (Index c = 0; c < 20; ++c) {
      if (c >= 7 && c < 15) {
        inside(i, c - 7) = y(i, c);
      } else {
        outside += std::abs(static_cast<double>(y(i, c)));
      }
    }
  }
  CHECK(relative_difference(inside, expected) <= tolerance<float>(Kind::product));
  CHECK(outside == 0.0);
}

TEST_CASE("weights in bfloat16 take bfloat16 rows, and say so otherwise") {
  HostExecutor<> const exec{.precision = Precision::bfloat16};
  nn::Linear<HostExecutor<>> const layer(exec, drawn<2>("weight", {8, 16}), drawn<1>("bias", {8}));
  auto const x = drawn<2>("x", {5, 16});
  Matrix<float> y({5, 8});
  CHECK_THROWS_AS(layer.forward(exec, RowsView<float const>(x.view()), RowsView<float>(y.view())), ValueError);
  CHECK_THROWS_AS(nn::Linear<HostExecutor<>>(exec, drawn<2>("weight", {8, 16}), drawn<1>("bias", {7})), ShapeError);
}

}  // namespace accrete::test::linear_test
