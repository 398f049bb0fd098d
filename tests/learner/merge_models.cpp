#include "learner/mixture_methods.hpp"
#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/method/coda_prompt.hpp>
#include <accrete/method/cofima_lora.hpp>
#include <accrete/method/ease.hpp>
#include <accrete/method/esn.hpp>
#include <accrete/method/lae_prefix.hpp>
#include <accrete/method/mos.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace accrete::test::merge_models_test {
using method::CodaPrompt;
using method::CofimaLora;
using method::LaePrefix;

namespace {

HostExecutor<> const exec{.threads = 2};

template <class Method>
using LearnerOf = typename Method::template Learner<Vit<>>;

static_assert(LearnerOf<CofimaLora>::merges_parameters && LearnerOf<LaePrefix>::merges_parameters && LearnerOf<CodaPrompt>::merges_parameters && Tuned::merges_parameters);
static_assert(!Adapted::merges_parameters && !WithPrompts::merges_parameters && !Plain::merges_parameters, "statistics are of the features of one network");
static_assert(!LearnerOf<method::Ease>::merges_parameters && !LearnerOf<method::Mos>::merges_parameters && !LearnerOf<method::Esn>::merges_parameters, "a bank has a network for each task");

/// A learner of some tasks.
template <class Method>
LearnerOf<Method> learned(std::vector<Examples> const& tasks, std::uint64_t seed = 5) {
  auto settings = Method::standard();
  settings.protocol.training.epochs = 2;
  settings.protocol.training.batch = 5;
  settings.protocol.training.rate = 0.05;
  if constexpr (requires { settings.merge.decay; }) {
    settings.merge.decay = 0.8;
    settings.protocol.training.frozen_epochs = 0;
    settings.protocol.training.drop_last = false;
  }
  if constexpr (requires { settings.prompt.placement.blocks; }) { settings.prompt.placement.blocks = 3; }
  if constexpr (requires { settings.head.alignment; }) {
    settings.protocol.training.backbone_factor = 1.0;
    settings.head.alignment.epochs = 1;
    settings.head.alignment.rows = 8;
  }
  auto learner = Method::compose(small_vit(), settings, seed);
  for (Examples const& task : tasks) { learner.observe(exec, task); }
  return learner;
}

Examples pictures(std::vector<std::string> const& classes, std::uint64_t seed) { return striped_pictures(classes, 5, seed); }

template <class AnyLearner>
std::string bytes(AnyLearner const& learner) {
  TemporaryFolder const folder;
  return model_bytes(learner, folder / "model");
}

ModelReader saved(LearnerOf<CofimaLora> const& learner, TemporaryFolder const& folder) {
  learner.save(folder / "model");
  return ModelReader::open(folder / "model");
}

Vector<float> fisher_of(LearnerOf<CofimaLora> const& learner) {
  TemporaryFolder const folder;
  return saved(learner, folder).scope("merge").tensor<float, 1>("fisher");
}

/// Row of a class as it scores.
template <class AnyLearner>
std::vector<float> row_of(AnyLearner const& learner, std::string const& name) {
  ParameterStore<float> const& store = learner.head_state().scoring();
  Index column = learner.classes().at(name);
  for (HeadBlock const& block : head_blocks(store)) {
    if (column < block.first + block.classes) {
      auto const row = store.view<2>(block.weight)[column - block.first];
      return {row.begin(), row.end()};
    }
  }
  return {};
}

std::vector<float> between(std::vector<float> const& a, std::vector<float> const& b, double weight) {
  std::vector<float> result(a.size());
  std::transform(a.begin(), a.end(), b.begin(), result.begin(),
                 [weight](float x, float y) { return static_cast<float>(static_cast<double>(x) + weight * (static_cast<double>(y) - static_cast<double>(x))); });
  return result;
}

std::vector<float> all_values(ParameterStore<float> const& store) { return {store.values().begin(), store.values().end()}; }

}  // namespace

