#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/naive_network.hpp"
#include "support/tolerances.hpp"

#include <accrete/nn/layer_norm.hpp>

#include <doctest/doctest.h>

namespace accrete::test::layer_norm_test {

TEST_CASE("a layer norm keeps gain, offset and epsilon, in place, to bfloat16 and over distant rows") {
  HostExecutor<> const exec;
  auto const gain = drawn<1>("gain", {37}, 0.3F, 1.0F);
  auto const offset = drawn<1>("offset", {37}, 0.3F);
  auto const x = drawn<2>("x", {6, 37}, 0.03F);  // small, so that epsilon counts
  for (double const epsilon : {1e-5, 1e-12}) {
    nn::LayerNorm<HostExecutor<>> const norm(exec, gain, offset, epsilon);
    CHECK(norm.epsilon() == epsilon);
    auto const expected = naive::layer_norm(naive::widened(x), gain, offset, epsilon);
    Matrix<float> y = x;
    norm.forward(exec, RowsView<float>(y.view()), RowsView<float>(y.view()));
    CHECK(relative_difference(y, expected) <= tolerance<float>(Kind::softmax));
    Matrix<bfloat16> narrow({6, 37});
    norm.forward(exec, RowsView<float const>(x.view()), RowsView<bfloat16>(narrow.view()));
    CHECK(relative_difference(narrow, expected) <= tolerance<bfloat16>(Kind::elementwise));
    Matrix<float> every_other({3, 37});
    norm.forward(exec, RowsView<float const>(x.data() + 37, 3, 37, 2 * 37), RowsView<float>(every_other.view()));
    for (Index i = 0; i < 3; ++i) { CHECK(same_bits(every_other[i], y[2 * i + 1])); }
  }
}

TEST_CASE("gain and offset of two lengths are refused") {
  CHECK_THROWS_WITH_AS(nn::LayerNorm<HostExecutor<>>(HostExecutor<>{}, Vector<float>::zeros({3}), Vector<float>::zeros({4}), 1e-6),
                       doctest::Contains("gain and offset must have one length (came: 3, 4)"), ShapeError);
}

}  // namespace accrete::test::layer_norm_test
