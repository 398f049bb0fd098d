#include "support/compare.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/host.hpp>
#include <accrete/io/model_file.hpp>
#include <accrete/train/adam.hpp>
#include <accrete/train/kept_moments.hpp>
#include <accrete/train/learning_part.hpp>
#include <accrete/train/schedule.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace accrete::test::kept_moments_test {
namespace {

HostExecutor<> const exec{};
Adam const amsgrad{.amsgrad = true};

/// The weights of the golden file; in a later task a segment has come in front of them.
ParameterStore<float> golden_store(bool later) {
  auto const file = golden("optimisers");
  ParameterStore<float> store;
  if (later) { store.add({"new", {3}, "trunk", -1, true, 0, 3}); }
  store.add({"first", {2, 3}, "trunk", -1, true, 0, 2});
  store.add({"second", {5}, "head", 0, true, 0, 5});
  auto const first = file.read<float, 2>("first.start");
  auto const second = file.read<float, 1>("second.start");
  std::copy(first.begin(), first.end(), store.view<2>("first").begin());
  std::copy(second.begin(), second.end(), store.view<1>("second").begin());
  return store;
}

/// Steps of the golden file of which both segments get a gradient.
void walk(LearningPart<Adam>& part, Index first, Index last) {
  auto const file = golden("optimisers");
  auto const first_gradient = file.read<float, 3>("first.gradient");
  auto const second_gradient = file.read<float, 2>("second.gradient");
  std::vector<ParameterGroup> const groups{{.role = "", .weight_decay = 0.0}};
  for (Index step = first; step < last; ++step) {
    ParameterStore<float> gradient = part.values();
    std::fill(gradient.values().begin(), gradient.values().end(), 0.0F);
    auto const one = first_gradient.cview()[step];
    auto const two = second_gradient.cview()[step];
    std::copy(one.begin(), one.end(), gradient.view<2>("first").begin());
    std::copy(two.begin(), two.end(), gradient.view<1>("second").begin());
    part.attach(gradient.values());
    part.step(exec, groups, ConstantRate{0.01}, 0);
  }
}

void take_values(ParameterStore<float>& to, ParameterStore<float> const& from) {
  for (char const* const name : {"first", "second"}) { std::copy_n(from.values().data() + from.offset(name), from.segment(name).elements(), to.values().data() + to.offset(name)); }
}

}  // namespace

TEST_CASE("moments that are kept go on bit for bit in a store that has grown, through a file as well") {
  LearningPart<Adam> whole(amsgrad, "prompt", golden_store(false));
  walk(whole, 0, 50);

  LearningPart<Adam> before(amsgrad, "prompt", golden_store(false));
  walk(before, 0, 20);
  KeptMoments kept;
  CHECK(kept.empty());
  before.leave(kept);
  TemporaryFolder const folder;
  ModelWriter const writer("moments");
  kept.write(writer.scope("optimizer"));
  writer.write(folder / "moments");
  KeptMoments const read = KeptMoments::read(ModelReader::open(folder / "moments", "moments").scope("optimizer"));

  auto later = golden_store(true);
  take_values(later, before.values());
  LearningPart<Adam> after(amsgrad, "prompt", later);
  after.go_on(read);
  walk(after, 20, 50);
  CHECK(same_bits(after.values().view<2>("first"), whole.values().view<2>("first")));
  CHECK(same_bits(after.values().view<1>("second"), whole.values().view<1>("second")));
  auto const still = after.values().view<1>("new");
  CHECK(std::all_of(still.begin(), still.end(), [](float w) { return w == 0.0F; }));

  LearningPart<Adam> fresh(amsgrad, "prompt", later);
  walk(fresh, 20, 50);
  CHECK(!same_bits(fresh.values().view<1>("second"), whole.values().view<1>("second")));
}

TEST_CASE("rows that come new have no moments, and a new segment counts the steps of the others") {
  LearningPart<Adam> before(amsgrad, "prompt", golden_store(false));
  walk(before, 0, 7);
  KeptMoments kept;
  before.leave(kept);
  auto later = golden_store(true);
  later.grow("first", 4);
  OptimizerState<float> const state = kept.of("prompt", later, amsgrad.moment_count());
  CHECK(state.steps == std::vector<Index>{7, 7, 7});
  for (auto const& moment : state.moments) {
    auto const rows = moment.cview().slice(later.offset("first"), 12);
    CHECK(std::all_of(rows.begin() + 1, rows.begin() + 6, [](float m) { return m != 0.0F; }));  // the first weight never got a gradient
    CHECK(std::all_of(rows.begin() + 6, rows.end(), [](float m) { return m == 0.0F; }));
  }
  CHECK(kept.of("head", later, amsgrad.moment_count()).steps == std::vector<Index>{0, 0, 0});
  CHECK_THROWS_AS(static_cast<void>(kept.of("prompt", later, 2)), ShapeError);
}

TEST_CASE("moments that do not fit what they name are refused") {
  TemporaryFolder const folder;
  ModelWriter const writer("moments");
  writer.setting("parts", std::vector<std::string>{"prompt"});
  ModelWriter const part = writer.scope("prompt");
  part.setting("segments", std::vector<std::string>{"first"});
  part.setting("places", std::vector<Index>{2, 4});
  part.setting("steps", std::vector<Index>{3});
  part.setting("moments", Index{1});
  part.tensor("moment0", Vector<float>::zeros({5}));
  writer.write(folder / "moments");
  CHECK_THROWS_AS(static_cast<void>(KeptMoments::read(ModelReader::open(folder / "moments", "moments"))), FileError);
}

TEST_CASE("rows that have learned before learn on, and what stands still goes on doing so") {
  ParameterStore<float> store;
  store.add({"rows", {5, 2}, "prompt", -1, true, 2, 1});
  store.add({"still", {5}, "prompt", -1, true, 0, 0});
  let_earlier_rows_learn(store);
  CHECK(store.segment("rows").first_trainable == 0);
  CHECK(store.segment("rows").trainable_rows == 3);
  CHECK(store.segment("still").trainable_rows == 0);
}

}  // namespace accrete::test::kept_moments_test
