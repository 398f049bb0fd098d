#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/tolerances.hpp"
#include "toy_block.hpp"

#include <accrete/nn/mlp.hpp>

#include <doctest/doctest.h>

namespace accrete::test::mlp_test {

TEST_CASE_TEMPLATE("the perceptron adds its second layer to the stream, with each activation", Exec, ACCRETE_HOST_EXECUTORS) {
  for (auto const activation : {kernels::Activation::gelu, kernels::Activation::quick_gelu, kernels::Activation::relu}) {
    ToyBlock toy;
    toy.activation = activation;
    auto const z = rounded(drawn<2>("z", {11, ToyBlock::width}));
    auto const x = drawn<2>("x", {11, ToyBlock::width});
    auto const expected = naive::sum(naive::widened(x), toy.naive_mlp(naive::widened(z)));

    Exec const exec{.threads = 2};
    auto const layer = toy.mlp(exec);
    CHECK(layer.hidden() == ToyBlock::hidden);
    Matrix<float> hidden({11, ToyBlock::hidden});
    auto input = z;
    auto stream = x;
    layer.forward(exec, input.view(), hidden.view(), RowsView<float>(stream.view()));
    CHECK(relative_difference(stream, expected) <= tolerance<float>(Kind::product));

    Exec const half{.threads = 2, .precision = Precision::bfloat16};
    Matrix<bfloat16> half_hidden({11, ToyBlock::hidden});
    auto half_input = in_scalar<bfloat16>(z);
    stream = x;
    toy.mlp(half).forward(half, half_input.view(), half_hidden.view(), RowsView<float>(stream.view()));
    CHECK(relative_difference(stream, expected) <= tolerance<bfloat16>(Kind::product));
  }
}

}  // namespace accrete::test::mlp_test
