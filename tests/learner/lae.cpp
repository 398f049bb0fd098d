#include "mixture_methods.hpp"
#include "support/compare.hpp"
#include "support/tolerances.hpp"

#include <accrete/data/feature_cache.hpp>
#include <accrete/prompt/key_query.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace accrete::test::lae_test {

namespace {

HostExecutor<> const exec{.threads = 2};

/// What learns: of the network, or of the prompt in front of it.
template <class Learner>
[[nodiscard]] ParameterStore<float> const& module_of(Learner const& learner) {
  if constexpr (std::is_same_v<std::remove_cvref_t<decltype(learner.prompt())>, NoPrompt>) {
    return learner.backbone().parameters();
  } else {
    return learner.prompt_state().parameters();
  }
}

/// The features of network 0 (what learns) or 1 (its average).
[[nodiscard]] Matrix<float> of_network(Matrix<float> const& features, Index width, Index network) {
  Matrix<float> own({features.extent(0), width});
  for (Index i = 0; i < own.extent(0); ++i) { std::copy_n(features.data() + i * features.extent(1) + network * width, width, own.view()[i].begin()); }
  return own;
}

template <class Learner>
[[nodiscard]] Matrix<float> features_of(Learner const& learner) {
  return learner.features(exec, unseen_pictures()).features;
}

}  // namespace

TEST_CASE_TEMPLATE("LAE: one network answers after the first task, and from the second on its average beside it", Method, ACCRETE_AVERAGING_METHODS) {
  auto learner = mixture_learner<Method>();
  learner.observe(exec, first_task());
  Index const width = learner.backbone().width();
  auto const first = features_of(learner);
  CHECK(first.extent(1) == width);

  learner.observe(exec, second_task());
  auto const both = features_of(learner);
  REQUIRE(both.extent(1) == 2 * width);
  auto const learned = of_network(both, width, 0);
  auto const averaged = of_network(both, width, 1);
  double const apart = relative_difference(averaged, learned);
  CHECK(apart > 1e-4);
  CHECK(apart < relative_difference(first, learned));  // the average is on its way

  // The vote: the larger of the two logarithms of probability.
  auto const scores = learner.predict(exec, unseen_pictures()).scores;
  auto const logits_of = [&](Matrix<float> const& features) {
    Matrix<float> logits(scores.shape());
    learner.head().head.scores(exec, learner.head_state(), features.cview(), logits.view());
    return logits;
  };
  auto const one = logits_of(learned);
  auto const other = logits_of(averaged);
  for (Index i = 0; i < scores.extent(0); ++i) {
    for (Index c = 0; c < scores.extent(1); ++c) {
      auto const logarithm = [&](Matrix<float> const& z) {
        double sum = 0;
        for (float const value : z.view()[i]) { sum += std::exp(static_cast<double>(value)); }
        return static_cast<double>(z(i, c)) - std::log(sum);
      };
      CHECK(static_cast<double>(scores(i, c)) == doctest::Approx(std::max(logarithm(one), logarithm(other))).epsilon(1e-5));
    }
  }

  // Pictures are read once for both.
  std::vector<Index> done;
  Reading watched{.batch = 4};
  watched.progress = [&](Index count, Index /*total*/) { done.push_back(count); };
  CHECK(same_bits(learner.features(exec, unseen_pictures(), watched).features, both));
  CHECK(std::is_sorted(done.begin(), done.end(), std::less_equal<>()));
  CHECK(done.back() == both.extent(0));

  // Preprocessed pictures are heard by both as well.
  Examples const pictures = unseen_pictures();
  Loader loader(pictures, learner.backbone().preprocessing(), {.batch = pictures.size()});
  Batch batch;
  REQUIRE(loader.next(batch));
  CHECK(same_bits(learner.predict(exec, batch.images.cview()).scores, scores));

  // Hits are counted by name: none of these classes is where the learner has it.
  Examples const shuffled = striped_pictures({"bee", "elk", "dog", "ant", "cat"}, 4, 9);
  auto const answers = learner.predict(exec, shuffled).scores;
  std::vector<Index> right;
  for (Index i = 0; i < shuffled.size(); ++i) {
    auto const row = answers.view()[i];
    std::string const& chosen = learner.classes().name(std::max_element(row.begin(), row.end()) - row.begin());
    if (chosen == shuffled.class_names()[static_cast<std::size_t>(shuffled.label(i))]) { right.push_back(i); }
  }
  REQUIRE(!right.empty());
  CHECK(learner.evaluate(exec, shuffled.subset(right)) == 100.0);
}