TEST_CASE("networks, rows and moments: classes unite, new ones follow with tasks of their own, and Fisher information weighs") {
  auto const a = learned<CofimaLora>({first_task(), pictures({"dog"}, 2)});  // ant bee cat | dog
  auto const b = learned<CofimaLora>({pictures({"fox", "bee"}, 3), pictures({"gnu", "cat", "hen"}, 4)}, 6);
  REQUIRE(a.head_state().is_aligned());

  auto merged = a;
  auto const report = merged.merge(exec, b, {.weight = 0.25});
  CHECK(report.network_tensors == a.backbone().parameters().size());
  CHECK(report.network_numbers > 0);
  CHECK(report.prompt_tensors == 0);
  CHECK(report.rows == 2);
  CHECK(report.both == 2);
  CHECK(report.added == 3);
  CHECK(report.classes == 7);
  CHECK(merged.classes().names() == std::vector<std::string>{"ant", "bee", "cat", "dog", "fox", "gnu", "hen"});
  CHECK(merged.classes().tasks() == std::vector<Index>{0, 0, 0, 1, 2, 3, 3});
  CHECK(merged.tasks_seen() == 4);
  CHECK(all_values(merged.backbone().parameters()) == between(all_values(a.backbone().parameters()), all_values(b.backbone().parameters()), 0.25));
  CHECK(row_of(merged, "ant") == row_of(a, "ant"));
  CHECK(row_of(merged, "cat") == between(row_of(a, "cat"), row_of(b, "cat"), 0.25));
  CHECK(row_of(merged, "hen") == row_of(b, "hen"));
  CHECK(same_bits(fisher_of(merged).view(), fisher_of(a).view()));
  ClassMoments const& moments = merged.head_state().moments();
  CHECK(moments.classes() == 7);
  CHECK(same_bits(moments.mean(1), a.head_state().moments().mean(1)));  // bee
  CHECK(same_bits(moments.mean(6), b.head_state().moments().mean(4)));  // hen
  CHECK(moments.count(6) == 5);
  CHECK(merged.head_state().tasks() == merged.classes().tasks());

  // It answers, is read back, and goes on.
  TemporaryFolder const folder;
  merged.save(folder / "model");
  auto again = LearnerOf<CofimaLora>::load(folder / "model", small_vit());
  CHECK(same_bits(again.predict(exec, unseen_pictures()).scores, merged.predict(exec, unseen_pictures()).scores));
  CHECK(again.observe(exec, pictures({"yak"}, 8)).task.index == 4);

  auto same = a;
  same.merge(exec, b, {.weight = 0.0});
  CHECK(same.backbone().parameters() == a.backbone().parameters());
  CHECK(row_of(same, "bee") == row_of(a, "bee"));
  auto others = a;
  others.merge(exec, b, {.weight = 1.0});
  CHECK(others.backbone().parameters() == b.backbone().parameters());
  CHECK(row_of(others, "bee") == row_of(b, "bee"));

  auto weighed = a;
  weighed.merge(exec, b, {.rule = ModelRule::fisher});
  auto const of_a = fisher_of(a);
  auto const of_b = fisher_of(b);
  auto const sum = fisher_of(weighed);
  auto const x = all_values(a.backbone().parameters());
  auto const y = all_values(b.backbone().parameters());
  auto const z = all_values(weighed.backbone().parameters());
  bool sums = sum.size() == of_a.size();
  bool as_formula = true;
  Index i = 0;
  for (ParameterSpan const& span : a.backbone().parameters().trainable()) {
    for (Index j = span.first; j < span.first + span.count; ++j, ++i) {
      sums = sums && sum(i) == static_cast<float>(static_cast<double>(of_a(i)) + static_cast<double>(of_b(i)));
      auto const k = static_cast<std::size_t>(j);
      double const fa = static_cast<double>(of_a(i)) + 1e-20;
      double const fb = static_cast<double>(of_b(i)) + 1e-20;
      as_formula = as_formula && std::abs(static_cast<double>(z[k]) - (fa * static_cast<double>(x[k]) + fb * static_cast<double>(y[k])) / (fa + fb)) <= 1e-6 * std::max(std::abs(x[k]), std::abs(y[k]));
    }
  }
  CHECK(sums);
  CHECK(as_formula);
  CHECK(z != between(x, y, 0.5));
  CHECK(row_of(weighed, "bee") == between(row_of(a, "bee"), row_of(b, "bee"), 0.5));

  // Only the network: the head stays, and with it the classes.
  auto only = a;
  auto const part = only.merge(exec, b, {.only = {"backbone"}});
  CHECK(part.rows == 0);
  CHECK(part.added == 0);
  CHECK(only.classes().names() == a.classes().names());
  CHECK(only.tasks_seen() == 2);
  CHECK(all_values(only.head_state().scoring()) == all_values(a.head_state().scoring()));
  CHECK(all_values(only.backbone().parameters()) != x);

  // Refused; nothing is changed.
  auto kept = a;
  std::string const before = bytes(kept);
  CHECK_THROWS_WITH_AS(kept.merge(exec, b, {.weight = 1.5}), doctest::Contains("[0, 1]"), ValueError);
  CHECK_THROWS_WITH_AS(kept.merge(exec, b, {.only = {"neck"}}), doctest::Contains("'neck'"), ValueError);
  CHECK_THROWS_WITH_AS(kept.merge(exec, learned<CofimaLora>({}), {}), doctest::Contains("learned a class"), ValueError);
  auto settings = CofimaLora::standard();
  settings.tuning.scale *= 2.0;
  settings.protocol.training.epochs = 1;
  auto other_tuning = CofimaLora::compose(small_vit(), settings, 5);
  other_tuning.observe(exec, first_task());
  CHECK_THROWS_WITH_AS(kept.merge(exec, other_tuning, {}), doctest::Contains("tunings differ"), ValueError);
  settings = CofimaLora::standard();
  settings.merge.weights = MergeWeights::equal;
  settings.protocol.training.epochs = 1;
  auto without_fisher = CofimaLora::compose(small_vit(), settings, 5);
  without_fisher.observe(exec, first_task());
  CHECK_FALSE(without_fisher.holds_fisher());
  CHECK_THROWS_WITH_AS(kept.merge(exec, without_fisher, {.rule = ModelRule::fisher}), doctest::Contains("the second learner holds no Fisher information"), ValueError);
  Vit<> const resized = Vit<>::load(golden_path("vit/plain.weights.safetensors"), {.heads = 3, .image_height = 32, .positions = PositionResize::plain});
  settings = CofimaLora::standard();
  settings.protocol.training.epochs = 1;
  auto elsewhere = CofimaLora::compose(resized, settings, 5);
  elsewhere.observe(exec, first_task());
  CHECK_THROWS_WITH_AS(kept.merge(exec, elsewhere, {}), doctest::Contains("backbones differ"), ValueError);
  CHECK(bytes(kept) == before);
}

