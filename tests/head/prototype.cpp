#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"
#include "support/head_data.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/prototype.hpp>
#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test::prototype_test {

namespace {

using State = PrototypeHead::State;

Matrix<float> matrix(Index rows, Index columns, std::vector<float> const& values) {
  Matrix<float> result({rows, columns});
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

/// Spec example: class 0 has (1,0) and (0,2), class 1 has (3,4) twice.
Lesson example() { return {matrix(4, 2, {1, 0, 0, 2, 3, 4, 3, 4}), {0, 0, 1, 1}}; }

std::vector<Index> answers(Matrix<float> const& scores) {
  std::vector<Index> best;
  for (Index i = 0; i < scores.extent(0); ++i) { best.push_back(std::max_element(scores[i].begin(), scores[i].end()) - scores[i].begin()); }
  return best;
}

bool same_state(State const& a, State const& b) {
  return a.counts() == b.counts() && same_bits(a.sums().high(), b.sums().high()) && same_bits(a.sums().low(), b.sums().low()) && same_bits(a.prototypes(), b.prototypes());
}

}  // namespace

TEST_CASE_TEMPLATE("features are averaged as they are, not normalised first", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  PrototypeHead const head;
  State state;
  teach(exec, head, state, example(), 2);
  CHECK(same_bits(state.prototypes(), matrix(2, 2, {0.5F, 1, 3, 4})));
  auto const scores = scores_of(exec, head, state, matrix(1, 2, {1, 1}));
  CHECK(relative_difference(scores, matrix(1, 2, {0.9486832980505138F, 0.9899494936611665F})) <= tolerance<float>(Kind::elementwise));
}

TEST_CASE("the Euclidean metric scores minus the squared distance") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head{.metric = PrototypeMetric::euclidean};
  State state;
  teach(exec, head, state, example(), 2);
  auto const scores = scores_of(exec, head, state, matrix(2, 2, {1, 1, 0, 0}));
  CHECK(relative_difference(scores, matrix(2, 2, {-0.25F, -13, -1.25F, -25})) <= tolerance<float>(Kind::elementwise));
}

TEST_CASE("order, batches and shards do not change a bit") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  Lesson const lesson = clouds(500, 33, 6, 1);
  State joint;
  teach(exec, head, joint, lesson, 6);
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    State other;
    teach(exec, head, other, lesson.shuffled(seed), 6, 7 * static_cast<Index>(seed));
    CHECK(same_state(other, joint));
  }
  std::vector<Index> const columns{0, 1, 2, 3, 4, 5};
  std::vector<State> shards(3);
  for (Index s = 0; s < 3; ++s) { teach(exec, head, shards[static_cast<std::size_t>(s)], lesson.shuffled(9).range(s * 166, s == 2 ? 168 : 166), 6); }
  for (auto const& order : {std::vector<std::size_t>{0, 1, 2}, std::vector<std::size_t>{2, 0, 1}}) {
    State merged;
    head.admit(merged, 6);
    for (std::size_t const s : order) { head.merge(merged, shards[s], columns); }
    head.fit(exec, merged);
    CHECK(same_state(merged, joint));
  }
}

TEST_CASE("classes come one after the other and old ones keep their bits") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  Lesson const lesson = clouds(300, 20, 5, 2);
  State joint;
  teach(exec, head, joint, lesson, 5);
  State grown;
  Matrix<float> first;
  for (Index c = 0; c < 5; ++c) {
    teach(exec, head, grown, lesson.of_class(c), c + 1);
    if (c == 0) { first = grown.prototypes(); }
    CHECK(same_bits(grown.prototypes().cview().slice(0, 1), first.cview()));
  }
  CHECK(same_state(grown, joint));
}

