#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/head_data.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/head/cosine.hpp>
#include <accrete/head/task_voting.hpp>
#include <accrete/io/model_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

namespace accrete::test::task_voting_test {

namespace {

using Head = TaskVotingHead<>;
Index const width = 12;
HostExecutor<> const exec{.threads = 2};

/// Three tasks of 4, 2 and 3 classes, with temperatures given.
template <class H = Head>
typename H::State taught(std::vector<double> temperatures = {0.001, 0.5, 0.9}, H const& head = {}) {
  typename H::State state;
  Index first = 0;
  Index task = 0;
  for (Index const classes : {4, 2, 3}) {
    head.admit(state, {.index = task++, .first_class = first, .classes = classes}, width);
    first += classes;
  }
  for (float& value : state.parameters().values()) { value *= 40.0F; }                   // far enough apart that temperatures disagree
  const_cast<EnergyVote::State&>(state.votes()).temperatures = std::move(temperatures);  // NOLINT(cppcoreguidelines-pro-type-const-cast): as if chosen
  return state;
}

std::vector<Index> const task_of{0, 0, 0, 0, 1, 1, 2, 2, 2};
std::vector<Index> const first_of{0, 4, 6};
std::vector<Index> const classes_of{4, 2, 3};

Matrix<float> scores_of_all(Head::State const& state, Matrix<float> const& features) {
  Matrix<float> scores({features.extent(0), 9});
  Head{}.scores(exec, state, features.view(), scores.view());
  return scores;
}

/// The logits of one task's classifier on its own part, from the definition.
std::vector<float> logits_of(Head::State const& state, Matrix<float> const& features, Index row, Index task, Index part) {
  auto const weight = state.parameters().view<2>(HeadBlock::weight_name(task));
  auto const bias = state.parameters().view<1>(HeadBlock::bias_name(task));
  std::vector<float> z;
  for (Index c = 0; c < weight.extent(0); ++c) {
    double sum = static_cast<double>(bias[c]);
    for (Index j = 0; j < width; ++j) { sum += static_cast<double>(weight(c, j)) * static_cast<double>(features(row, part * width + j)); }
    z.push_back(static_cast<float>(sum));
  }
  return z;
}

Index best(VectorView<float const> row) { return std::max_element(row.begin(), row.end()) - row.begin(); }

/// What the pseudocode of the specification answers.
Index answer(Head::State const& state, Matrix<float> const& features, Index row, bool one_part) {
  std::vector<std::vector<float>> z;
  for (Index t = 0; t < 3; ++t) { z.push_back(logits_of(state, features, row, t, one_part ? 0 : t)); }
  auto const& list = state.votes().temperatures;
  std::vector<Index> votes(3, 0);
  for (double const temperature : std::set<double>(list.begin(), list.end())) {
    std::vector<double> energies;
    for (auto const& logits : z) { energies.push_back(EnergyVote::energy({logits.data(), {static_cast<Index>(logits.size())}}, temperature)); }
    ++votes[static_cast<std::size_t>(std::max_element(energies.begin(), energies.end()) - energies.begin())];
  }
  auto const task = static_cast<std::size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
  return first_of[task] + (std::max_element(z[task].begin(), z[task].end()) - z[task].begin());
}

}  // namespace

TEST_CASE("the best class is that of the task that the temperatures vote for, whether features are in parts or one for all") {
  for (Index const parts : {3, 1}) {
    for (auto const& state : {taught(), taught({0.001, 1.0, 1.0})}) {  // two temperatures tie
      auto const features = random_matrix<float>(200, parts * width, 5);
      auto const scores = scores_of_all(state, features);
      std::set<Index> tasks;
      for (Index i = 0; i < 200; ++i) {
        CAPTURE(i);
        CHECK(best(scores.cview()[i]) == answer(state, features, i, parts == 1));
        tasks.insert(task_of[static_cast<std::size_t>(best(scores.cview()[i]))]);
      }
      CHECK(tasks.size() == 3);
    }
  }
}

TEST_CASE("tasks stand one behind the other, and inside of each a softmax") {
  auto const state = taught();
  auto const features = random_matrix<float>(20, 3 * width, 6);
  auto const scores = scores_of_all(state, features);
  for (Index i = 0; i < 20; ++i) {
    std::set<Index> places;
    for (std::size_t t = 0; t < 3; ++t) {
      auto const own = scores.cview()[i].slice(first_of[t], classes_of[t]);
      double const sum = std::accumulate(own.begin(), own.end(), 0.0);
      double const place = (1.0 - sum) / static_cast<double>(classes_of[t]);
      places.insert(static_cast<Index>(std::lround(place)));
      CHECK(std::abs(place - std::round(place)) <= 1e-6);
    }
    CHECK(places == std::set<Index>{0, 1, 2});
  }
}

TEST_CASE("a temperature that was chosen twice counts once, and one task is a plain classifier") {
  auto const features = random_matrix<float>(100, 3 * width, 7);
  CHECK(same_bits(scores_of_all(taught({0.001, 0.5, 0.9, 0.9, 0.9}), features), scores_of_all(taught(), features)));
  for (double const temperature : {0.001, 1.0}) {
    Head::State state;
    Head{}.admit(state, {.index = 0, .first_class = 0, .classes = 5}, width);
    const_cast<EnergyVote::State&>(state.votes()).temperatures = {temperature};  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    auto const one = random_matrix<float>(50, width, 8);
    Matrix<float> scores({50, 5});
    Matrix<float> logits({50, 5});
    Head{}.scores(exec, state, one.view(), scores.view());
    LinearHead{}.scores(exec, state.rows(), one.view(), logits.view());
    for (Index i = 0; i < 50; ++i) { CHECK(best(scores.cview()[i]) == best(logits.cview()[i])); }
  }
}

TEST_CASE("the newest task takes the temperature that recognises most of its samples; older ones keep theirs") {
  Head const head;
  auto state = taught({0.001, 0.5, 0.001});
  auto const features = random_matrix<float>(60, 3 * width, 15);
  auto const before = state.parameters();
  head.observe(exec, state, features.view().slice(0, 25), std::vector<Index>(25, 7));
  head.observe(exec, state, features.view().slice(25, 35), std::vector<Index>(35, 6));
  head.fit(exec, state);
  std::vector<Index> recognised;
  for (double const temperature : EnergyVote::candidates) {
    Index count = 0;
    auto const single = taught({temperature});
    for (Index i = 0; i < 60; ++i) { count += answer(single, features, i, false) >= 6 ? 1 : 0; }
    recognised.push_back(count);
  }
  auto const most = static_cast<std::size_t>(std::max_element(recognised.begin(), recognised.end()) - recognised.begin());
  CHECK(state.votes().recognised == recognised);
  CHECK(state.votes().temperatures == std::vector<double>{0.001, 0.5, EnergyVote::candidates[most]});
  CHECK(most > 0);
  CHECK(state.parameters() == before);
  CHECK_THROWS_AS(head.observe(exec, state, features.view(), std::vector<Index>(60, 5)), ValueError);  // of the second task
}

TEST_CASE("scores of a sample do not depend on the others or on the number of threads") {
  auto const state = taught();
  auto const features = random_matrix<float>(40, 3 * width, 10);
  auto const all = scores_of_all(state, features);
  for (Index i = 0; i < 40; ++i) {
    Matrix<float> alone({1, 9});
    Head{}.scores(HostExecutor<>{.threads = 1}, state, features.view().slice(i, 1), alone.view());
    CHECK(same_bits(alone.cview()[0], all.cview()[i]));
  }
}

TEST_CASE("gradients are those of the head, and rows of earlier tasks stand still") {
  auto store = in_double(taught().parameters());
  CHECK(store.trainable().size() == 2);  // weight and bias of the newest
  CHECK(gradient_error(exec, Head{}, store, random_matrix<double>(5, width, 2), 9) <= tolerance<double>(Kind::loss_differences));
}

TEST_CASE("a head that shares a scale among its blocks votes as well") {
  using Cosine = TaskVotingHead<CosineHead>;
  auto const state = taught<Cosine>();
  auto const features = random_matrix<float>(10, 3 * width, 11);
  Matrix<float> scores({10, 9});
  Cosine{}.scores(exec, state, features.view(), scores.view());
  for (Index i = 0; i < 10; ++i) { CHECK(*std::max_element(scores.cview()[i].begin(), scores.cview()[i].end()) > 0.0F); }
}

TEST_CASE("features that are neither of one task nor of all are refused") {
  auto const state = taught();
  Matrix<float> scores({2, 9});
  CHECK_THROWS_AS(Head{}.scores(exec, state, random_matrix<float>(2, 2 * width, 1).view(), scores.view()), ShapeError);
  CHECK_THROWS_AS(Head{}.scores(exec, state, random_matrix<float>(2, 3 * width + 1, 1).view(), scores.view()), ShapeError);
  CHECK_THROWS_AS(Head{}.scores(exec, {}, random_matrix<float>(2, width, 1).view(), scores.view()), ValueError);
}

TEST_CASE("rows and temperatures go through a model file; a file without one temperature per task is refused") {
  TemporaryFolder const folder;
  auto const write = [&](Head::State const& state) {
    ModelWriter writer("head");
    Head{}.write(state, writer);
    writer.write(folder / "head");
  };
  auto const state = taught();
  write(state);
  Head::State read;
  Head{}.read(read, ModelReader::open(folder / "head", "head"));
  CHECK(read.parameters() == state.parameters());
  CHECK(read.votes().temperatures == state.votes().temperatures);
  CHECK(read.votes().recognised == state.votes().recognised);
  write(taught({0.001, 0.5}));
  CHECK_THROWS_AS(Head{}.read(read, ModelReader::open(folder / "head", "head")), FileError);
  write(taught({0.001, 0.5, -1.0}));
  CHECK_THROWS_AS(Head{}.read(read, ModelReader::open(folder / "head", "head")), FileError);
  CHECK(read.parameters() == state.parameters());
}

}  // namespace accrete::test::task_voting_test