TEST_CASE("prompts merge, and the average beside what learns by the same rule") {
  auto const a = learned<LaePrefix>({first_task(), second_task()});
  auto const b = learned<LaePrefix>({pictures({"cat", "dog"}, 3), pictures({"gnu"}, 4)}, 6);
  auto const young = learned<LaePrefix>({pictures({"cat", "dog"}, 3)}, 6);
  auto const average = [](LearnerOf<LaePrefix> const& learner) {
    TemporaryFolder const folder;
    learner.save(folder / "model");
    return all_values(ParameterStore<float>::read(ModelReader::open(folder / "model").scope("merge")));
  };
  auto const learns = [](LearnerOf<LaePrefix> const& learner) { return all_values(learner.prompt_state().parameters()); };

  auto merged = a;
  auto const report = merged.merge(exec, b, {.weight = 0.5});
  CHECK(report.prompt_tensors == a.prompt_state().parameters().size());
  CHECK(report.network_tensors == 0);
  CHECK(learns(merged) == between(learns(a), learns(b), 0.5));
  CHECK(average(merged) == between(average(a), average(b), 0.5));
  CHECK(average(merged) != learns(merged));
  CHECK(merged.features(exec, unseen_pictures()).features.extent(1) == 2 * merged.backbone().width());

  auto to_young = young;
  to_young.merge(exec, a, {.weight = 0.5});
  CHECK(average(to_young) == between(learns(young), average(a), 0.5));
  auto with_young = a;
  with_young.merge(exec, young, {.weight = 0.5});
  CHECK(average(with_young) == between(average(a), learns(young), 0.5));
  CHECK(to_young.features(exec, unseen_pictures()).features.extent(1) == 2 * a.backbone().width());

  auto kept = a;
  std::string const before = bytes(kept);
  CHECK_THROWS_WITH_AS(kept.merge(exec, b, {.rule = ModelRule::fisher}), doctest::Contains("the first learner holds no Fisher information"), ValueError);
  CHECK(bytes(kept) == before);
}

TEST_CASE("rows that only one prompt has are taken over, whichever has more") {
  auto const one = learned<CodaPrompt>({first_task()});
  auto const two = learned<CodaPrompt>({first_task(), second_task()}, 6);
  auto const components = [](LearnerOf<CodaPrompt> const& learner) {
    ParameterStore<float> const& store = learner.prompt_state().parameters();
    auto const part = store.values("prompt.keys");
    return std::vector<float>(part.begin(), part.end());
  };
  auto merged = one;
  merged.merge(exec, two, {.weight = 0.5});
  auto want = components(two);
  auto const first = components(one);
  REQUIRE(want.size() == 2 * first.size());
  auto const mean = between(first, {want.begin(), want.begin() + static_cast<std::ptrdiff_t>(first.size())}, 0.5);
  std::copy(mean.begin(), mean.end(), want.begin());
  CHECK(components(merged) == want);
  CHECK(merged.classes().tasks() == std::vector<Index>{0, 0, 0, 1, 1});

  auto other_way = two;
  CHECK(other_way.merge(exec, one, {.weight = 0.5}).added == 0);
  auto const symmetric = components(other_way);
  CHECK(std::equal(want.begin(), want.end(), symmetric.begin(), [](float x, float y) { return std::abs(x - y) <= 1e-6F * std::abs(x); }));
  CHECK(other_way.predict(exec, unseen_pictures()).scores.extent(1) == 5);

  auto kept = one;
  std::string const before = bytes(kept);
  CHECK_THROWS_WITH_AS(kept.merge(exec, two, {.only = {"prompt.keys"}}), doctest::Contains("all of the prompt or not at all"), ValueError);
  CHECK(bytes(kept) == before);
  CHECK(kept.merge(exec, two, {.only = {"head"}}).prompt_tensors == 0);
  CHECK(components(kept) == first);
}

}  // namespace accrete::test::merge_models_test
