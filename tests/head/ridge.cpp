#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/given_map.hpp"
#include "support/golden.hpp"
#include "support/head_data.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/ridge.hpp>
#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test::ridge_test {

namespace {

using Host = HostExecutor<EigenProducts>;
using Plain = RidgeHead<NoProjection>;

Matrix<float> matrix(Index rows, Index columns, std::vector<float> const& values) {
  Matrix<float> result({rows, columns});
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

/// Specification 5 (9) 1.
Lesson example() { return {matrix(3, 2, {1, 0, 0, 1, 1, 1}), {0, 1, 1}}; }

template <class State>
bool same_sums(State const& a, State const& b) {
  return a.counts() == b.counts() && a.samples() == b.samples() && same_bits(a.sums(), b.sums()) && same_bits(a.gram().storage(), b.gram().storage());
}

template <class State>
bool same_model(State const& a, State const& b) {
  return same_sums(a, b) && a.ridge() == b.ridge() && same_bits(a.weights(), b.weights());
}

template <class Head>
typename Head::State through_file(Head const& head, typename Head::State const& state) {
  TemporaryFolder const folder;
  ModelWriter writer("ridge test");
  ModelWriter scope = writer.scope("head");
  head.write(state, scope);
  writer.write(folder / "m.safetensors");
  typename Head::State again;
  head.read(again, ModelReader::open(folder / "m.safetensors", "ridge test").scope("head"));
  return again;
}

std::vector<Index> answers(Matrix<float> const& scores) {
  std::vector<Index> best;
  for (Index i = 0; i < scores.extent(0); ++i) { best.push_back(std::max_element(scores[i].begin(), scores[i].end()) - scores[i].begin()); }
  return best;
}

}  // namespace

TEST_CASE_TEMPLATE("the worked example is exact, and its two scores choose different classes", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const exec;
  Plain const linear{.ridge = 1.0};
  Plain const cosine{.ridge = 1.0, .score = RidgeScore::cosine};
  Plain::State state;
  teach(exec, linear, state, example(), 2);
  CHECK(state.gram()(0, 0) == 2.0);
  CHECK(state.gram()(1, 0) == 1.0);
  CHECK(state.sums()(1, 1) == 2.0);
  Matrix<double> want({2, 2});
  want(0, 0) = 0.375;
  want(0, 1) = -0.125;
  want(1, 0) = 0.125;
  want(1, 1) = 0.625;
  CHECK(relative_difference(state.weights(), want) <= tolerance<double>(Kind::elementwise));
  auto const query = matrix(1, 2, {2, 1});
  CHECK(relative_difference(scores_of(exec, linear, state, query), matrix(1, 2, {0.625F, 0.875F})) <= tolerance<float>(Kind::elementwise));
  CHECK(relative_difference(scores_of(exec, cosine, state, query), matrix(1, 2, {0.70710678F, 0.61394061F})) <= tolerance<float>(Kind::elementwise));
}

TEST_CASE("how a task is cut into batches does not change a bit, nor do threads") {
  Lesson const lesson = clouds(1200, 12, 5, 51);
  RidgeHead<> const head{.projection = 300};
  RidgeHead<>::State whole;
  teach(Host{.threads = 2}, head, whole, lesson, 5);
  for (Index const batch : {1, 100, 511, 700}) {
    RidgeHead<>::State cut;
    teach(Host{.threads = batch == 100 ? 1 : 3}, head, cut, lesson, 5, batch);
    CHECK(same_model(cut, whole));
  }
  CHECK(whole.samples() == 1200);
}

TEST_CASE("order and shards change sums by rounding only, and tasks one by one give what they give together") {
  Host const exec{.threads = 2};
  Lesson const lesson = clouds(900, 12, 6, 52);
  RidgeHead<> const head{.projection = 200, .ridge = 10.0};
  RidgeHead<>::State joint;
  teach(exec, head, joint, lesson, 6);
  RidgeHead<>::State shuffled;
  teach(exec, head, shuffled, lesson.shuffled(3), 6);
  RidgeHead<>::State tasks;
  for (Index c = 0; c < 6; ++c) { teach(exec, head, tasks, lesson.of_class(c), c + 1); }
  std::vector<RidgeHead<>::State> shards(3);
  for (Index s = 0; s < 3; ++s) { teach(exec, head, shards[static_cast<std::size_t>(s)], lesson.shuffled(4).range(300 * s, 300), 6); }
  std::vector<Index> const same{0, 1, 2, 3, 4, 5};
  std::vector<RidgeHead<>::State> merged;
  for (auto const& order : {std::vector<std::size_t>{0, 1, 2}, std::vector<std::size_t>{2, 1, 0}}) {
    auto& state = merged.emplace_back();
    head.admit(state, 6);
    for (std::size_t const s : order) { head.merge(state, shards[s], same); }
    head.fit(exec, state);
  }
  for (auto const* state : {&shuffled, &tasks, &merged[0], &merged[1]}) {
    CHECK(state->counts() == joint.counts());
    CHECK(relative_difference(state->gram().storage(), joint.gram().storage()) <= tolerance<double>(Kind::sum));
    CHECK(relative_difference(state->sums(), joint.sums()) <= tolerance<double>(Kind::sum));
    CHECK(relative_difference(state->weights(), joint.weights()) <= tolerance<double>(Kind::routes));
  }
}

TEST_CASE("merging keeps the larger ridge in any order and unites classes by the columns given") {
  Host const exec;
  RidgeHead<> const head{.projection = 50};
  Lesson const lesson = clouds(200, 8, 4, 53);
  RidgeHead<>::State a;
  RidgeHead<>::State b;
  teach(exec, head, a, clouds(100, 8, 2, 54), 2);
  teach(exec, head, b, clouds(100, 8, 2, 55), 2);
  RidgeHead<>::State ab = a;
  head.admit(ab, 3);
  head.merge(ab, b, std::vector<Index>{2, 0});
  head.fit(exec, ab);
  CHECK(ab.ridge() == std::max(a.ridge(), b.ridge()));
  CHECK(ab.counts() == std::vector<Index>{a.counts()[0] + b.counts()[1], a.counts()[1], b.counts()[0]});
  RidgeHead<>::State ba = b;
  head.admit(ba, 3);
  head.merge(ba, a, std::vector<Index>{1, 2});
  head.fit(exec, ba);
  CHECK(ba.ridge() == ab.ridge());
  CHECK(relative_difference(ba.weights().cview()[0], ab.weights().cview()[2]) <= tolerance<double>(Kind::routes));
}

TEST_CASE("repeating all data k times with k times the ridge leaves the weights") {
  Host const exec{.threads = 2};
  Lesson const lesson = clouds(150, 10, 3, 56);
  RidgeHead<>::State once;
  teach(exec, RidgeHead<>{.projection = 120, .ridge = 2.0}, once, lesson, 3);
  RidgeHead<> const five_times{.projection = 120, .ridge = 10.0};
  RidgeHead<>::State repeated;
  for (int k = 0; k < 5; ++k) { teach(exec, five_times, repeated, lesson, 3); }
  CHECK(repeated.samples() == 750);
  CHECK(relative_difference(repeated.weights(), once.weights()) <= tolerance<double>(Kind::routes));
}

TEST_CASE("under a huge ridge the class sums decide, not the class means") {
  Host const exec;
  Lesson const lesson = clouds(300, 10, 4, 57);
  RidgeHead<> const head{.projection = 64, .ridge = 1e16};
  RidgeHead<>::State state;
  teach(exec, head, state, lesson, 4);
  auto const h = accrete::detail::mapped(exec, RidgeHead<>::State(state).outputs() == 64 ? RandomProjection(10, 64, head.seed) : RandomProjection(), lesson.features.view());
  auto const by_sums = naive_product(h, transposed(state.sums()));
  Matrix<float> want(by_sums.shape());
  std::transform(by_sums.begin(), by_sums.end(), want.begin(), [](double s) { return static_cast<float>(s); });
  CHECK(answers(scores_of(exec, head, state, lesson.features)) == answers(want));
}

TEST_CASE("unbalanced classes enter with their sums") {
  Host const exec;
  Plain const head{.ridge = 1.0};
  Plain::State state;
  teach(exec, head, state, {matrix(4, 1, {1, 1, 1, 2}), {0, 0, 0, 1}}, 2);
  CHECK(state.weights()(0, 0) == doctest::Approx(3.0 / 8.0).epsilon(tolerance<double>(Kind::elementwise)));
  CHECK(state.weights()(1, 0) == doctest::Approx(2.0 / 8.0).epsilon(tolerance<double>(Kind::elementwise)));
}

TEST_CASE("without a projection negative features are not rectified") {
  Host const exec;
  Plain const head{.ridge = 1.0};
  Plain::State state;
  teach(exec, head, state, {matrix(2, 1, {-3, 1}), {0, 1}}, 2);
  CHECK(state.weights()(0, 0) == doctest::Approx(-3.0 / 11.0).epsilon(tolerance<double>(Kind::elementwise)));
}

TEST_CASE_TEMPLATE("three tasks of the reference: sums, weights and both scores", Exec, ACCRETE_HOST_EXECUTORS) {
  auto const file = golden("ridge");
  GivenMap::weights = file.template read<float, 2>("projection");
  auto const queries = file.template read<float, 2>("queries");
  std::vector<double> const chosen{100.0, 100.0, 1000.0};
  typename RidgeHead<GivenMap>::State state;
  for (int t = 0; t < 3; ++t) {
    std::string const task = message("task", t, ".");
    auto const labels = file.template read<Index, 1>(task + "labels");
    RidgeHead<GivenMap> const linear{.ridge = chosen[static_cast<std::size_t>(t)]};
    RidgeHead<GivenMap> const cosine{.ridge = linear.ridge, .score = RidgeScore::cosine};
    teach(Exec{}, linear, state, {file.template read<float, 2>(task + "features"), {labels.begin(), labels.end()}}, 3 * (t + 1));
    CHECK(relative_difference(dense(state.gram()), file.template read<double, 2>(task + "gram")) <= tolerance<float>(Kind::elementwise));
    CHECK(relative_difference(transposed(state.sums()), file.template read<double, 2>(task + "class_sums")) <= tolerance<float>(Kind::elementwise));
    CHECK(relative_difference(transposed(state.weights()), file.template read<double, 2>(task + "weights")) <= tolerance<float>(Kind::routes));
    CHECK(relative_difference(scores_of(Exec{}, linear, state, queries), file.template read<double, 2>(task + "linear_scores")) <= tolerance<float>(Kind::routes));
    CHECK(relative_difference(scores_of(Exec{}, cosine, state, queries), file.template read<double, 2>(task + "cosine_scores")) <= tolerance<float>(Kind::routes));
  }
}

TEST_CASE("forgetting a class equals never having learned it") {
  Host const exec{.threads = 2};
  Lesson const lesson = clouds(700, 12, 5, 58);
  for (bool const keep : {false, true}) {
    RidgeHead<> const head{.projection = 150, .ridge = 100.0, .keep_features = keep};
    for (Index const column : {0, 2, 4}) {
      RidgeHead<>::State state;
      teach(exec, head, state, lesson.range(0, 350), 5);
      teach(exec, head, state, lesson.range(350, 350), 5);
      auto const given = lesson.of_class(column).shuffled(2).features;
      head.forget(exec, state, column, keep ? MatrixView<float const>() : given.view());
      head.fit(exec, state);
      RidgeHead<>::State never;
      teach(exec, head, never, lesson.without_class(column), 4);
      CHECK(state.counts() == never.counts());
      CHECK(state.samples() == never.samples());
      CHECK(relative_difference(state.gram().storage(), never.gram().storage()) <= tolerance<double>(Kind::forgetting));
      CHECK(relative_difference(state.weights(), never.weights()) <= tolerance<double>(Kind::forgetting));
    }
  }
}

TEST_CASE("a first task of fewer samples than outputs is solved by inner products, and a later solve of the same sums agrees") {
  Host const exec{.threads = 2};
  Lesson const lesson = clouds(120, 12, 4, 68);
  RidgeHead<> const head{.projection = 300};
  RidgeHead<>::State first;
  teach(exec, head, first, lesson, 4);
  CHECK(first.report().by_inner_products);
  CHECK(first.report().solution.residual <= kernels::RidgeSolution::largest_residual);
  RidgeHead<>::State again = first;
  head.fit(exec, again);  // no new samples: the ridge is kept and the sums are factored
  CHECK_FALSE(again.report().by_inner_products);
  CHECK(again.ridge() == first.ridge());
  CHECK(relative_difference(again.weights(), first.weights()) <= tolerance<double>(Kind::routes));
}

TEST_CASE("the ridge stays when a class is forgotten") {
  Host const exec;
  Lesson const lesson = clouds(300, 12, 3, 59);
  RidgeHead<> const head{.projection = 100};
  RidgeHead<>::State state;
  teach(exec, head, state, lesson, 3);
  double const before = state.ridge();
  head.forget(exec, state, 1, lesson.of_class(1).features.view());
  head.fit(exec, state);
  CHECK(state.ridge() == before);
  CHECK(state.report().chosen_by == "kept");
}

TEST_CASE("a class is forgotten before its task is fitted, and the last class leaves nothing") {
  Host const exec;
  Lesson const lesson = clouds(80, 6, 2, 60);
  RidgeHead<> const head{.projection = 40};
  RidgeHead<>::State state;
  head.admit(state, 2);
  head.observe(exec, state, lesson.features.view(), lesson.columns);
  head.forget(exec, state, 0, lesson.of_class(0).features.view());
  head.fit(exec, state);
  CHECK(state.report().task_samples == lesson.of_class(1).size());
  CHECK(state.counts() == std::vector<Index>{lesson.of_class(1).size()});
  head.forget(exec, state, 0, lesson.of_class(1).features.view());
  head.fit(exec, state);
  CHECK(head.classes(state) == 0);
  CHECK(std::all_of(state.gram().storage().begin(), state.gram().storage().end(), [](double g) { return g == 0.0; }));
  teach(exec, head, state, lesson, 2);
  CHECK(state.samples() == 80);
}

TEST_CASE("one image is enough, a class may come again, and few samples keep the ridge") {
  Host const exec;
  Lesson const lesson = clouds(100, 8, 3, 61);
  RidgeHead<> const head{.projection = 60};
  RidgeHead<>::State state;
  teach(exec, head, state, lesson.of_class(0).range(0, 1), 1);
  CHECK(state.report().chosen_by == "gcv");
  CHECK(scores_of(exec, head, state, lesson.features).extent(1) == 1);
  teach(exec, head, state, lesson, 3);
  CHECK(state.report().chosen_by == "holdout");
  CHECK(state.counts()[0] == lesson.of_class(0).size() + 1);
  double const before = state.ridge();
  teach(exec, head, state, lesson.of_class(1).range(0, 1), 4);
  CHECK(state.report().chosen_by == "kept");
  CHECK(state.ridge() == before);
  CHECK(head.notes(state).front() == message("ridge ", before, " (kept)"));
}

TEST_CASE("an empty task changes nothing but the number of classes") {
  Host const exec;
  Lesson const lesson = clouds(100, 8, 2, 62);
  RidgeHead<> const head{.projection = 60};
  RidgeHead<>::State state;
  teach(exec, head, state, lesson, 2);
  RidgeHead<>::State more = state;
  teach(exec, head, more, lesson.range(0, 0), 3);
  CHECK(same_bits(more.weights().cview().slice(0, 2), state.weights().cview()));
  auto const scores = scores_of(exec, head, more, lesson.features);
  CHECK(std::all_of(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); }));
}

