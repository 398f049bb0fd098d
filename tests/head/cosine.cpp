#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/cosine.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace accrete::test::cosine_test {

namespace {

BlockState taught(Index width = 20) {
  BlockState state;
  CosineHead const head;
  head.admit(state, {.index = 0, .first_class = 0, .classes = 4}, width);
  head.admit(state, {.index = 1, .first_class = 4, .classes = 2}, width);
  return state;
}

}  // namespace

TEST_CASE_TEMPLATE("logits are cosines times the scale", Exec, ACCRETE_HOST_EXECUTORS) {
  auto store = in_double(taught(2).parameters());
  CHECK(store.view<1>("head.scale")[0] == 1.0);
  auto const rows = store.view<2>("head.1.weight");
  rows(0, 0) = 3.0;
  rows(0, 1) = 4.0;
  rows(1, 0) = 0.0;
  rows(1, 1) = -2.0;
  store.view<1>("head.scale")[0] = 2.0;
  Matrix<double> features({1, 2});
  features(0, 0) = 5.0;
  features(0, 1) = 0.0;
  Matrix<double> z({1, 6});
  CosineHead{}.logits(Exec{}, store, features.cview(), z.view());
  CHECK(z(0, 4) == doctest::Approx(1.2));  // 2 * 3/5
  CHECK(z(0, 5) == 0.0);
}

TEST_CASE_TEMPLATE("gradients are those of central differences", Exec, ACCRETE_HOST_EXECUTORS) {
  auto store = in_double(taught().parameters());
  let_learn(store, LearningBlocks::all);
  store.view<1>("head.scale")[0] = 1.7;
  CHECK(gradient_error(Exec{}, CosineHead{}, store, random_matrix<double>(5, 20, 2), 6) <= tolerance<double>(Kind::loss_differences));
}

TEST_CASE("zero vectors score zero, and what flows back through them is finite") {
  HostExecutor<EigenProducts> const exec;
  auto store = in_double(taught().parameters());
  let_learn(store, LearningBlocks::all);
  for (double& x : store.view<2>("head.0.weight")[1]) { x = 0.0; }
  auto features = random_matrix<double>(3, 20, 2);
  for (double& x : features[0]) { x = 0.0; }
  for (double& x : features[1]) { x = 0.0; }
  features(1, 0) = 5e-13;
  Matrix<double> z({3, 6});
  CosineHead{}.logits(exec, store, features.cview(), z.view());
  for (double const x : z[0]) { CHECK(x == 0.0); }
  for (Index i = 0; i < 3; ++i) { CHECK(z(i, 1) == 0.0); }
  auto const d_logits = random_matrix<double>(3, 6, 3);
  auto gradients = zeros_like(store);
  Matrix<double> d_features(features.shape());
  CosineHead{}.backward(exec, store, features.cview(), d_logits.cview(), d_features.view(), gradients);
  CHECK(std::all_of(d_features.begin(), d_features.end(), [](double x) { return std::isfinite(x); }));
  CHECK(std::all_of(gradients.values().begin(), gradients.values().end(), [](double x) { return std::isfinite(x); }));
  // Below the least length a vector is divided by a constant: the gradient is that of x / 1e-12.
  for (Index i = 0; i < 2; ++i) {
    double want = 0.0;
    for (Index c = 0; c < 6; ++c) {
      auto const row = c < 4 ? store.view<2>("head.0.weight")[c] : store.view<2>("head.1.weight")[c - 4];
      double length = 0.0;
      for (double const x : row) { length += x * x; }
      want += length > 0.0 ? d_logits(i, c) * row[0] / std::sqrt(length) * 1e12 : 0.0;
    }
    CHECK(d_features(i, 0) / want == doctest::Approx(1.0).epsilon(1e-12));
  }
}

TEST_CASE("rows begin uniformly and the scale with one") {
  auto const state = taught(1000);
  auto const rows = state.parameters().view<2>("head.0.weight");
  auto const bound = static_cast<float>(1.0 / std::sqrt(1000.0));
  CHECK(*std::max_element(rows.begin(), rows.end()) <= bound);
  CHECK(*std::min_element(rows.begin(), rows.end()) >= -bound);
  CHECK(*std::max_element(rows.begin(), rows.end()) > 0.9F * bound);
  CHECK(state.parameters().segment("head.scale").decays);
  CHECK(state.parameters().segment("head.scale").trainable_rows == 1);
}

}  // namespace accrete::test::cosine_test
