#include <accrete/config.hpp>

#if ACCRETE_WITH_ONEDNN
#include "support/compare.hpp"
#include "support/samples.hpp"

#include <accrete/host/onednn.hpp>
#include <accrete/kernels/product.hpp>

#include <doctest/doctest.h>

#include <thread>
#include <vector>

namespace accrete::test::onednn_test {

static_assert(Executor<HostExecutor<OneDnn>>);

namespace {
Matrix<float> multiplied(HostExecutor<OneDnn> const& exec, OneDnn::PackedWeights const& packed, Matrix<float> const& x) {
  Matrix<float> y({x.extent(0), packed.outputs()});
  kernels::product(exec, x.view(), packed, {kernels::Activation::gelu, false}, y.view());
  return y;
}
}  // namespace

TEST_CASE("more numbers of rows than are kept compiled give the same bits when they come again") {
  HostExecutor<OneDnn> const exec{.threads = 1};
  auto const x = normal<float>(1, Shape<2>{150, 24});
  auto const packed = kernels::pack(exec, normal<float>(2, Shape<2>{20, 24}), Vector<float>());
  auto const want = multiplied(exec, packed, x);
  for (int round = 0; round < 2; ++round) {
    bool same = true;
    for (Index rows = 1; rows <= 150; ++rows) {
      Matrix<float> y({rows, 20});
      kernels::product(exec, x.view().slice(0, rows), packed, {kernels::Activation::gelu, false}, y.view());
      same = same && same_bits(y, want.view().slice(0, rows));
    }
    CHECK(same);
  }
}

TEST_CASE("several threads of a program may multiply with the same weights, first use included") {
  HostExecutor<OneDnn> const exec{.threads = 1};
  auto const x = normal<float>(3, Shape<2>{33, 48});
  auto const weight = normal<float>(4, Shape<2>{64, 48});
  auto const want = multiplied(exec, kernels::pack(exec, weight, Vector<float>()), x);
  auto const packed = kernels::pack(exec, weight, Vector<float>());
  std::vector<char> agrees(4, 1);
  std::vector<std::thread> workers;
  for (std::size_t w = 0; w < agrees.size(); ++w) {
    workers.emplace_back([&, w] {
      for (Index round = 0; round < 50; ++round) {
        Index const rows = 1 + (round * 7 + static_cast<Index>(w)) % 33;
        Matrix<float> y({rows, 64});
        kernels::product(exec, x.view().slice(0, rows), packed, {kernels::Activation::gelu, false}, y.view());
        if (!same_bits(y, want.view().slice(0, rows))) { agrees[w] = 0; }
      }
    });
  }
  for (auto& worker : workers) { worker.join(); }
  for (char const ok : agrees) { CHECK(ok == 1); }
}

TEST_CASE("bfloat16 weights keep their precision's name, whatever the processor multiplies") {
  HostExecutor<OneDnn> const exec{.precision = Precision::bfloat16};
  auto const packed = kernels::pack(exec, normal<float>(5, Shape<2>{16, 32}), Vector<float>());
  CHECK(packed.precision() == Precision::bfloat16);
  Matrix<float> x = Matrix<float>::zeros({2, 32});
  Matrix<float> y({2, 16});
  CHECK_THROWS_AS(kernels::product(exec, x.view(), packed, {}, y.view()), ValueError);
}
#endif

}  // namespace accrete::test::onednn_test
