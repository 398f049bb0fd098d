#include "support/executors.hpp"
#include "support/samples.hpp"
#include "support/training_checks.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace accrete::test::vit_training_test {

TEST_CASE_TEMPLATE("gradients of every tuning are those of autograd", Exec, ACCRETE_HOST_EXECUTORS) {
  check_tuned_gradients<float>(Exec{.threads = 2});
  check_tuned_gradients<bfloat16>(Exec{.threads = 2, .precision = Precision::bfloat16});
}

TEST_CASE("in double, gradients of every tuning are those of autograd to the last digits") {
  check_tuned_gradients<double>(HostExecutor<EigenProducts>{.threads = 2, .precision = Precision::float64});
}

TEST_CASE_TEMPLATE("gradients of prompts and prefixes are those of autograd", Exec, ACCRETE_HOST_EXECUTORS) {
  check_injected_gradients<float>(Exec{.threads = 2});
  check_injected_gradients<bfloat16>(Exec{.threads = 2, .precision = Precision::bfloat16});
}

namespace {
/// Rows that come in front of the first block and leave in front of the last.
struct PassingHook {
  Index depth = 0;
  Index at = 0;
  Tensor<float, 3> rows;
  Tensor<float, 3> d_rows;
  std::vector<Index> lengths;

  [[nodiscard]] TokenInjection tokens(Index block) const {
    if (block == 0) { return {rows.cview(), at, TokenInjection::How::insert}; }
    if (block + 1 == depth) { return {{nullptr, {1, rows.extent(1), rows.extent(2)}}, at, TokenInjection::How::remove}; }
    return {};
  }
  void observe(Index /*block*/, TensorView<float const, 3> tokens) { lengths.push_back(tokens.extent(1)); }
  void tokens_gradient(Index block, TensorView<float const, 3> d) {
    CHECK(block == 0);
    d_rows = Tensor<float, 3>(d.shape());
    std::copy(d.begin(), d.end(), d_rows.begin());
  }
};
}  // namespace

TEST_CASE("rows that are taken out again are missing from there on, and their gradients are central differences") {
  HostExecutor<EigenProducts> const exec{.precision = Precision::float64};
  auto const network = training_cases("vpt").front();
  auto const vit = Vit<Frozen>::load(network.weights, network.options(), Frozen{});
  Index const tokens = network.architecture["tokens"].get<Index>();
  auto const images = network.images();
  PassingHook hook{.depth = vit.shape().depth, .at = tokens, .rows = normal<float>(1, Shape<3>{1, 2, vit.width()}), .d_rows = {}, .lengths = {}};
  REQUIRE(hook.depth >= 3);

  HostExecutor<EigenProducts> const single{};
  CHECK(vit.forward(single, vit.embed(single, images.cview()), hook).extent(1) == tokens);
  std::vector<Index> expected(static_cast<std::size_t>(hook.depth), tokens + 2);
  expected.back() = tokens;
  CHECK(hook.lengths == expected);

  auto const store = stored_parameters<double>(vit.parameters(), network);
  auto training = vit.template training<double>(exec, store);
  auto const d = normal<double>(2, Shape<2>{images.extent(0), vit.width()});
  auto const loss = [&] {
    Matrix<double> features({images.extent(0), vit.width()});
    training.forward(images.cview(), hook, features.view(), {});
    return std::inner_product(features.begin(), features.end(), d.begin(), 0.0);
  };
  constexpr float h = 0x1p-10F;  // of values that are multiples of it, a step is exact
  for (float& value : hook.rows) { value = std::round(value / h) * h; }
  static_cast<void>(loss());
  training.backward(d.cview(), hook);
  std::vector<double> got;
  std::vector<double> want;
  for (Index i = 0; i < hook.rows.size(); ++i) {
    double sum = 0.0;
    for (Index b = 0; b < images.extent(0); ++b) { sum += static_cast<double>(hook.d_rows.data()[b * hook.rows.size() + i]); }
    got.push_back(sum);
    float const value = hook.rows.data()[i];
    hook.rows.data()[i] = value + h;
    double const above = loss();
    hook.rows.data()[i] = value - h;
    want.push_back((above - loss()) / (2.0 * static_cast<double>(h)));
    hook.rows.data()[i] = value;
  }
  CHECK(relative_difference(viewed(got), viewed(want)) <= tolerance<float>(Kind::backward));
}

TEST_CASE("in double, gradients of prompts and prefixes are those of autograd") { check_injected_gradients<double>(HostExecutor<EigenProducts>{.precision = Precision::float64}); }

}  // namespace accrete::test::vit_training_test