TEST_CASE("a class may come with one image, and may come again") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  State state;
  teach(exec, head, state, {matrix(1, 2, {2, 0}), {0}}, 1);
  CHECK(state.prototypes()(0, 0) == 2.0F);
  teach(exec, head, state, {matrix(3, 2, {0, 2, 0, 2, 5, 5}), {0, 0, 1}}, 2);
  CHECK(state.counts() == std::vector<Index>{3, 1});
  CHECK(state.prototypes()(0, 1) == static_cast<float>(4.0 / 3.0));
}

TEST_CASE("scaling all features leaves the answers") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  Lesson lesson = clouds(200, 16, 4, 3);
  State plain;
  teach(exec, head, plain, lesson, 4);
  auto const want = answers(scores_of(exec, head, plain, lesson.features));
  for (float& x : lesson.features) { x *= 7.0F; }
  State scaled;
  teach(exec, head, scaled, lesson, 4);
  CHECK(answers(scores_of(exec, head, scaled, lesson.features)) == want);
}

TEST_CASE("zero vectors score zero") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  State state;
  teach(exec, head, state, {matrix(2, 2, {0, 0, 1, 2}), {0, 1}}, 2);
  auto const scores = scores_of(exec, head, state, matrix(2, 2, {0, 0, 1, 1}));
  CHECK(scores(0, 0) == 0.0F);
  CHECK(scores(0, 1) == 0.0F);
  CHECK(scores(1, 0) == 0.0F);
}

TEST_CASE_TEMPLATE("a feature's scores depend on that feature alone", Exec, ACCRETE_HOST_EXECUTORS) {
  Lesson const lesson = clouds(130, 48, 7, 4);
  for (auto const metric : {PrototypeMetric::cosine, PrototypeMetric::euclidean}) {
    PrototypeHead const head{.metric = metric};
    State state;
    teach(Exec{.threads = 2}, head, state, lesson, 7);
    auto const want = scores_of(Exec{.threads = 2}, head, state, lesson.features);
    for (Index const batch : {1, 7, 64}) {
      Matrix<float> scores(want.shape());
      for (Index first = 0; first < lesson.size(); first += batch) {
        Index const count = std::min(batch, lesson.size() - first);
        head.scores(Exec{.threads = 1}, state, lesson.features.cview().slice(first, count), scores.view().slice(first, count));
      }
      CHECK(same_bits(scores, want));
    }
    CHECK(same_bits(scores_of(Exec{.precision = Precision::bfloat16}, head, state, lesson.features), want));
  }
}

TEST_CASE("forgetting a class equals never having learned it, bit for bit") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  Lesson const lesson = clouds(200, 10, 4, 5);
  for (Index column = 0; column < 4; ++column) {
    State state;
    teach(exec, head, state, lesson, 4);
    head.forget(exec, state, column, {});
    head.fit(exec, state);
    State never;
    teach(exec, head, never, lesson.without_class(column), 3);
    CHECK(same_state(state, never));
  }
  State last;
  teach(exec, head, last, {matrix(1, 2, {1, 2}), {0}}, 1);
  head.forget(exec, last, 0, {});
  CHECK(head.classes(last) == 0);
  teach(exec, head, last, {matrix(1, 3, {1, 2, 3}), {0}}, 1);  // as a fresh state: even the width is open again
  CHECK(last.prototypes()(0, 2) == 3.0F);
}

TEST_CASE("classes of two states unite by the columns given") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  State a;
  State b;
  teach(exec, head, a, {matrix(2, 2, {1, 0, 0, 1}), {0, 1}}, 2);
  teach(exec, head, b, {matrix(2, 2, {3, 0, 5, 5}), {0, 1}}, 2);
  head.admit(a, 3);
  head.merge(a, b, std::vector<Index>{0, 2});
  head.fit(exec, a);
  CHECK(a.counts() == std::vector<Index>{2, 1, 1});
  CHECK(a.prototypes()(0, 0) == 2.0F);
  CHECK(a.prototypes()(2, 1) == 5.0F);
}

