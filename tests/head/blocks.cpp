#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/cosine.hpp>
#include <accrete/head/linear.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/train/groups.hpp>
#include <accrete/train/sgd.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace accrete::test::blocks_test {

namespace {

constexpr Index width = 24;
constexpr TaskInfo first_task{.index = 0, .first_class = 0, .classes = 3};
constexpr TaskInfo second_task{.index = 1, .first_class = 3, .classes = 5};

template <class Head>
BlockState taught(Head const& head) {
  BlockState state;
  head.admit(state, first_task, width);
  head.admit(state, second_task, width);
  return state;
}

using Eigens = HostExecutor<EigenProducts>;

}  // namespace

TEST_CASE_TEMPLATE("a task brings a block of its own; older rows keep their bits and stand still", Head, LinearHead, CosineHead) {
  Head const head;
  BlockState state;
  head.admit(state, first_task, width);
  auto const before = std::as_const(state).parameters();
  head.admit(state, second_task, width);
  CHECK(head.classes(state) == 8);
  CHECK(same_bits(std::as_const(state).parameters().template view<2>("head.0.weight"), before.template view<2>("head.0.weight")));
  auto const blocks = head_blocks(state.parameters());
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[1].first == 3);
  CHECK(blocks[1].classes == 5);
  for (ParameterSpan const& span : state.parameters().trainable()) {
    auto const& segment = state.parameters().segments()[static_cast<std::size_t>(span.segment)];
    CHECK(segment.task != 0);
    CHECK(segment.role == "head");
  }
  CHECK(state.parameters().segment("head.1.weight").trainable_rows == 5);
}

TEST_CASE_TEMPLATE("which blocks learn can be chosen, and a task without new classes adds none", Head, LinearHead, CosineHead) {
  Head const head;
  auto state = taught(head);
  head.admit(state, {.index = 2, .first_class = 8, .classes = 0}, width);
  CHECK(head_blocks(state.parameters()).size() == 2);
  let_learn(state.parameters(), LearningBlocks::all);
  CHECK(state.parameters().segment("head.0.weight").trainable_rows == 3);
  CHECK(state.parameters().segment("head.1.weight").trainable_rows == 5);
  let_learn(state.parameters(), LearningBlocks::none);
  CHECK(state.parameters().trainable().empty());
}

TEST_CASE_TEMPLATE("what a row begins with depends on seed and task alone", Head, LinearHead, CosineHead) {
  auto const state = taught(Head{});
  BlockState alone;
  Head{}.admit(alone, {.index = 1, .first_class = 0, .classes = 5}, width);
  CHECK(same_bits(std::as_const(alone).parameters().template view<2>("head.1.weight"), state.parameters().template view<2>("head.1.weight")));
  CHECK(!same_bits(std::as_const(alone).parameters().template view<2>("head.1.weight").slice(0, 3), state.parameters().template view<2>("head.0.weight")));
  auto const other = taught(Head{.seed = 7});
  CHECK(!same_bits(std::as_const(other).parameters().template view<2>("head.1.weight"), state.parameters().template view<2>("head.1.weight")));
}

TEST_CASE_TEMPLATE("blocks that stand still get no gradient but pass theirs on", Head, LinearHead, CosineHead) {
  Eigens const exec;
  Head const head;
  auto state = taught(head);
  auto store = in_double(state.parameters());
  auto const features = random_matrix<double>(6, width, 5);
  auto const d_logits = random_matrix<double>(6, 8, 6);
  Matrix<double> d_frozen(features.shape());
  auto frozen = zeros_like(store);
  head.backward(exec, store, features.cview(), d_logits.cview(), d_frozen.view(), frozen);
  let_learn(store, LearningBlocks::all);
  Matrix<double> d_free(features.shape());
  auto free = zeros_like(store);
  head.backward(exec, store, features.cview(), d_logits.cview(), d_free.view(), free);
  CHECK(same_bits(d_frozen, d_free));
  auto const old = std::as_const(frozen).template view<2>("head.0.weight");
  CHECK(std::all_of(old.begin(), old.end(), [](double x) { return x == 0.0; }));
  CHECK(same_bits(std::as_const(frozen).template view<2>("head.1.weight"), std::as_const(free).template view<2>("head.1.weight")));
  auto const freed = std::as_const(free).template view<2>("head.0.weight");
  CHECK(std::any_of(freed.begin(), freed.end(), [](double x) { return x != 0.0; }));
}

