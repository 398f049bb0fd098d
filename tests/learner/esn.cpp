#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/method/esn.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <numeric>
#include <vector>

namespace accrete::test::esn_test {

namespace {

using Esn = method::Esn::Learner<>;
HostExecutor<> const exec{.threads = 2};

method::Esn::Settings small(bool release = false) {
  auto settings = release ? published_for(method::Esn::published(), "release-cifar100") : method::Esn::standard();
  settings.prompt.length = 3;
  settings.protocol.training.epochs = 2;
  settings.protocol.training.batch = 5;
  settings.protocol.training.rate = 0.05;
  return settings;
}

Esn learner_of(method::Esn::Settings const& settings) { return method::Esn::compose(small_vit(), settings, 5); }

std::vector<float> tail(Esn const& learner, std::size_t task) {
  auto const values = learner.backbone().networks()[task].parameters().values();
  return {values.begin(), values.end()};
}
std::vector<float> rows(Esn const& learner, Index task) {
  auto const weight = learner.head_state().parameters().view<2>(HeadBlock::weight_name(task));
  auto const bias = learner.head_state().parameters().view<1>(HeadBlock::bias_name(task));
  std::vector<float> all(weight.begin(), weight.end());
  all.insert(all.end(), bias.begin(), bias.end());
  return all;
}
std::vector<float> prompt(Esn const& learner) {
  auto const values = learner.prompt_state().parameters().values();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("ESN: what a task has learned keeps its bits, and so do its logits; the prompt learns in the first task alone") {
  auto learner = learner_of(small());
  auto const fresh = prompt(learner);
  learner.observe(exec, first_task());
  auto const first_tail = tail(learner, 0);
  auto const first_rows = rows(learner, 0);
  auto const first_prompt = prompt(learner);
  auto const alone = learner.features(exec, first_task()).features;
  CHECK(first_prompt != fresh);
  CHECK(learner.head_state().votes().temperatures == std::vector<double>{0.001});
  learner.observe(exec, second_task());
  learner.observe(exec, striped_pictures({"fox"}, 4, 3));  // uneven tasks, one of a single class
  CHECK(tail(learner, 0) == first_tail);
  CHECK(rows(learner, 0) == first_rows);
  CHECK(prompt(learner) == first_prompt);
  CHECK(tail(learner, 1) != first_tail);
  CHECK(learner.head_state().votes().temperatures.size() == 3);
  auto const together = learner.features(exec, first_task()).features;
  REQUIRE(together.extent(1) == 3 * alone.extent(1));
  for (Index i = 0; i < alone.extent(0); ++i) { CHECK(same_bits(together[i].slice(0, alone.extent(1)), alone[i])); }
}

TEST_CASE("ESN: a block begins anew with every task, drawn for it alone") {
  auto settings = small();
  settings.protocol.training.epochs = 0;
  auto learner = learner_of(settings);
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  Vit<ClassAttention> const second(small_vit(), {}, {.seed = 5, .purpose = Purpose::initialisation, .task = 1});
  auto const drawn = second.parameters().values();
  CHECK(tail(learner, 1) == std::vector<float>(drawn.begin(), drawn.end()));
  CHECK(tail(learner, 1) != tail(learner, 0));
}

TEST_CASE("ESN as released: the prompt goes on learning under older classifiers") {
  auto learner = learner_of(small(true));
  learner.observe(exec, first_task());
  auto const first_prompt = prompt(learner);
  auto const first_tail = tail(learner, 0);
  learner.observe(exec, second_task());
  CHECK(prompt(learner) != first_prompt);
  CHECK(tail(learner, 0) == first_tail);
}

TEST_CASE("ESN: temperatures are those that recognise the newest task's pictures as they are judged") {
  auto learner = learner_of(small());
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  auto const features = learner.features(exec, second_task()).features;
  auto state = learner.head_state();
  auto const chosen = state.votes().temperatures;
  auto const counted = state.votes().recognised;
  std::vector<Index> columns(static_cast<std::size_t>(features.extent(0)), 3);
  learner.head().observe(exec, state, features.view(), columns);  // the same pictures once more: all counts double
  for (std::size_t c = 0; c < counted.size(); ++c) { CHECK(state.votes().recognised[c] == 2 * counted[c]); }
  learner.head().fit(exec, state);
  CHECK(state.votes().temperatures == chosen);
}

TEST_CASE("ESN: an answer depends on its picture alone, and goes on from a model file with the same bits") {
  TemporaryFolder const folder;
  auto learner = learner_of(small());
  learner.observe(exec, first_task());
  learner.observe(exec, second_task());
  auto const all = learner.predict(exec, first_task()).scores;
  CHECK(same_bits(learner.predict(HostExecutor<>{.threads = 1}, first_task(), {.batch = 1}).scores, all));
  std::vector<Index> backwards(static_cast<std::size_t>(first_task().size()));
  std::iota(backwards.rbegin(), backwards.rend(), Index{0});
  auto const reversed = learner.predict(exec, first_task().subset(backwards), {.batch = 7}).scores;
  for (Index i = 0; i < all.extent(0); ++i) { CHECK(same_bits(reversed[i], all[all.extent(0) - 1 - i])); }

  learner.save(folder / "model");
  auto loaded = Esn::load(folder / "model");
  CHECK(same_bits(loaded.predict(exec, first_task()).scores, all));
  Examples const third = striped_pictures({"fox", "gnu"}, 4, 3);
  learner.observe(exec, third);
  loaded.observe(exec, third);
  CHECK(tail(loaded, 2) == tail(learner, 2));
  CHECK(prompt(loaded) == prompt(learner));
  CHECK(loaded.head_state().votes().temperatures == learner.head_state().votes().temperatures);
  CHECK(same_bits(loaded.predict(exec, third).scores, learner.predict(exec, third).scores));
}

TEST_CASE("ESN: a class that comes again is refused, and nothing is changed") {
  auto learner = learner_of(small());
  learner.observe(exec, first_task());
  auto const before = learner.predict(exec, first_task()).scores;
  CHECK_THROWS_WITH_AS(learner.observe(exec, striped_pictures({"fox", "bee"}, 3, 9)), doctest::Contains("bee"), ValueError);
  CHECK(learner.tasks_seen() == 1);
  CHECK(learner.backbone().networks().size() == 1);
  CHECK(same_bits(learner.predict(exec, first_task()).scores, before));
}

TEST_CASE("ESN: settings by data set") {
  auto const cifar = published_for(method::Esn::published(), "cifar100");
  CHECK(cifar.protocol.training.epochs == 30);
  CHECK(cifar.prompt.length == 100);
  CHECK(cifar.prompt.learns == PromptLearns::first_task);
  CHECK(cifar.prompt.initial == PromptInit::width);
  CHECK(cifar.head.head.initial == InitialRows::uniform);
  CHECK(cifar.protocol.training.batch == 128);
  CHECK(cifar.protocol.training.rate == 0.01);
  CHECK(cifar.protocol.training.weight_decay == 5e-4);
  CHECK(cifar.protocol.training.curve == RateCurve::cosine);
  CHECK(cifar.protocol.loss.energy == FreeEnergy::soft_min);
  CHECK(cifar.protocol.loss.weight == 0.1);
  CHECK(cifar.protocol.loss.level == -10.0);
  CHECK(published_for(method::Esn::published(), "domainnet").protocol.training.epochs == 10);
  auto changed = cifar;
  auto const known = method::Esn::Settings::settings();
  assign_setting(known, changed, "anchor-energy", "soft-max");
  assign_setting(known, changed, "prompt-learns", "every-task");
  CHECK(changed.protocol.loss.energy == FreeEnergy::soft_max);
  CHECK(changed.prompt.learns == PromptLearns::every_task);
}

}  // namespace accrete::test::esn_test