TEST_CASE_TEMPLATE("a feature's scores depend on that feature alone", Exec, ACCRETE_HOST_EXECUTORS) {
  Lesson const lesson = clouds(300, 24, 5, 63);
  for (auto const score : {RidgeScore::linear, RidgeScore::cosine}) {
    RidgeHead<> const head{.projection = 700, .score = score};
    typename RidgeHead<>::State state;
    teach(Exec{.threads = 2}, head, state, lesson, 5);
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

TEST_CASE("every criterion chooses a ridge that learns") {
  Host const exec{.threads = 2};
  Lesson const lesson = clouds(400, 16, 4, 64);
  for (auto const selection : {RidgeSelection::holdout, RidgeSelection::gcv, RidgeSelection::loo, RidgeSelection::prospective_loo}) {
    RidgeHead<> const head{.projection = 200, .selection = selection, .selection_samples = 250};
    RidgeHead<>::State state;
    teach(exec, head, state, lesson, 4);
    CHECK(state.report().chosen_by == name_of(selection));
    auto const got = answers(scores_of(exec, head, state, lesson.features));
    Index right = 0;
    for (std::size_t i = 0; i < got.size(); ++i) { right += got[i] == lesson.columns[i] ? 1 : 0; }
    CHECK(right > 360);
    CHECK((selection == RidgeSelection::gcv) == (state.report().selection_samples == 0));
    if (selection == RidgeSelection::holdout) { CHECK(head.notes(state)[1] == "the ridge was chosen by 250 of 400 samples"); }
  }
}

TEST_CASE("a ridge too small for float64 is raised, and that is said") {
  Host const exec;
  Lesson const lesson = clouds(20, 8, 2, 65);
  RidgeHead<> const head{.projection = 100, .ridge = 1e-12};
  RidgeHead<>::State state;
  teach(exec, head, state, lesson, 2);
  CHECK(state.report().chosen == 1e-12);
  CHECK(state.report().ridge > 1e-12);
  CHECK(state.ridge() == state.report().ridge);
  CHECK(head.notes(state).back().find("could not be solved with") != std::string::npos);
}

TEST_CASE("a state goes through a file bit for bit, also between observe and fit") {
  Host const exec;
  Lesson const lesson = clouds(700, 8, 3, 66);
  RidgeHead<> const head{.projection = 80, .keep_features = true};
  RidgeHead<>::State state;
  CHECK(head.classes(through_file(head, state)) == 0);
  head.admit(state, 3);
  head.observe(exec, state, lesson.features.view(), lesson.columns);
  RidgeHead<>::State resumed = through_file(head, state);
  head.fit(exec, state);
  head.fit(exec, resumed);
  CHECK(same_model(resumed, state));
  resumed = through_file(head, state);
  CHECK(same_model(resumed, state));
  CHECK(same_bits(scores_of(exec, head, resumed, lesson.features), scores_of(exec, head, state, lesson.features)));
  head.forget(exec, resumed, 2, {});
  head.forget(exec, state, 2, {});
  CHECK(same_sums(resumed, state));
  teach(exec, head, state, lesson, 3);  // the split of the next task is that of a run without a stop
  teach(exec, head, resumed, lesson, 3);
  CHECK(same_model(resumed, state));
}

TEST_CASE("what does not fit is refused and changes nothing") {
  Host const exec;
  Lesson const lesson = clouds(60, 8, 2, 67);
  RidgeHead<> const head{.projection = 40};
  RidgeHead<>::State state;
  Matrix<float> scores({60, 2});
  head.admit(state, 2);
  CHECK_THROWS_AS(head.scores(exec, state, lesson.features.view(), scores.view()), ValueError);
  teach(exec, head, state, lesson, 2);
  RidgeHead<>::State const before = state;
  std::vector<Index> const zero{0};
  Matrix<float> row = lesson.range(0, 1).features;
  CHECK_THROWS_AS(head.observe(exec, state, row.view(), std::vector<Index>{2}), ShapeError);
  CHECK_THROWS_AS(head.observe(exec, state, Matrix<float>::zeros({1, 9}).view(), zero), ShapeError);
  row(0, 3) = std::nanf("");
  CHECK_THROWS_WITH_AS(head.observe(exec, state, row.view(), zero), "RidgeHead::observe: row 0 of the features holds a number that is not finite", ValueError);
  CHECK_THROWS_AS((RidgeHead<>{.ridge = 0.0}.fit(exec, state)), ValueError);
  CHECK_THROWS_AS((RidgeHead<>{.ridge = std::nan("")}.observe(exec, state, lesson.features.view(), lesson.columns)), ValueError);

  CHECK_THROWS_WITH_AS(head.forget(exec, state, 1, {}),
                       message("RidgeHead::forget: the ", state.counts()[1], " features the class was learned from are needed, since the model did not keep them").c_str(), ValueError);
  CHECK_THROWS_AS(head.forget(exec, state, 2, {}), ShapeError);
  CHECK_THROWS_AS(head.forget(exec, state, 1, lesson.of_class(1).features.cview().slice(0, 1)), ShapeError);
  Matrix<float> others = lesson.of_class(1).features;
  others(0, 0) += 1.0F;
  CHECK_THROWS_AS(head.forget(exec, state, 1, others.view()), ValueError);

  RidgeHead<> const another{.projection = 40, .seed = 2};
  RidgeHead<>::State of_another;
  teach(exec, another, of_another, lesson, 2);
  CHECK_THROWS_AS(head.merge(state, of_another, std::vector<Index>{0, 1}), ValueError);
  CHECK_THROWS_AS(head.merge(state, before, std::vector<Index>{0, 0}), ShapeError);
  RidgeHead<>::State waiting;
  head.admit(waiting, 2);
  head.observe(exec, waiting, lesson.features.view(), lesson.columns);
  CHECK_THROWS_AS(head.merge(state, waiting, std::vector<Index>{0, 1}), ValueError);
  CHECK(same_model(state, before));

  TemporaryFolder const folder;
  ModelWriter writer("ridge test");
  head.write(state, writer);
  writer.write(folder / "m.safetensors");
  RidgeHead<>::State read;
  CHECK_THROWS_AS((RidgeHead<>{.projection = 41}.read(read, ModelReader::open(folder / "m.safetensors"))), FileError);
  CHECK(head.classes(read) == 0);
}

TEST_CASE("settings are read from text and written back") {
  RidgeHead<> head;
  auto const settings = RidgeHead<>::settings();
  assign_setting(settings, head, "projection", "500");
  assign_setting(settings, head, "ridge", "0.25");
  assign_setting(settings, head, "selection", "loo");
  assign_setting(settings, head, "score", "cosine");
  CHECK(head.projection == 500);
  CHECK(*head.ridge == 0.25);
  CHECK(head.selection == RidgeSelection::loo);
  CHECK(head.score == RidgeScore::cosine);
  RidgeHead<> copy;
  for (auto const& setting : settings) { setting.assign(copy, setting.text(head)); }
  for (auto const& setting : settings) { CHECK(setting.text(copy) == setting.text(head)); }
  assign_setting(settings, head, "ridge", "auto");
  CHECK_FALSE(head.ridge);
  CHECK_THROWS_AS(assign_setting(settings, head, "ridge", "-1"), ValueError);
  CHECK_THROWS_AS(assign_setting(settings, head, "projektion", "1"), ValueError);
  for (auto const& setting : Plain::settings()) { CHECK(setting.name != "projection"); }
}

}  // namespace accrete::test::ridge_test