TEST_CASE_TEMPLATE("steps with momentum and decay leave the rows of earlier tasks bit for bit", Head, LinearHead, CosineHead) {
  Head const head;
  auto state = taught(head);
  auto& store = state.parameters();
  auto const before = store;
  Sgd const sgd;
  auto progress = sgd.start(before);
  std::vector<ParameterGroup> const groups{{.role = {}, .weight_decay = 0.1}};
  std::vector<ParameterUpdate> updates;
  plan_step(store, groups, ConstantRate{.base = 0.1}, 0, store.trainable(), updates);
  for (int step = 0; step < 3; ++step) {
    auto gradients = before;  // even a gradient that is not zero
    sgd.step(HostExecutor<>{}, progress, store, std::as_const(gradients).values(), updates);
  }
  CHECK(same_bits(std::as_const(store).template view<2>("head.0.weight"), before.template view<2>("head.0.weight")));
  CHECK(!same_bits(std::as_const(store).template view<2>("head.1.weight"), before.template view<2>("head.1.weight")));
}

TEST_CASE_TEMPLATE("gradients are added to what is there", Head, LinearHead, CosineHead) {
  Eigens const exec;
  Head const head;
  auto store = in_double(taught(head).parameters());
  auto const features = random_matrix<double>(4, width, 5);
  auto const d_logits = random_matrix<double>(4, 8, 6);
  Matrix<double> d_features(features.shape());
  auto once = zeros_like(store);
  head.backward(exec, store, features.cview(), d_logits.cview(), d_features.view(), once);
  auto twice = once;
  head.backward(exec, store, features.cview(), d_logits.cview(), d_features.view(), twice);
  for (double& x : once.values()) { x *= 2.0; }
  CHECK(same_bits(twice.values(), once.values()));
}

TEST_CASE_TEMPLATE("scores are the logits of what scores", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  auto const check = [&](auto const& head) {
    auto state = taught(head);
    auto const features = random_matrix<float>(70, width, 9);
    Matrix<float> logits({70, 8});
    Matrix<float> scores({70, 8});
    head.logits(exec, state.parameters(), features.cview(), logits.view());
    head.scores(exec, state, features.view(), scores.view());
    CHECK(relative_difference(scores, logits) <= tolerance<float>(Kind::product));

    // A reference kept while scoring may go on changing values.
    auto& kept = state.parameters();
    head.scores(exec, state, features.view(), scores.view());
    kept.template view<2>("head.1.weight")(0, 0) += 1.0F;
    head.logits(exec, kept, features.cview(), logits.view());
    head.scores(exec, state, features.view(), scores.view());
    CHECK(relative_difference(scores, logits) <= tolerance<float>(Kind::product));

    Matrix<float> one({1, 8});
    head.scores(Exec{.threads = 1}, state, features.cview().slice(33, 1), one.view());
    CHECK(same_bits(one.cview(), scores.cview().slice(33, 1)));
  };
  check(LinearHead{});
  check(LinearHead{.bias = false});
  check(CosineHead{});
}

TEST_CASE_TEMPLATE("an alignment scores until the next task and is never learned from", Head, LinearHead, CosineHead) {
  Eigens const exec;
  Head const head;
  auto state = taught(head);
  auto const learned = std::as_const(state).parameters();
  auto const features = random_matrix<float>(5, width, 9);
  Matrix<float> plain({5, 8});
  Matrix<float> moved({5, 8});
  head.scores(exec, state, features.view(), plain.view());
  auto aligned = learned;
  for (float& x : aligned.template view<2>("head.0.weight")) { x += 0.5F; }
  state.align(aligned);
  CHECK(state.is_aligned());
  CHECK(std::as_const(state).parameters() == learned);
  head.scores(exec, state, features.view(), moved.view());
  CHECK(!same_bits(plain, moved));
  CHECK_THROWS_AS(state.align({}), ShapeError);
  head.admit(state, {.index = 2, .first_class = 8, .classes = 1}, width);
  CHECK(!state.is_aligned());
  CHECK(same_bits(std::as_const(state).parameters().template view<2>("head.0.weight"), learned.template view<2>("head.0.weight")));
}

