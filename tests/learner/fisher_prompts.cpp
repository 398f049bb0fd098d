#include "support/compare.hpp"
#include "support/small_learners.hpp"

#include <accrete/host/host.hpp>
#include <accrete/merge/fisher.hpp>
#include <accrete/merge/wise.hpp>
#include <accrete/method/cofima_lora.hpp>
#include <accrete/prompt/key_query.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace accrete::test::fisher_prompts_test {

namespace {

HostExecutor<> const exec{.threads = 2};

using Protocol = GradientProtocol<Trains::every_task, Competing::of_task>;

Protocol protocol() {
  Protocol protocol;
  protocol.training.epochs = 2;
  protocol.training.batch = 5;
  protocol.training.rate = 0.05;
  return protocol;
}

std::vector<float> values(ParameterStore<float> const& store, std::string const& name) {
  if (!store.contains(name)) { return {}; }
  auto const part = store.values(name);
  return {part.begin(), part.end()};
}

bool between(std::vector<float> const& a, std::vector<float> const& b, std::vector<float> const& x) {
  bool inside = a.size() == b.size() && a.size() == x.size();
  for (std::size_t i = 0; inside && i < x.size(); ++i) { inside = x[i] >= std::min(a[i], b[i]) && x[i] <= std::max(a[i], b[i]); }
  return inside;
}

}  // namespace

TEST_CASE("rows of a prompt are merged by their Fisher information") {
  using Method = Learner<Vit<>, FixedPrompt<Deep>, LinearHead, FisherMerge<OfPrompt>, Protocol>;
  auto const learned = [](FisherMerge<OfPrompt> const& merge, int tasks) {
    Method learner(small_vit(), {.length = 3, .initial = PromptInit::xavier}, {}, merge, protocol());
    learner.observe(exec, first_task());
    if (tasks > 1) { learner.observe(exec, second_task()); }
    return values(learner.prompt_state().parameters(), "prompt.tokens");
  };
  auto const before = learned({}, 1);
  auto const fresh = learned({.alpha = 1.0}, 2);
  auto const merged = learned({.alpha = 0.5}, 2);
  REQUIRE(!before.empty());
  CHECK(fresh != before);
  CHECK(merged != fresh);
  CHECK(merged != before);
  CHECK(between(before, fresh, merged));
  CHECK(learned({.alpha = 0.0}, 2) == before);
  FisherSettings const of_samples{.squares = FisherSquares::of_samples, .cap = 1e30};
  auto const by_samples = learned({.alpha = 0.5, .fisher = of_samples}, 2);
  CHECK(between(before, fresh, by_samples));
  CHECK(by_samples != merged);
}

TEST_CASE("the general prompts of DualPrompt are merged, the experts stay as their task left them") {
  using Rule = FisherMerge<OfGeneralPrompt>;
  using Prompt = GeneralExpertPrompt<>;
  using Method = Learner<Vit<>, Prompt, LinearHead, Rule, Protocol>;
  Prompt prompt;
  prompt.pool = 4;
  prompt.placement.length = 2;
  prompt.placement.first = 1;
  prompt.placement.blocks = 1;
  prompt.general.placement = {.length = 2, .first = 0, .blocks = 1};
  auto const learned = [&](double alpha, int tasks) {
    Method learner(small_vit(), prompt, {}, Rule{.alpha = alpha}, protocol());
    learner.observe(exec, first_task());
    if (tasks > 1) { learner.observe(exec, second_task()); }
    return learner.prompt_state().parameters();
  };
  auto const before = learned(0.5, 1);
  auto const fresh = learned(1.0, 2);
  auto const merged = learned(0.5, 2);
  auto const general = [](ParameterStore<float> const& store) { return values(store, "prompt.general"); };
  REQUIRE(!general(before).empty());
  CHECK(between(general(before), general(fresh), general(merged)));
  CHECK(general(merged) != general(fresh));
  CHECK(general(merged) != general(before));
  for (ParameterSegment const& segment : fresh.segments()) {
    CAPTURE(segment.name);
    if (segment.name != "prompt.general") { CHECK(values(merged, segment.name) == values(fresh, segment.name)); }
  }
}

TEST_CASE("low-rank parts are merged by their Fisher information, the task's start is where nothing of it counts") {
  auto settings = method::CofimaLora::standard();
  settings.protocol.training = protocol().training;
  settings.head.alignment.epochs = 0;
  auto const learned = [&](double alpha, int tasks) {
    settings.merge.alpha = alpha;
    auto learner = method::CofimaLora::compose(small_vit(), settings, 5);
    learner.observe(exec, first_task());
    if (tasks > 1) { learner.observe(exec, second_task()); }
    auto const all = learner.backbone().parameters().values();
    return std::vector<float>(all.begin(), all.end());
  };
  auto const before = learned(0.5, 1);
  auto const fresh = learned(1.0, 2);
  auto const merged = learned(0.5, 2);
  CHECK(between(before, fresh, merged));
  CHECK(merged != fresh);
  CHECK(learned(0.0, 2) == before);
}

}  // namespace accrete::test::fisher_prompts_test
