#include "prompt_methods.hpp"
#include "support/compare.hpp"
#include "support/tolerances.hpp"

#include <accrete/data/loader.hpp>
#include <accrete/head/ridge.hpp>
#include <accrete/prompt/diagnose.hpp>
#include <accrete/prompt/weight/sparsemax.hpp>
#include <accrete/tuning/full.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::test::prompt_compositions_test {

namespace {

HostExecutor<> const exec{.threads = 2};

template <Trains When>
using Guided = GradientProtocol<When, Competing::of_task, TemporaryHead<LinearHead>, CrossEntropy, Adam>;

// Compositions that no paper has.
using SparseRidge = Learner<Vit<>, AttentionPrompt<SparsemaxWeights>, RidgeHead<NoProjection>, NoMerge, Guided<Trains::every_task>>;
using PooledMeans = Learner<Vit<>, KeyQueryPrompt<BlockTokens, TopK, FrozenKeys>, PrototypeHead, NoMerge, Guided<Trains::every_task>>;
using ExpertMeans = Learner<Vit<>, GeneralExpertPrompt<ClassMeanKeys>, PrototypeHead, NoMerge, Guided<Trains::every_task>>;
using FirstComponents = Learner<Concat<Vit<>, Vit<>>, AttentionPrompt<>, PrototypeHead, NoMerge, Guided<Trains::first_task>>;
using FirstExperts = Learner<Vit<>, GeneralExpertPrompt<>, RidgeHead<NoProjection>, NoMerge, Guided<Trains::first_task>>;
using FullPool = Learner<Vit<>, GeneralExpertPrompt<LearnedKeys, Instance, FixedPool>, LinearHead, NoMerge, method::Dualprompt::Protocol>;
using FullGenerator = Learner<Vit<>, GeneratedPrompt<Instance, FixedPool>, LinearHead, NoMerge, method::Dap::Protocol>;
using TunedToo = Learner<Vit<Bottleneck>, GeneralExpertPrompt<>, LinearHead, NoMerge, method::Dualprompt::Protocol>;

template <class Method>
struct Parts;
template <class B, class P, class H, class M, class L>
struct Parts<Learner<B, P, H, M, L>> {
  using Backbone = B;
  using Prompt = P;
  using Head = H;
  using Protocol = L;
};

template <class Method>
Method composed(Index epochs = 4, std::uint64_t seed = 5) {
  using Backbone = typename Parts<Method>::Backbone;
  typename Parts<Method>::Prompt prompt;
  shrink(prompt);
  prompt.seed = seed;
  if constexpr (requires { prompt.initial = RowsInit{}; }) { prompt.initial = {.low = -1.0, .high = 1.0}; }
  if constexpr (std::is_same_v<Method, FullPool> || std::is_same_v<Method, FullGenerator>) { prompt.pool = 2; }
  typename Parts<Method>::Head head;
  if constexpr (requires { head.ridge; }) { head.ridge = 1.0; }
  typename Parts<Method>::Protocol protocol;
  protocol.training.epochs = epochs;
  protocol.training.batch = 5;
  protocol.training.rate = 0.02;
  protocol.training.curve = RateCurve::constant;
  protocol.training.augmentation = Augmentation::none();
  Vit<> const trunk = small_vit();
  if constexpr (std::is_same_v<Backbone, Vit<>>) {
    return Method(trunk, prompt, head, {}, protocol);
  } else if constexpr (std::is_same_v<Backbone, Vit<Bottleneck>>) {
    return Method(Backbone(trunk, {.width = 4}, {.seed = 3, .purpose = Purpose::initialisation}), prompt, head, {}, protocol);
  } else {
    return Method({trunk, trunk}, prompt, head, {}, protocol);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("compositions that no paper has learn: the loss falls, the features move, known pictures are told apart, a file brings it all back", Method, SparseRidge, PooledMeans, ExpertMeans,
                   FirstComponents, FirstExperts, TunedToo) {
  TemporaryFolder const folder;
  Method learner = composed<Method>(8);
  std::vector<double> losses;
  auto const follow = [&](TrainingProgress const& progress) {
    losses.resize(static_cast<std::size_t>(progress.epoch) + 1);
    losses.back() = progress.loss;
  };
  Observation const seen = learner.observe(exec, first_task(), {}, {.progress = follow, .checkpoint = nullptr});
  REQUIRE(losses.size() == 8);
  CHECK(losses.back() < losses.front());
  Method resting = composed<Method>(0);
  CHECK(seen.feature_change.value() != resting.observe(exec, first_task()).feature_change.value());
  CHECK(learner.evaluate(exec, first_task()) > 50.0);
  learner.save(folder / "model");
  Method loaded = Method::load(folder / "model");
  learner.observe(exec, second_task());
  loaded.observe(exec, second_task());
  CHECK((model_bytes(loaded, folder / "loaded") == model_bytes(learner, folder / "learned")));

  Examples const pictures = unseen_pictures();
  Matrix<float> const wanted = learner.predict(exec, pictures).scores;
  CHECK(same_bits(learner.predict(exec, pictures, in_batches(3)).scores, wanted));
  Loader loader(pictures, small_vit().preprocessing(), {.batch = pictures.size()});
  Batch batch;
  REQUIRE(loader.next(batch));
  CHECK(same_bits(learner.predict(exec, batch.images.cview()).scores, wanted));
}

TEST_CASE_TEMPLATE("where the first task alone learns, later ones leave every feature as it was", Method, FirstComponents, FirstExperts) {
  Method learner = composed<Method>();
  learner.observe(exec, first_task());
  Matrix<float> const before = learner.features(exec, unseen_pictures()).features;
  auto const parameters = learner.prompt_state().parameters();
  learner.observe(exec, second_task());
  CHECK(learner.classes().size() == 5);
  CHECK(learner.prompt_state().parameters() == parameters);
  CHECK(same_bits(learner.features(exec, unseen_pictures()).features, before));
  FeatureCache cache;
  Reading reading;
  reading.cache = &cache;
  Method again = composed<Method>();
  again.observe(exec, first_task(), reading);
  again.observe(exec, second_task(), reading);
  CHECK(same_bits(again.predict(exec, unseen_pictures(), reading).scores, learner.predict(exec, unseen_pictures()).scores));
  CHECK(same_bits(again.predict(exec, unseen_pictures(), reading).scores, learner.predict(exec, unseen_pictures()).scores));
}

TEST_CASE("a cache of features knows prompts of the same values under other settings apart") {
  FeatureCache cache;
  Reading reading;
  reading.cache = &cache;
  auto const learned = [](Index first, Reading const& how) {
    FirstComponents const small = composed<FirstComponents>(0);
    auto prompt = small.prompt();
    prompt.placement.first = first;
    FirstComponents learner(small.backbone(), prompt, {}, {}, small.protocol());
    learner.observe(exec, first_task(), how);
    return learner;
  };
  FirstComponents const low = learned(0, reading);
  FirstComponents const high = learned(1, reading);
  REQUIRE(low.prompt_state().parameters() == high.prompt_state().parameters());
  CHECK(same_bits(low.predict(exec, unseen_pictures(), reading).scores, learned(0, {}).predict(exec, unseen_pictures()).scores));
  CHECK(same_bits(high.predict(exec, unseen_pictures(), reading).scores, learned(1, {}).predict(exec, unseen_pictures()).scores));
}

TEST_CASE("class means are keys of the task their class came with, also under a head that counts the classes of a task from zero") {
  ExpertMeans learner = composed<ExpertMeans>();
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  auto own = composed<Learner<Vit<>, GeneralExpertPrompt<ClassMeanKeys>, LinearHead, NoMerge, method::Dualprompt::Protocol>>();
  own.observe(exec, first_task());
  own.observe(exec, second_task());
  CHECK(same_bits(learner.chosen_slots(exec, unseen_pictures()).slots, own.chosen_slots(exec, unseen_pictures()).slots));
  auto const chosen = learner.chosen_slots(exec, second_task()).slots;  // of the pictures that the keys are means of
  CHECK(std::count(chosen.begin(), chosen.end(), 1) > 0);
}

TEST_CASE_TEMPLATE("a pool of fixed size refuses a task too many, with the numbers, and the learner is what it was", Method, FullPool, FullGenerator) {
  TemporaryFolder const folder;
  Method learner = composed<Method>(1);
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  std::string const before = model_bytes(learner, folder / "before");
  Matrix<float> const scores = learner.predict(exec, unseen_pictures()).scores;
  CHECK_THROWS_WITH_AS(learner.observe(exec, third_task()), doctest::Contains("task 2 needs 3 slots of a pool of 2"), ValueError);
  CHECK((model_bytes(learner, folder / "after") == before));
  CHECK(learner.tasks_seen() == 2);
  CHECK(learner.classes().size() == 5);
  CHECK(same_bits(learner.predict(exec, unseen_pictures()).scores, scores));
}

TEST_CASE("prompts that begin as zeros have changed infinitely, which a file bears") {
  TemporaryFolder const folder;
  auto settings = small_settings<method::Dualprompt>();
  settings.prompt.initial = {.low = 0.0, .high = 0.0};
  auto learner = method::Dualprompt::compose(small_vit(), settings, 5);
  learn<method::Dualprompt>(learner, first_task());
  Measures const measures = learner.prompt_measures();
  auto const infinite = std::count_if(measures.begin(), measures.end(), [](auto const& known) { return known.second == std::numeric_limits<double>::infinity(); });
  CHECK(infinite == 2);
  REQUIRE_NOTHROW(learner.save(folder / "model"));
  CHECK(PromptLearner<method::Dualprompt>::load(folder / "model").prompt_measures() == measures);
}

TEST_CASE("L2P clipped by the gradients of all parameters, as in the release: the network learns at the rate of zero and takes part in the norm alone") {
  using Prompt = KeyQueryPrompt<InputTokens<ReadsPrompt>>;
  using ByAll = Learner<Vit<Full>, Prompt, LinearHead, NoMerge, method::L2p::Protocol>;
  using ByOwn = Learner<Vit<>, Prompt, LinearHead, NoMerge, method::L2p::Protocol>;
  auto settings = small_settings<method::L2p>();
  settings.protocol.training.backbone_factor = 0.0;
  auto const learned = [&](double clip, auto backbone) {
    settings.protocol.training.clip = clip;
    using Method = std::conditional_t<std::is_same_v<decltype(backbone), Vit<>>, ByOwn, ByAll>;
    Method learner(std::move(backbone), settings.prompt, settings.head, {}, settings.protocol);
    learner.observe(exec, first_task());
    return learner;
  };
  Vit<Full> const network(small_vit(), Full{}, {});
  auto const prompt = [](auto const& learner) { return learner.prompt_state().parameters().values(); };
  auto const free_of_all = learned(0.0, network);
  CHECK(relative_difference(prompt(free_of_all), prompt(learned(0.0, small_vit()))) <= tolerance<float>(Kind::training));
  auto const by_all = learned(0.05, network);
  CHECK(by_all.backbone().parameters() == network.parameters());
  CHECK(!same_bits(prompt(by_all), prompt(free_of_all)));
  CHECK(relative_difference(prompt(by_all), prompt(learned(0.05, small_vit()))) > tolerance<float>(Kind::training));
}

TEST_CASE("statistics under different prompts are not merged") {
  SparseRidge learner = composed<SparseRidge>(1);
  learner.observe(exec, first_task());
  SparseRidge same = learner;
  SparseRidge other = composed<SparseRidge>(1, 6);
  other.observe(exec, first_task());
  CHECK_NOTHROW(learner.merge(exec, same));
  CHECK_THROWS_AS(learner.merge(exec, other), ValueError);
}

}  // namespace accrete::test::prompt_compositions_test