TEST_CASE_TEMPLATE("bits do not depend on threads", Head, LinearHead, CosineHead) {
  Head const head;
  auto const state = taught(head);
  auto const features = random_matrix<float>(130, width, 9);
  auto const d_logits = random_matrix<float>(130, 8, 10);
  auto const run = [&](int threads) {
    Eigens const exec{.threads = threads};
    auto gradients = zeros_like(state.parameters());
    Matrix<float> d_features(features.shape());
    head.backward(exec, state.parameters(), features.cview(), d_logits.cview(), d_features.view(), gradients);
    return std::pair(gradients, d_features);
  };
  auto const [gradients, d_features] = run(1);
  auto const [more_gradients, more_d_features] = run(3);
  CHECK(gradients == more_gradients);
  CHECK(same_bits(d_features, more_d_features));
}

TEST_CASE_TEMPLATE("a state goes through a file bit for bit", Head, LinearHead, CosineHead) {
  Head const head;
  TemporaryFolder const folder;
  for (int const stage : {0, 1, 2}) {
    BlockState state;
    if (stage > 0) { state = taught(head); }
    if (stage > 1) {
      auto aligned = std::as_const(state).parameters();
      for (float& x : aligned.template view<2>("head.0.weight")) { x += 0.25F; }
      state.align(std::move(aligned));
    }
    ModelWriter writer("test");
    ModelWriter scope = writer.scope("head");
    head.write(state, scope);
    writer.write(folder / "m.safetensors");
    BlockState again;
    head.read(again, ModelReader::open(folder / "m.safetensors", "test").scope("head"));
    CHECK(std::as_const(again).parameters() == std::as_const(state).parameters());
    CHECK(again.scoring() == state.scoring());
    CHECK(again.is_aligned() == (stage > 1));
    CHECK(again.classes() == state.classes());
    CHECK(again.width() == state.width());
  }
}

TEST_CASE("a file whose blocks do not fit is refused") {
  TemporaryFolder const folder;
  ModelWriter writer("test");
  writer.setting("width", Index{7});
  writer.setting("aligned", false);
  auto const state = taught(LinearHead{});
  state.parameters().write(writer.scope("learned"));
  writer.write(folder / "m.safetensors");
  BlockState into = state;
  CHECK_THROWS_AS(LinearHead{}.read(into, ModelReader::open(folder / "m.safetensors", "test")), FileError);
  CHECK(into.classes() == 8);
}

TEST_CASE_TEMPLATE("what does not fit is refused and changes nothing", Head, LinearHead, CosineHead) {
  Eigens const exec;
  Head const head;
  auto state = taught(head);
  auto const before = std::as_const(state).parameters();
  CHECK_THROWS_AS(head.admit(state, {.index = 2, .first_class = 8, .classes = 1}, width + 1), ShapeError);
  CHECK_THROWS_AS(head.admit(state, {.index = 2, .first_class = 7, .classes = 1}, width), ShapeError);
  CHECK_THROWS_AS(head.admit(state, {.index = 1, .first_class = 8, .classes = 1}, width), ValueError);
  CHECK(std::as_const(state).parameters() == before);
  CHECK(state.classes() == 8);

  auto const features = random_matrix<float>(2, width, 9);
  Matrix<float> z({2, 8});
  Matrix<float> narrow({2, 7});
  CHECK_THROWS_AS(head.logits(exec, before, features.cview(), narrow.view()), ShapeError);
  CHECK_THROWS_AS(head.logits(exec, ParameterStore<float>(), features.cview(), z.view()), ValueError);
  CHECK_THROWS_AS(head.scores(exec, state, features.view(), narrow.view()), ShapeError);
  CHECK_THROWS_AS(head.scores(exec, BlockState(), features.view(), z.view()), ValueError);
  Matrix<float> d({2, width});
  ParameterStore<float> none;
  CHECK_THROWS_AS(head.backward(exec, before, features.cview(), z.cview(), d.view(), none), ShapeError);
  auto gradients = zeros_like(before);
  CHECK_THROWS_AS(head.backward(exec, before, features.cview(), z.cview(), narrow.view(), gradients), ShapeError);
}

}  // namespace accrete::test::blocks_test