TEST_CASE("a prompt that asks for queries and its average answer side by side, with queries that are computed or remembered") {
  using Averaged = Learner<Vit<>, GeneralExpertPrompt<>, VotingHead<LinearHead, MaxProbability>, RunningEma<OfPrompt>, GradientProtocol<Trains::every_task, Competing::of_task>>;
  GeneralExpertPrompt<> prompt{.pool = 2};
  prompt.placement = {.length = 2, .first = 1, .blocks = 1};
  prompt.general.placement = {.length = 2, .first = 0, .blocks = 1};
  GradientProtocol<Trains::every_task, Competing::of_task> protocol;
  protocol.training.epochs = 2;
  protocol.training.rate = 0.05;
  protocol.training.batch = 5;
  Averaged learner(small_vit(), prompt, {}, {.decay = 0.8}, protocol);
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());

  Examples const pictures = unseen_pictures();
  Loader loader(pictures, learner.backbone().preprocessing(), {.batch = pictures.size()});
  Batch batch;
  REQUIRE(loader.next(batch));
  Index const width = learner.backbone().width();
  auto const both = features_of(learner);
  REQUIRE(both.extent(1) == 2 * width);
  auto const learned = of_network(both, width, 0);
  CHECK(same_bits(learned, Prompted(learner.backbone(), learner.prompt(), learner.prompt_state()).features(exec, batch.images.cview())));
  CHECK(!same_bits(of_network(both, width, 1), learned));
  CHECK(same_bits(learner.predict(exec, batch.images.cview()).scores, learner.predict(exec, pictures).scores));

  FeatureCache queries;
  Reading remembering;
  remembering.cache = &queries;
  for (int pass = 0; pass < 2; ++pass) { CHECK(same_bits(learner.features(exec, pictures, remembering).features, both)); }
}

TEST_CASE_TEMPLATE("LAE: an average that keeps everything is what the first task ended with, one that keeps nothing is what learns", Method, ACCRETE_AVERAGING_METHODS) {
  Index const width = small_vit().width();
  auto const learned_with = [&](double decay) {
    auto settings = mixture_settings<Method>();
    settings.merge.decay = decay;
    auto learner = Method::compose(small_vit(), settings, 5);
    learner.observe(exec, first_task());
    auto const before = features_of(learner);
    learner.observe(exec, second_task());
    return std::pair{before, features_of(learner)};
  };
  auto const [kept_before, kept] = learned_with(1.0);
  CHECK(same_bits(of_network(kept, width, 1), kept_before));
  CHECK(!same_bits(of_network(kept, width, 0), kept_before));
  auto const [unused, followed] = learned_with(0.0);
  CHECK(relative_difference(of_network(followed, width, 1), of_network(followed, width, 0)) < 1e-5);
}

TEST_CASE_TEMPLATE("LAE: the module stands still in the frozen epochs of later tasks, and learns in all of the first", Method, ACCRETE_AVERAGING_METHODS) {
  auto settings = mixture_settings<Method>();
  settings.protocol.training.frozen_epochs = settings.protocol.training.epochs;
  auto learner = Method::compose(small_vit(), settings, 5);
  auto const begun = module_of(learner);
  learner.observe(exec, first_task());
  auto const after_first = module_of(learner);
  CHECK(!(after_first == begun));
  learner.observe(exec, second_task());
  CHECK(module_of(learner) == after_first);
  settings.protocol.training.epochs = 0;
  auto resting = Method::compose(small_vit(), settings, 5);
  resting.observe(exec, first_task());
  resting.observe(exec, second_task());
  auto const rows = [](auto const& of) { return of.head_state().parameters().template view<2>(HeadBlock::weight_name(1)); };
  CHECK(!std::equal(rows(learner).begin(), rows(learner).end(), rows(resting).begin()));  // the head has learned

  settings.protocol.training.epochs = settings.protocol.training.frozen_epochs;
  settings.protocol.training.frozen_epochs = 1;
  auto other = Method::compose(small_vit(), settings, 5);
  other.observe(exec, first_task());
  CHECK(module_of(other) == after_first);
  other.observe(exec, second_task());
  CHECK(!(module_of(other) == after_first));
}

