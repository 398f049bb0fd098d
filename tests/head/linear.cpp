#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/linear.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace accrete::test::linear_test {

namespace {

BlockState taught(LinearHead const& head, Index width = 20) {
  BlockState state;
  head.admit(state, {.index = 0, .first_class = 0, .classes = 4}, width);
  head.admit(state, {.index = 1, .first_class = 4, .classes = 2}, width);
  return state;
}

double mean_square(VectorView<float const> x) {
  double sum = 0.0;
  for (float const value : x) { sum += static_cast<double>(value) * static_cast<double>(value); }
  return sum / static_cast<double>(x.size());
}

}  // namespace

TEST_CASE_TEMPLATE("logits are the blocks' products side by side, with their offsets", Exec, ACCRETE_HOST_EXECUTORS) {
  auto store = in_double(taught(LinearHead{.initial = InitialRows::uniform}).parameters());
  auto const features = random_matrix<double>(9, 20, 1);
  Matrix<double> got({9, 6});
  LinearHead{}.logits(Exec{}, store, features.cview(), got.view());
  Matrix<double> want({9, 6});
  for (Index i = 0; i < 9; ++i) {
    for (Index c = 0; c < 6; ++c) {
      auto const block = c < 4 ? "head.0." : "head.1.";
      Index const row = c < 4 ? c : c - 4;
      want(i, c) = store.view<1>(message(block, "bias"))[row];
      for (Index j = 0; j < 20; ++j) { want(i, c) += features(i, j) * store.view<2>(message(block, "weight"))(row, j); }
    }
  }
  CHECK(relative_difference(got, want) <= tolerance<double>(Kind::product));
}

TEST_CASE_TEMPLATE("gradients are those of central differences", Exec, ACCRETE_HOST_EXECUTORS) {
  for (bool const bias : {true, false}) {
    LinearHead const head{.bias = bias};
    auto store = in_double(taught(head).parameters());
    let_learn(store, LearningBlocks::all);
    CHECK(gradient_error(Exec{}, head, store, random_matrix<double>(5, 20, 2), 6) <= tolerance<double>(Kind::loss_differences));
  }
}

TEST_CASE("rows begin as the initialiser says") {
  auto const normal = taught(LinearHead{}, 1000);
  auto const weight = normal.parameters().view<2>("head.0.weight");
  CHECK(std::sqrt(mean_square(weight.reshaped<1>({4000}))) / 0.02 == doctest::Approx(1.0).epsilon(0.025));  // four standard errors
  CHECK(mean_square(normal.parameters().view<1>("head.0.bias")) == 0.0);

  auto const narrow = taught(LinearHead{.initial = InitialRows::narrow}, 1000);
  CHECK(std::sqrt(mean_square(narrow.parameters().view<2>("head.0.weight").reshaped<1>({4000}))) / 0.001 == doctest::Approx(1.0).epsilon(0.05));
  CHECK(mean_square(narrow.parameters().view<1>("head.0.bias")) == 0.0);

  auto const uniform = taught(LinearHead{.initial = InitialRows::uniform}, 1000);
  auto const rows = uniform.parameters().view<2>("head.0.weight");
  auto const bound = static_cast<float>(1.0 / std::sqrt(1000.0));
  CHECK(*std::max_element(rows.begin(), rows.end()) <= bound);
  CHECK(*std::min_element(rows.begin(), rows.end()) >= -bound);
  CHECK(mean_square(rows.reshaped<1>({4000})) * 3000.0 == doctest::Approx(1.0).epsilon(0.03));
  CHECK(mean_square(uniform.parameters().view<1>("head.0.bias")) > 0.0);
}

TEST_CASE("rows may begin as zeros, or as those of a head for all classes there will be") {
  auto const zeros = taught(LinearHead{.initial = InitialRows::zeros}, 1000);
  auto const all = zeros.parameters().values();
  CHECK(std::all_of(all.begin(), all.end(), [](float value) { return value == 0.0F; }));

  auto const spread = taught(LinearHead{.initial = InitialRows::fan_out, .fan_out = 50}, 1000);
  auto const rows = spread.parameters().view<2>(HeadBlock::weight_name(0));
  CHECK(std::sqrt(mean_square(rows.reshaped<1>({4000}))) / 0.2 == doctest::Approx(1.0).epsilon(0.025));  // sqrt(2 / 50), four standard errors
  for (float const offset : spread.parameters().view<1>(HeadBlock::bias_name(0))) { CHECK(offset == doctest::Approx(-4.59511985F)); }
}

TEST_CASE("a head without bias has none") {
  auto const state = taught(LinearHead{.bias = false});
  CHECK(!state.parameters().contains("head.0.bias"));
  CHECK(head_blocks(state.parameters())[1].bias.empty());
}

TEST_CASE("settings are read from text") {
  LinearHead head;
  assign_setting(LinearHead::settings(), head, "bias", "off");
  assign_setting(LinearHead::settings(), head, "initial", "uniform");
  CHECK(!head.bias);
  CHECK(head.initial == InitialRows::uniform);
}

}  // namespace accrete::test::linear_test
