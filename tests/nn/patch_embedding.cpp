#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/naive_network.hpp"
#include "support/tolerances.hpp"

#include <accrete/nn/patch_embedding.hpp>

#include <doctest/doctest.h>

namespace accrete::test::patch_embedding_test {

namespace {
constexpr Index batch = 2, channels = 3, edge = 4, down = 2, across = 3, width = 10, prefix_rows = 2;

/// A convolution as its definition says it.
Matrix<double> naive_tokens(Tensor<float, 4> const& images, Tensor<float, 4> const& weight, Vector<float> const& bias, Matrix<float> const& prefix, Matrix<float> const& positions) {
  Index const rows = prefix.extent(0) + down * across;
  auto tokens = Matrix<double>::zeros({batch * rows, width});
  for (Index b = 0; b < batch; ++b) {
    for (Index o = 0; o < width; ++o) {
      for (Index i = 0; i < prefix.extent(0); ++i) { tokens(b * rows + i, o) = static_cast<double>(prefix(i, o)); }
      for (Index g = 0; g < down * across; ++g) {
        double sum = static_cast<double>(bias(o)) + static_cast<double>(positions(g, o));
        for (Index c = 0; c < channels; ++c) {
          for (Index dy = 0; dy < edge; ++dy) {
            for (Index dx = 0; dx < edge; ++dx) { sum += static_cast<double>(images(b, c, g / across * edge + dy, g % across * edge + dx)) * static_cast<double>(weight(o, c, dy, dx)); }
          }
        }
        tokens(b * rows + prefix.extent(0) + g, o) = sum;
      }
    }
  }
  return tokens;
}
}  // namespace

TEST_CASE_TEMPLATE("images become prefix rows and positioned patches; pixels behind the last whole patch are not seen", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const images = rounded(drawn<4>("images", {batch, channels, down * edge + 1, across * edge + 3}));
  auto const weight = drawn<4>("weight", {width, channels, edge, edge});
  auto const bias = drawn<1>("bias", {width});
  auto const positions = drawn<2>("positions", {down * across, width});
  for (Index const extra : {Index{0}, prefix_rows}) {
    auto const prefix = drawn<2>("prefix", {extra, width});
    auto const expected = naive_tokens(images, weight, bias, prefix, positions);
    auto const check = [&](auto scalar, Exec const& exec) {
      using T = decltype(scalar);
      nn::Linear<Exec> projection(exec, weight.cview().reshaped<2>({width, channels * edge * edge}), bias);
      nn::PatchEmbedding<Exec> const embedding(exec, std::move(projection), edge, prefix, positions);
      Tensor<float, 3> tokens({batch, extra + down * across, width});
      embedding.template forward<T>(exec, images, tokens, typename nn::PatchEmbedding<Exec>::Scratch());
      CHECK(relative_difference(tokens.cview().reshaped<2>(expected.shape()), expected) <= tolerance<T>(Kind::product));
    };
    check(float{}, Exec{.threads = 2});
    check(bfloat16{}, Exec{.threads = 2, .precision = Precision::bfloat16});
  }
}

}  // namespace accrete::test::patch_embedding_test
