#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/host.hpp>
#include <accrete/train/term/anchor.hpp>
#include <accrete/train/term/feature_distillation.hpp>
#include <accrete/train/term/logit_distillation.hpp>
#include <accrete/train/term/with_terms.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace accrete::test::terms_test {

namespace {

HostExecutor<> const exec{.threads = 2};

using Terms = WithTerms<CrossEntropy, FeatureDistillation, LogitDistillation, Anchor>;
using Held = Learner<Vit<Full>, NoPrompt, LinearHead, NoMerge, GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, Terms>>;
using HeldProbe = Learner<Vit<>, NoPrompt, LinearHead, NoMerge, GradientProtocol<Trains::every_task, Competing::seen, OwnHead, WithTerms<CrossEntropy, LogitDistillation>>>;
using HeldPrompt = Learner<Vit<>, FixedPrompt<Deep>, LinearHead, NoMerge, GradientProtocol<Trains::every_task, Competing::of_task, OwnHead, WithTerms<CrossEntropy, FeatureDistillation>>>;

struct Weights {
  double features = 0.0;
  double logits = 0.0;
  double anchor = 0.0;
};

/// Plain steps of one rate, so that what a weight does to them can be told: weight * rate * curvature must stay below 2.
template <class Protocol>
[[nodiscard]] Protocol plain_steps(Protocol protocol, Index epochs = 2, Index batch = 5) {
  protocol.training.epochs = epochs;
  protocol.training.batch = batch;
  protocol.training.rate = 0.01;
  protocol.training.curve = RateCurve::constant;
  protocol.optimizer.momentum = 0.0;
  return protocol;
}
[[nodiscard]] Held held(Weights const& weights, Index epochs = 2, Index batch = 5) {
  auto chosen = plain_steps(Held(Vit<Full>(small_vit(), {}, {})).protocol(), epochs, batch);
  chosen.loss.terms = {{.weight = weights.features}, {.weight = weights.logits}, {.weight = weights.anchor}};
  return Held(Vit<Full>(small_vit(), {}, {}), {}, {}, {}, chosen);
}

/// Square root of the sum of squared differences.
template <class Left, class Right>
[[nodiscard]] double distance(Left const& left, Right const& right) {
  double squares = 0.0;
  for (Index i = 0; i < left.size(); ++i) { squares += std::pow(static_cast<double>(left.data()[i]) - static_cast<double>(right.data()[i]), 2); }
  return std::sqrt(squares);
}

struct Moved {
  double parameters = 0.0;
  double features = 0.0;
  double answers = 0.0;  ///< differences between the scores of old classes, which a softmax sees
};

/// Scores of the three classes of the first task, less their mean.
template <class Method>
[[nodiscard]] Matrix<float> old_answers(Method const& learner) {
  auto const scores = learner.predict(exec, second_task()).scores;
  Matrix<float> answers({scores.extent(0), 3});
  for (Index i = 0; i < answers.extent(0); ++i) {
    float const mean = (scores(i, 0) + scores(i, 1) + scores(i, 2)) / 3.0F;
    for (Index c = 0; c < 3; ++c) { answers(i, c) = scores(i, c) - mean; }
  }
  return answers;
}

/// How far the second task moves a learner.
[[nodiscard]] Moved moved_by_second(Weights const& weights) {
  auto before = held(weights, 5);
  before.observe(exec, first_task());
  auto after = before;
  after.observe(exec, second_task());
  return {distance(after.backbone().parameters().values(), before.backbone().parameters().values()),
          distance(after.features(exec, second_task()).features, before.features(exec, second_task()).features), distance(old_answers(after), old_answers(before))};
}

}  // namespace

TEST_CASE("terms without weight leave the bits of a learner as they are") {
  auto with = held({});
  Tuned without(Vit<Full>(small_vit(), {}, {}), {}, {}, {}, plain_steps(Tuned(Vit<Full>(small_vit(), {}, {})).protocol()));
  for (Examples const& task : {first_task(), second_task()}) {
    with.observe(exec, task);
    without.observe(exec, task);
  }
  CHECK(with.backbone().parameters() == without.backbone().parameters());
  CHECK(same_bits(with.predict(exec, unseen_pictures()).scores, without.predict(exec, unseen_pictures()).scores));
}

TEST_CASE("each term holds what it is there to hold, as the task began with it") {
  Moved const free = moved_by_second({});
  Moved const tied = moved_by_second({.anchor = 40.0});
  Moved const kept = moved_by_second({.features = 0.1});
  Moved const told = moved_by_second({.logits = 5.0});
  CAPTURE(free.parameters);
  CAPTURE(free.features);
  CAPTURE(free.answers);
  CAPTURE(tied.parameters);
  CAPTURE(kept.features);
  CAPTURE(told.answers);
  CHECK(free.parameters > 0.0);
  CHECK(tied.parameters < 0.5 * free.parameters);
  CHECK(kept.features < 0.5 * free.features);
  CHECK(told.answers < 0.5 * free.answers);
}