TEST_CASE_TEMPLATE("LAE: the average follows behind every step, while the module stands still as well", Method, ACCRETE_AVERAGING_METHODS) {
  TemporaryFolder const folder;
  auto const settings = mixture_settings<Method>();
  auto learner = Method::compose(small_vit(), settings, 5);
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  learner.save(folder / "model");
  auto const before = ParameterStore<float>::read(ModelReader::open(folder / "model").scope("merge"));
  auto const module = module_of(learner);
  int steps = 0;
  TrainingCheckpoint const checkpoint{.file = folder / "stopped", .every_seconds = 1e9, .every_steps = 0, .stop = [&] { return ++steps == 2; }};
  CHECK_THROWS_AS(learner.observe(exec, striped_pictures({"fox"}, 10, 3), {}, {.progress = {}, .checkpoint = &checkpoint}), Interrupted);  // behind the frozen epoch
  auto const after = ParameterStore<float>::read(ModelReader::open(folder / "stopped").scope("merge"));
  Vector<double> want({before.values().size()});
  double const left = settings.merge.decay * settings.merge.decay;
  for (Index i = 0; i < want.size(); ++i) { want(i) = left * static_cast<double>(before.values()[i]) + (1.0 - left) * static_cast<double>(module.values()[i]); }
  CHECK(relative_difference(after.values(), want) <= tolerance<float>(Kind::elementwise));
  CHECK(!(after == before));
}

TEST_CASE_TEMPLATE("LAE: behind the frozen epochs the module learns with fresh moments", Method, ACCRETE_AVERAGING_METHODS) {
  auto settings = mixture_settings<Method>();
  settings.protocol.training.batch = 100;  // one step in an epoch
  auto learner = Method::compose(small_vit(), settings, 5);
  learner.observe(exec, first_task());
  auto const before = module_of(learner);
  learner.observe(exec, second_task());
  double most = 0.0;
  for (Index i = 0; i < before.values().size(); ++i) { most = std::max(most, std::abs(static_cast<double>(module_of(learner).values()[i]) - static_cast<double>(before.values()[i]))); }
  double const rate = settings.protocol.training.rate;  // the first step of Adam is as long; a second one behind a gradient of zero is 0.744 of it
  CHECK(std::abs(most - rate) <= rate * tolerance<float>(Kind::training));
}

TEST_CASE_TEMPLATE("LAE: settings by data set", Method, ACCRETE_AVERAGING_METHODS) {
  auto const cifar = published_for(Method::published(), "cifar100");
  auto const& training = cifar.protocol.training;
  CHECK(training.epochs == 5);
  CHECK(training.frozen_epochs == 3);
  CHECK(training.rate == 0.03 * 24 / 256);
  CHECK(training.batch == 24);
  CHECK(training.drop_last);
  CHECK(training.curve == RateCurve::constant);
  CHECK(training.weight_decay == 0.0);
  CHECK(cifar.head.head.initial == InitialRows::narrow);
  CHECK(cifar.head.heard == Heard::all);
  CHECK(cifar.merge.decay == 0.9999);
  CHECK(cifar.merge.begins == AverageBegins::second_task);
  auto const renditions = published_for(Method::published(), "imagenet-r");
  CHECK(renditions.protocol.training.epochs == 50);
  CHECK(renditions.protocol.training.frozen_epochs == 30);
  CHECK(renditions.protocol.training.rate == 0.005 * 24 / 256);
  CHECK(Method::template Learner<>::composition().find("classes-of-task") != std::string::npos);
}

TEST_CASE_TEMPLATE("LAE: who is heard is a setting: one network, the other, or both", Method, method::LaeLora) {
  auto const scores_with = [](Heard heard) {
    auto settings = mixture_settings<Method>();
    settings.head.heard = heard;
    auto learner = Method::compose(small_vit(), settings, 5);
    learner.observe(exec, first_task());
    learner.observe(exec, second_task());
    return learner.predict(exec, unseen_pictures()).scores;
  };
  auto const first = scores_with(Heard::first);
  auto const last = scores_with(Heard::last);
  auto const all = scores_with(Heard::all);
  for (Index i = 0; i < all.size(); ++i) { CHECK(all.data()[i] == std::max(first.data()[i], last.data()[i])); }
  CHECK(!same_bits(first, last));
  CHECK(!same_bits(first, all));  // probabilities of either sum to one, so that none is the larger everywhere
  CHECK(!same_bits(last, all));
}

}  // namespace accrete::test::lae_test