TEST_CASE("a state goes through a file bit for bit") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  TemporaryFolder const folder;
  for (Index const classes : {0, 1, 5}) {
    State state;
    if (classes > 0) { teach(exec, head, state, clouds(60, 12, classes, 6), classes); }
    ModelWriter writer("prototype test");
    ModelWriter scope = writer.scope("head");
    head.write(state, scope);
    writer.write(folder / "m.safetensors");
    State again;
    head.read(again, ModelReader::open(folder / "m.safetensors", "prototype test").scope("head"));
    CHECK(same_state(again, state));
  }
}

TEST_CASE("what does not fit is refused and changes nothing") {
  HostExecutor<EigenProducts> const exec;
  PrototypeHead const head;
  State state;
  teach(exec, head, state, example(), 2);
  State const before = state;
  auto const rows = matrix(1, 2, {1, 1});
  std::vector<Index> const zero{0};
  CHECK_THROWS_WITH_AS(head.observe(exec, state, rows.view(), std::vector<Index>{2}), "PrototypeHead::observe: a column must be that of an admitted class (came: 2, 2)", ShapeError);
  CHECK_THROWS_AS(head.observe(exec, state, rows.view(), std::vector<Index>{0, 1}), ShapeError);
  CHECK_THROWS_AS(head.observe(exec, state, matrix(1, 3, {1, 1, 1}).view(), zero), ShapeError);
  CHECK_THROWS_AS(head.observe(exec, state, matrix(1, 2, {1, std::nanf("")}).view(), zero), ValueError);
  CHECK_THROWS_WITH_AS(head.observe(exec, state, matrix(1, 2, {std::numeric_limits<float>::infinity(), 0}).view(), zero),
                       "PrototypeHead::observe: row 0 of the features holds a number that is not finite", ValueError);
  CHECK_THROWS_AS(head.merge(state, before, std::vector<Index>{0}), ShapeError);
  CHECK_THROWS_AS(head.merge(state, before, std::vector<Index>{1, 1}), ShapeError);
  CHECK_THROWS_AS(head.forget(exec, state, 2, {}), ShapeError);
  CHECK(same_state(state, before));

  Matrix<float> narrow({1, 1});
  CHECK_THROWS_AS(head.scores(exec, state, rows.view(), narrow.view()), ShapeError);
  State const empty;
  Matrix<float> none({1, 0});
  CHECK_THROWS_AS(head.scores(exec, empty, rows.view(), none.view()), ValueError);
  head.admit(state, 3);
  Matrix<float> three({1, 3});
  CHECK_THROWS_AS(head.scores(exec, state, rows.view(), three.view()), ValueError);
}

TEST_CASE("settings are read from text") {
  PrototypeHead head;
  assign_setting(PrototypeHead::settings(), head, "metric", "euclidean");
  CHECK(head.metric == PrototypeMetric::euclidean);
  CHECK_THROWS_AS(assign_setting(PrototypeHead::settings(), head, "metric", "cosin"), ValueError);
}

TEST_CASE_TEMPLATE("prototypes and cosine scores are those of the reference", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const file = golden("ridge");
  auto const queries = file.template read<float, 2>("queries");
  PrototypeHead const head;
  State state;
  for (int t = 0; t < 3; ++t) {
    std::string const task = message("task", t, ".");
    auto const labels = file.template read<Index, 1>(task + "labels");
    teach(Exec{}, head, state, {file.template read<float, 2>(task + "features"), {labels.begin(), labels.end()}}, 3 * (t + 1));
    CHECK(relative_difference(state.prototypes(), file.template read<double, 2>(task + "prototypes")) <= tolerance<float>(Kind::elementwise));
    CHECK(relative_difference(scores_of(Exec{}, head, state, queries), file.template read<double, 2>(task + "prototype_scores")) <= tolerance<float>(Kind::product));
  }
}

}  // namespace accrete::test::prototype_test