TEST_CASE("the loss that is shown has the anchor in it") {
  auto const losses = [&](Weights const& weights, Index epochs) {
    std::vector<double> shown;
    auto learner = held(weights, epochs, 100);  // one step an epoch
    learner.observe(exec, first_task(), {}, {.progress = [&](TrainingProgress const& at) { shown.push_back(at.loss); }, .checkpoint = nullptr});
    return std::pair(shown, distance(learner.backbone().parameters().values(), Vit<Full>(small_vit(), {}, {}).parameters().values()));
  };
  auto const [free, unused] = losses({}, 2);
  auto const [tied, unused_too] = losses({.anchor = 10.0}, 2);
  double const moved = losses({}, 1).second;  // the first step is free of an anchor
  REQUIRE(tied.size() == 2);
  CHECK(tied[0] == free[0]);
  CHECK(std::abs(tied[1] - free[1] - 5.0 * moved * moved) <= 5.0 * moved * moved * tolerance<float>(Kind::sum));
}

TEST_CASE("the teacher of a prompted network has its prompt, as the task began with it") {
  auto const losses = [](double weight) {
    auto chosen = plain_steps(HeldPrompt(small_vit()).protocol(), 2, 100);  // one step an epoch
    chosen.loss.terms = {FeatureDistillation{.weight = weight}};
    HeldPrompt learner(small_vit(), {.length = 3, .initial = PromptInit::xavier}, {}, {}, chosen);
    std::vector<double> shown;
    learner.observe(exec, first_task(), {}, {.progress = [&](TrainingProgress const& at) { shown.push_back(at.loss); }, .checkpoint = nullptr});
    return shown;
  };
  auto const free = losses(0.0);
  auto const kept = losses(0.01);
  REQUIRE(kept.size() == 2);
  double const at_start = kept[0] - free[0];  // two passes of the same values: training's and that at rest
  double const moved = kept[1] - free[1];
  CHECK(at_start >= 0.0);
  CHECK(moved > 0.0);
  CHECK(at_start <= moved * tolerance<float>(Kind::training));
}

TEST_CASE("what is distilled in the first task are features, not answers") {
  auto const learned = [](Weights const& weights) {
    auto learner = held(weights);
    learner.observe(exec, first_task());
    return learner.backbone().parameters();
  };
  auto const free = learned({});
  CHECK(learned({.logits = 5.0}) == free);
  CHECK_FALSE(learned({.features = 0.1}) == free);
}

TEST_CASE("a learner with terms that is interrupted after any step goes on to the same model file") {
  TemporaryFolder const folder;
  auto first = held({.features = 0.1, .logits = 5.0, .anchor = 20.0});
  first.observe(exec, first_task());
  auto whole = first;
  int steps = 0;
  whole.observe(exec, second_task(), {}, {.progress = [&](TrainingProgress const&) { ++steps; }, .checkpoint = nullptr});
  REQUIRE(steps == 4);  // two epochs of two batches
  auto const wanted = model_bytes(whole, folder / "model");
  for (int const stop_after : {1, 3}) {
    CAPTURE(stop_after);
    auto learner = first;
    int done = 0;
    TrainingCheckpoint checkpoint{.file = folder / "stopped", .every_seconds = 1e9, .every_steps = 0, .stop = [&] { return ++done == stop_after; }};
    CHECK_THROWS_AS(learner.observe(exec, second_task(), {}, {.progress = {}, .checkpoint = &checkpoint}), Interrupted);
    checkpoint.stop = nullptr;
    learner.observe(exec, second_task(), {}, {.progress = {}, .checkpoint = &checkpoint});
    CHECK((model_bytes(learner, folder / "model") == wanted));
    std::filesystem::remove(folder / "stopped");
  }
}

TEST_CASE("over features at hand, answers are distilled into old rows that compete") {
  auto const moved = [](double weight) {
    auto chosen = plain_steps(HeldProbe(small_vit()).protocol(), 20);
    chosen.training.rate = 0.005;
    chosen.loss.terms = {LogitDistillation{.weight = weight}};
    HeldProbe before(small_vit(), {}, {}, {}, chosen);
    before.observe(exec, first_task());
    auto after = before;
    after.observe(exec, second_task());
    return distance(old_answers(after), old_answers(before));
  };
  double const free = moved(0.0);
  CHECK(free > 0.0);
  CHECK(moved(8.0) < 0.5 * free);
}

}  // namespace accrete::test::terms_test
