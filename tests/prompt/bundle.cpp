#include "support/executors.hpp"

#include <accrete/prompt/bundle.hpp>
#include <accrete/prompt/placement/prefix.hpp>
#include <accrete/prompt/placement/tokens.hpp>

#include <doctest/doctest.h>

namespace accrete::test::bundle_test {

namespace {

constexpr PromptPlace place{.depth = 4, .tokens = 9, .width = 2, .patch_inputs = 12};

/// Row r of sample b holds 100 b + r, the second column its negative.
Tensor<float, 3> numbered(Index batch, Index rows) {
  Tensor<float, 3> bundle({batch, rows, place.width});
  for (Index b = 0; b < batch; ++b) {
    for (Index r = 0; r < rows; ++r) {
      bundle(b, r, 0) = static_cast<float>(100 * b + r);
      bundle(b, r, 1) = -bundle(b, r, 0);
    }
  }
  return bundle;
}

BundleHook<HostExecutor<>> hook_of(BundlePlan const& plan, Index batch) {
  BundleHook<HostExecutor<>> hook(HostExecutor<>{.threads = 1}, plan);
  hook.place(numbered(batch, plan.rows).cview());
  return hook;
}

}  // namespace

TEST_CASE("a prefix takes its keys, then its values, block by block") {
  auto const hook = hook_of(Prefix{.length = 2, .first = 1, .blocks = 2}.plan(place), 3);
  CHECK(hook.kind(0) == Injects::nothing);
  CHECK(hook.kind(1) == Injects::prefix);
  CHECK(hook.kind(3) == Injects::nothing);
  CHECK(hook.plan().first_block() == 1);
  auto const second = hook.prefix(2);
  CHECK(second.k.shape() == Shape<3>{3, 2, 2});
  CHECK(second.k(1, 0, 0) == 104.0F);
  CHECK(second.k(1, 1, 1) == -105.0F);
  CHECK(second.v(2, 0, 0) == 206.0F);
}

TEST_CASE("tokens are inserted once and overwritten in later blocks, prompts by rank behind each other") {
  auto const deep = hook_of(BlockTokens{.length = 2, .first = 1, .blocks = 3}.plan(place), 1);
  CHECK(deep.kind(0) == Injects::nothing);
  CHECK(deep.tokens(1).how == TokenInjection::How::insert);
  CHECK(deep.tokens(2).how == TokenInjection::How::overwrite);
  CHECK(deep.tokens(3).rows(0, 1, 0) == 5.0F);
  CHECK(deep.tokens(1).at == place.tokens);

  auto const plan = InputTokens<ReadsPrompt>{.length = 2}.plan(place).repeated(3);
  CHECK(plan.rows == 6);
  CHECK(plan.read_rows == 6);
  auto const input = hook_of(plan, 2);
  CHECK(input.read_rows() == 6);
  auto const tokens = input.tokens(0);
  CHECK(tokens.at == 0);
  for (Index r = 0; r < 6; ++r) { CHECK(tokens.rows(1, r, 0) == static_cast<float>(100 + r)); }
  CHECK(input.kind(1) == Injects::nothing);
}

TEST_CASE("pieces of one block stand behind each other, and their gradient comes back to where they were") {
  BundlePlan plan = Prefix{.length = 1, .first = 0, .blocks = 2}.plan(place);
  plan.append(Prefix{.length = 2, .first = 1, .blocks = 1}.plan(place).pieces, plan.rows);
  plan.rows += 4;
  LearningBundleHook<HostExecutor<>> hook(HostExecutor<>{.threads = 1}, plan);
  hook.place(numbered(2, plan.rows).cview(), 2);
  auto const both = hook.prefix(1);
  CHECK(both.k.extent(1) == 3);
  CHECK(both.k(1, 0, 0) == 102.0F);
  CHECK(both.k(1, 1, 0) == 104.0F);
  CHECK(both.v(0, 2, 0) == 7.0F);
  hook.prefix_gradient(1, both.k, both.v);
  hook.prefix_gradient(0, hook.prefix(0).k, hook.prefix(0).v);
  auto const back = hook.gradient();
  auto const rows = numbered(2, plan.rows);
  CHECK(std::equal(back.begin(), back.end(), rows.begin()));
  hook.place(rows.cview(), 2);  // a new batch begins with zero
  CHECK(std::all_of(back.begin(), back.end(), [](float value) { return value == 0.0F; }));
}

TEST_CASE("the toolboxes' layout gives a picture keys and values of others, and with one picture its own") {
  auto const mixed = hook_of(PilotPrefix{{.length = 1, .first = 0, .blocks = 1}}.plan(place), 4);
  auto const prefix = mixed.prefix(0);
  float const keys[] = {0.0F, 200.0F, 1.0F, 201.0F};        // K0, K2, V0, V2
  float const values[] = {100.0F, 300.0F, 101.0F, 301.0F};  // K1, K3, V1, V3
  for (Index b = 0; b < 4; ++b) {
    CHECK(prefix.k(b, 0, 0) == keys[b]);
    CHECK(prefix.v(b, 0, 0) == values[b]);
  }
  auto const single = hook_of(PilotPrefix{{.length = 1, .first = 0, .blocks = 1}}.plan(place), 1);
  auto const alone = single.prefix(0);
  CHECK(alone.k(0, 0, 0) == 0.0F);
  CHECK(alone.v(0, 0, 0) == 1.0F);

  LearningBundleHook<HostExecutor<>> hook(HostExecutor<>{.threads = 1}, PilotPrefix{{.length = 1, .first = 0, .blocks = 1}}.plan(place));
  auto const rows = numbered(4, 2);
  hook.place(rows.cview(), 4);
  hook.prefix_gradient(0, hook.prefix(0).k, hook.prefix(0).v);
  auto const back = hook.gradient();
  CHECK(std::equal(back.begin(), back.end(), rows.begin()));
}

TEST_CASE("a placement needs the blocks it names") {
  CHECK_THROWS_AS((void)(Prefix{.length = 5, .first = 2, .blocks = 3}.plan(place)), ValueError);
  CHECK_THROWS_AS((void)(BlockTokens{.length = 5, .first = 4, .blocks = 1}.plan(place)), ValueError);
  CHECK_THROWS_AS((void)(InputTokens<>{.length = 0}.plan(place)), ValueError);
}

}  // namespace accrete::test::bundle_test
