#include "prompt/placed.hpp"
#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"

#include <accrete/prompt/key_query.hpp>
#include <accrete/prompt/scope/batch_vote.hpp>
#include <accrete/prompt/select/frequency_penalty.hpp>
#include <accrete/train/adam.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace accrete::test::select_test {

namespace {

HostExecutor<> const exec{.threads = 1};  // nothing here is worth a second thread

constexpr double printed = 1e-10;  // the specification has ten decimals

template <class Selector, class Keys = LearnedKeys, class Scope = Instance, class Growth = GrowingPool>
using Pool = KeyQueryPrompt<InputTokens<>, Selector, Keys, Scope, Growth>;

/// A pool of prompts of one row each, all of it drawn from [-1, 1).
template <class P>
P pool(Index slots, Index per_sample) {
  P prompt;
  prompt.pool = slots;
  prompt.placement.length = 1;
  prompt.selector.count = per_sample;
  prompt.initial = {.low = -1.0, .high = 1.0};
  return prompt;
}

PromptPlace narrow(Index width) { return {.depth = 1, .tokens = 5, .width = width, .patch_inputs = 4}; }

std::vector<Index> row_of(Matrix<Index> const& chosen, Index row) { return {chosen[row].begin(), chosen[row].end()}; }

template <class Selector>
std::vector<Index> selected(Selector const& selector, std::vector<double> const& similarity, SlotContext const& context = {}) {
  std::vector<Index> chosen(static_cast<std::size_t>(selector.per_sample()), -7);
  selector.select(similarity, context, chosen);
  return chosen;
}

/// Four keys and three queries of the specification, section 2.9.
struct Example {
  Matrix<float> keys = rows_of({{1, 0}, {0, 2}, {-1, 0}, {3, 3}});
  Matrix<float> queries = rows_of({{2, 1}, {0, -1}, {1, 3}});
  Matrix<double> similarity = key_similarity(exec, queries.cview(), keys.cview());
};

}  // namespace

TEST_CASE("similarities are cosines, and the pull is the mean over the batch of their sum over the chosen slots") {
  Example const example;
  auto const want = rows_of<double>({{0.8944271910, 0.4472135955, -0.8944271910, 0.9486832981}});
  for (Index slot = 0; slot < 4; ++slot) { CHECK(std::abs(example.similarity(0, slot) - want(0, slot)) <= printed); }
  auto const chosen = pool<Pool<TopK>>(4, 2).choose(example.similarity.cview(), {});
  CHECK(row_of(chosen, 0) == std::vector<Index>{3, 0});
  CHECK(row_of(chosen, 1) == std::vector<Index>{0, 2});  // both 0: the smaller number first
  CHECK(row_of(chosen, 2) == std::vector<Index>{1, 3});
  auto d_keys = Matrix<float>::zeros({4, 2});
  double const sum = pull_keys(example.queries.cview(), chosen.cview(), example.similarity.cview(), example.keys.cview(), 1.0, d_keys.view());
  CHECK(std::abs(sum / 3.0 - 1.2287403260) <= printed);
}

TEST_CASE("a vote gives all samples the slots that most proposed; alone a sample gets its own") {
  Example const example;
  auto const voting = pool<Pool<TopK, LearnedKeys, BatchVote>>(4, 2);
  auto const chosen = voting.choose(example.similarity.cview(), {});
  for (Index b = 0; b < 3; ++b) { CHECK(row_of(chosen, b) == std::vector<Index>{0, 3}); }  // votes 2, 1, 1, 2
  auto const near = random_matrix<double>(40, 9, 5);
  auto const alone = pool<Pool<TopK, LearnedKeys, BatchVote>>(9, 3);
  auto const own = pool<Pool<TopK>>(9, 3).choose(near.cview(), {});
  for (Index b = 0; b < near.extent(0); ++b) { CHECK(row_of(alone.choose(near.cview().slice(b, 1), {}), 0) == row_of(own, b)); }
}

TEST_CASE("the k largest, of equal ones the smaller number, for every k") {
  auto const drawn = random_matrix<double>(30, 12, 3);
  for (Index b = 0; b < drawn.extent(0); ++b) {
    std::vector<double> scores;
    for (double const value : drawn[b]) { scores.push_back(std::round(value)); }  // many are equal
    std::vector<Index> order(scores.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index c) { return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(c)]; });
    for (Index k = 1; k <= 12; ++k) { CHECK(selected(TopK{k}, scores) == std::vector<Index>(order.begin(), order.begin() + k)); }
  }
}

TEST_CASE("the length of a query or a key changes nothing; of zeros the first slots are chosen") {
  auto queries = random_matrix<float>(7, 6, 1);
  auto keys = random_matrix<float>(5, 6, 2);
  auto const want = key_similarity(exec, queries.cview(), keys.cview());
  for (float& value : queries) { value *= 3.0F; }
  for (float& value : keys.view()[3]) { value *= 1e-4F; }
  auto const got = key_similarity(exec, queries.cview(), keys.cview());
  CHECK(relative_difference(got, want) <= tolerance<float>(Kind::elementwise));
  auto const prompt = pool<Pool<TopK>>(5, 3);
  CHECK(same_bits(prompt.choose(got.cview(), {}), prompt.choose(want.cview(), {})));

  for (auto const& [a, b] : {std::pair{Matrix<float>::zeros({7, 6}), keys}, {queries, Matrix<float>::zeros({5, 6})}}) {
    auto const none = key_similarity(exec, a.cview(), b.cview());
    CHECK(all_zero(none));
    CHECK(row_of(prompt.choose(none.cview(), {}), 6) == std::vector<Index>{0, 1, 2});
  }
}

TEST_CASE("whatever the similarities are, slots of the pool are chosen") {
  double const nan = std::numeric_limits<double>::quiet_NaN();
  double const infinity = std::numeric_limits<double>::infinity();
  std::vector<double> const usage{3, 0, 1, 0, 2, 9};
  for (std::vector<double> const& near : {std::vector<double>(6, nan), {nan, 0.1, nan, 0.3, 0.2, nan}, {0.5, nan, nan, nan, nan, 0.4}, {infinity, -infinity, nan, 0.0, infinity, 1.0}}) {
    for (bool const learning : {false, true}) {
      SlotContext const context{.task = 1, .learning = learning, .usage = usage};
      for (auto const& chosen : {selected(TopK{3}, near, context), selected(FrequencyPenalty{.count = 3}, near, context), selected(TaskSlice{.count = 3}, near, context)}) {
        CHECK(std::all_of(chosen.begin(), chosen.end(), [](Index slot) { return slot >= 0 && slot < 6; }));
      }
    }
  }
}

TEST_CASE("while learning, slots that earlier tasks used cost more") {
  FrequencyPenalty const penalty{.count = 2};
  std::vector<double> const near{0.9, 0.8, 0.1, -0.2};
  std::vector<double> const usage{7, 3, 0, 0};
  std::vector<double> const unused(4, 0.0);
  CHECK(selected(penalty, near, {.task = 1, .learning = true, .usage = usage}) == std::vector<Index>{2, 3});
  CHECK(selected(penalty, near, {.task = 1, .learning = false, .usage = usage}) == std::vector<Index>{0, 1});
  CHECK(selected(penalty, near, {.task = 0, .learning = true, .usage = unused}) == std::vector<Index>{0, 1});
  CHECK(selected(penalty, near, {.task = 0, .learning = true, .usage = {}}) == std::vector<Index>{0, 1});
  CHECK(selected(TopK{2}, near) == std::vector<Index>{0, 1});
  // Costs 0.0701, 0.0602, 0.0009, 0.0012.
  FrequencyPenalty const all{.count = 4};
  CHECK(selected(all, near, {.task = 1, .learning = true, .usage = usage}) == std::vector<Index>{2, 3, 1, 0});
  CHECK(selected(penalty, {0.9, 0.2}, {.task = 1, .learning = true, .usage = std::vector<double>{6, 4}}) == std::vector<Index>{0, 1});            // costs 0.0601, 0.3208
  CHECK(selected(penalty, {0.99, -0.9, 0.0}, {.task = 1, .learning = true, .usage = std::vector<double>{1, 0, 9}}) == std::vector<Index>{0, 1});  // costs 0.00101, 0.0019
  // As in the paper unused slots cost nothing: the more similar first, then the smaller number.
  FrequencyPenalty const published{.count = 4, .epsilon = 0.0};
  CHECK(selected(published, {0.9, 0.1, 0.3, 0.3}, {.task = 1, .learning = true, .usage = std::vector<double>{1, 0, 0, 0}}) == std::vector<Index>{2, 3, 1, 0});
}

namespace {

/// Keys alone that learn five tasks of queries n(mu + mu_t / 2 + z / 2 sqrt D), as the specification measured them (section 2.8).
template <class Selector>
std::map<std::string, double> usage_after_five_tasks(std::uint64_t seed) {
  constexpr Index width = 64;
  constexpr Index batch = 32;
  auto prompt = pool<Pool<Selector>>(10, 5);
  prompt.seed = seed;
  Placed<Pool<Selector>> placed(prompt, narrow(width));
  Rng const random({.seed = seed, .purpose = Purpose::augmentation});
  std::uint64_t drawn = 0;
  auto const normals = [&](double scale) {
    std::vector<double> v(width);
    for (double& value : v) { value = scale * static_cast<double>(random.normal(drawn++)); }
    return v;
  };
  auto const direction = [&] {
    auto v = normals(1.0);
    double const length = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
    for (double& value : v) { value /= length; }
    return v;
  };
  auto const common = direction();
  Adam const adam;
  for (Index task = 0; task < 5; ++task) {
    placed.begin(task);
    auto hook = placed.prompt.learning_hook(exec, placed.state);
    auto const own = direction();
    auto gradients = placed.store();
    auto moments = adam.start(gradients);
    std::vector<ParameterUpdate> updates;
    for (ParameterSpan const& span : placed.store().trainable()) { updates.push_back({.span = span, .rate = 1.875e-3}); }
    for (int step = 0; step < 150; ++step) {
      Matrix<float> queries({batch, width});
      for (Index b = 0; b < batch; ++b) {
        auto const noise = normals(0.5 / std::sqrt(static_cast<double>(width)));
        for (Index i = 0; i < width; ++i) {
          auto const at = static_cast<std::size_t>(i);
          queries(b, i) = static_cast<float>(common[at] + 0.5 * own[at] + noise[at]);
        }
      }
      hook.prepare(queries.cview(), {});
      static_cast<void>(hook.own_loss(1.0));
      hook.collect(gradients);
      adam.step(HostExecutor<>{}, moments, placed.store(), std::as_const(gradients).values(), updates);
      hook.refresh(placed.store());
    }
    hook.finish(placed.state);
    placed.end(task);
  }
  auto const measures = placed.prompt.measures(placed.state);
  return {measures.begin(), measures.end()};
}

}  // namespace

TEST_CASE("five tasks collapse to a few slots of a plain pool, and use all of one whose used slots cost more") {
  constexpr int seeds = 5;
  double slots = 0.0;
  double entropy = 0.0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    auto const plain = usage_after_five_tasks<TopK>(seed);
    slots += plain.at("training slots used") / seeds;
    entropy += plain.at("training usage entropy") / seeds;
    auto const penalised = usage_after_five_tasks<FrequencyPenalty>(seed);
    CHECK(penalised.at("training slots used") == 10.0);
    CHECK(penalised.at("training usage entropy") >= 0.95);
  }
  CHECK(slots <= 8.0);
  CHECK(std::abs(entropy - 0.78) <= 0.05);  // the reference drew five seeds of its own
}

TEST_CASE("a task learns on its slice; afterwards the slots of the tasks begun compete, by similarity") {
  Placed<Pool<TaskSlice>> placed(pool<Pool<TaskSlice>>(8, 2), narrow(6), 2);
  auto const keys = std::as_const(placed.store()).view<2>(Pool<TaskSlice>::keys_segment);
  auto const near = key_similarity(exec, keys, keys);  // each query is a key
  auto const learning = placed.prompt.choose(near.cview(), {.task = 1, .learning = true, .usage = {}});
  for (Index b = 0; b < 8; ++b) { CHECK(row_of(learning, b) == std::vector<Index>{2, 3}); }
  for (auto const* const name : {&Pool<TaskSlice>::pool_segment, &Pool<TaskSlice>::keys_segment}) {
    CHECK(placed.store().segment(*name).first_trainable == 2);
    CHECK(placed.store().segment(*name).trainable_rows == 2);
  }

  auto const chosen = placed.prompt.chosen_slots(exec, placed.state, keys);
  for (Index b = 0; b < 8; ++b) {
    auto const mine = row_of(chosen, b);
    CHECK(mine[0] != mine[1]);
    for (Index const slot : mine) { CHECK(slot < 4); }
    if (b < 4) { CHECK(mine[0] == b); }
    CHECK(near(b, mine[0]) >= near(b, mine[1]));
    for (Index slot = 0; slot < 4; ++slot) { CHECK((near(b, slot) <= near(b, mine[1]) || slot == mine[0])); }
  }
  CHECK(row_of(placed.prompt.slots_of(std::vector<Index>{1, 0, 3}), 2) == std::vector<Index>{6, 7});

  Placed<Pool<TopK>> shared(pool<Pool<TopK>>(8, 2), narrow(6), 1);
  auto const all = std::as_const(shared.store()).view<2>(Pool<TopK>::keys_segment);
  CHECK(row_of(shared.prompt.chosen_slots(exec, shared.state, all), 7)[0] == 7);  // a pool without slices competes as a whole
  CHECK(shared.store().segment(Pool<TopK>::pool_segment).trainable_rows == 8);
}

TEST_CASE("a given slice goes before a vote, a vote before one's own slots") {
  using Voting = Pool<TaskSlice, LearnedKeys, BatchVote>;
  auto const prompt = pool<Voting>(4, 1);
  auto const near = rows_of<double>({{0.9, 0.1, 0.0, 0.0}, {0.0, 0.2, 0.1, 0.0}, {0.0, 0.3, 0.0, 0.9}});
  auto const learning = prompt.choose(near.cview(), {.task = 2, .learning = true, .usage = {}});
  auto const judged = prompt.choose(near.cview(), {.task = 2, .learning = false, .usage = {}});
  for (Index b = 0; b < 3; ++b) {
    CHECK(learning(b, 0) == 2);
    CHECK(judged(b, 0) == 1);
  }
}

TEST_CASE("a slice may begin as a copy of the one before, prompts and keys apart") {
  for (bool const prompts : {false, true}) {
    for (bool const keys : {false, true}) {
      auto prompt = pool<Pool<TaskSlice>>(4, 2);
      prompt.selector.copy_prompts = prompts;
      prompt.selector.copy_keys = keys;
      Placed<Pool<TaskSlice>> placed(prompt, narrow(6), 1);
      auto const before = placed.store();
      placed.begin(1);
      auto const check = [&](std::string_view name, bool copied) {
        auto const was = numbers_of(before, name);
        auto const is = numbers_of(std::as_const(placed.store()), name);
        Index const slice = was.size() / 2;
        CHECK(same_bits(is.slice(0, slice), was.slice(0, slice)));
        CHECK(same_bits(is.slice(slice, slice), was.slice(copied ? 0 : slice, slice)));
      };
      check(Pool<TaskSlice>::pool_segment, prompts);
      check(Pool<TaskSlice>::keys_segment, keys);
    }
  }
  Placed<Pool<TaskSlice>> third(pool<Pool<TaskSlice>>(6, 2), narrow(6), 1);  // the first slice is not the one before for ever
  third.begin(1);
  auto const all = third.store().values();
  std::iota(all.begin(), all.end(), 0.0F);
  auto const before = third.store();
  third.begin(2);
  auto const was = numbers_of(before, Pool<TaskSlice>::pool_segment);
  auto const is = numbers_of(std::as_const(third.store()), Pool<TaskSlice>::pool_segment);
  Index const slice = was.size() / 3;
  CHECK(same_bits(is.slice(2 * slice, slice), was.slice(slice, slice)));
  CHECK_FALSE(same_bits(is.slice(2 * slice, slice), was.slice(0, slice)));
}

TEST_CASE("prompts and keys begin within [0, 0.01) as published, or as the toolboxes' within [-1, 1), or normal") {
  auto const place = narrow(50);
  auto const begun = [&](RowsInit const& initial) {
    auto prompt = pool<Pool<TopK>>(40, 2);
    prompt.initial = initial;
    return Placed<Pool<TopK>>(prompt, place, 1).store();
  };
  for (auto const& [initial, low, high] : {std::tuple{RowsInit{}, 0.0F, 0.01F}, {RowsInit{.low = -1.0, .high = 1.0}, -1.0F, 1.0F}}) {
    auto const store = begun(initial);
    for (std::string_view const name : {Pool<TopK>::pool_segment, Pool<TopK>::keys_segment}) {
      auto const values = numbers_of(store, name);
      auto const [least, most] = std::minmax_element(values.begin(), values.end());
      float const tenth = (high - low) / 10.0F;
      CHECK((*least >= low && *least < low + tenth));
      CHECK((high > *most && high - tenth < *most));
    }
    CHECK_FALSE(same_bits(numbers_of(store, Pool<TopK>::pool_segment), numbers_of(store, Pool<TopK>::keys_segment)));
  }
  auto other = pool<Pool<TopK>>(40, 2);
  other.seed = 7;
  CHECK_FALSE(Placed<Pool<TopK>>(other, place, 1).store() == begun(other.initial));
  auto const normal = begun({.law = RowsInit::Law::normal, .high = 0.01});
  auto const values = numbers_of(normal, Pool<TopK>::keys_segment);
  auto const count = static_cast<double>(values.size());
  double const deviation = std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0) / count);
  CHECK(std::abs(deviation - 0.01) <= 0.01 * 5.0 / std::sqrt(2.0 * count));  // five standard errors
}

TEST_CASE("a pool grows by the slots a task needs, which begin as those of a larger pool") {
  auto prompt = pool<Pool<TaskSlice>>(2, 2);
  prompt.selector.copy_prompts = false;
  Placed<Pool<TaskSlice>> placed(prompt, narrow(6), 1);
  CHECK(placed.state.slots() == 2);
  placed.begin(1);
  CHECK(placed.state.slots() == 4);
  placed.begin(2);
  CHECK(placed.state.slots() == 6);
  CHECK(placed.store().segment(Pool<TaskSlice>::keys_segment).first_trainable == 4);
  prompt.pool = 6;
  Placed<Pool<TaskSlice>> large(prompt, narrow(6), 3);
  CHECK(placed.store() == large.store());

  prompt.pool = 7;
  Placed<Pool<TaskSlice>> enough(prompt, narrow(6), 3);
  CHECK(enough.state.slots() == 7);
}

TEST_CASE("a fixed pool without room, or one smaller than what a picture gets, is refused and nothing has changed") {
  using Fixed = Pool<TaskSlice, LearnedKeys, Instance, FixedPool>;
  Placed<Fixed> placed(pool<Fixed>(3, 2), narrow(6), 1);
  auto const before = placed.store();
  CHECK_THROWS_WITH_AS(placed.begin(1), doctest::Contains("task 1 needs 4 slots of a pool of 3"), ValueError);
  CHECK(placed.store() == before);
  CHECK(placed.state.task() == 0);

  Placed<Pool<TopK>> small(pool<Pool<TopK>>(4, 5), narrow(6));
  CHECK_THROWS_WITH_AS(small.begin(0), doctest::Contains("a picture gets 5 prompts of a pool of 4"), ValueError);
  CHECK(small.store().size() == 0);
  CHECK(small.state.task() == -1);
}

TEST_CASE("keys of class means: a slot is as near as the nearest class of its task, and later tasks move none") {
  using Means = Pool<TaskSlice, ClassMeanKeys>;
  Placed<Means> placed(pool<Means>(4, 2), narrow(2), 1);
  auto const teach = [&](std::vector<std::vector<float>> const& queries, std::vector<Index> const& labels) {
    auto hook = placed.prompt.learning_hook(exec, placed.state);
    hook.prepare(rows_of(queries).cview(), labels);
    CHECK(hook.own_loss(1.0) == 0.0);
    auto gradients = placed.store();
    hook.collect(gradients);
    auto const d_keys = numbers_of(gradients, Means::keys_segment);
    CHECK(all_zero(d_keys));
    hook.finish(placed.state);
  };
  auto const near = [&](std::vector<float> const& query) { return row_of(placed.prompt.chosen_slots(exec, placed.state, rows_of({query}).cview()), 0); };
  CHECK(placed.store().segment(Means::keys_segment).trainable_rows == 0);
  teach({{3, 1}, {0, 2}, {1, -1}}, {0, 1, 0});  // towards (1, 0) and (0, 1)
  placed.begin(1);
  teach({{-1, 0}, {-5, 0}, {0, -9}, {0, 1}}, {2, 2, 0, 3});  // class 0 is of task 0 and has moved to (4, -9)
  CHECK(near({-1, 0.1F}) == std::vector<Index>{2, 3});
  CHECK(near({0.4F, -0.9F}) == std::vector<Index>{0, 1});
  CHECK(near({0.5F, 0.9F}) == std::vector<Index>{0, 1});  // class 1 is as near as class 3, which came later
  placed.begin(2);                                        // of which nothing is known yet
  CHECK(near({-1, 0.1F}) == std::vector<Index>{2, 3});

  QueryMeans means;
  auto const query = rows_of({{1, 1}});
  means.add(7, 0, rows_of({{0, 1}}).cview()[0]);
  means.add(7, 1, rows_of({{6, 1}}).cview()[0]);
  means.add(5, 1, rows_of({{-3, 0}}).cview()[0]);
  std::vector<double> cosines(3);
  means.nearest(query.cview()[0], cosines);
  CHECK(std::abs(cosines[0] - 8.0 / std::sqrt(2.0 * 40.0)) <= tolerance<double>(Kind::softmax));
  CHECK(std::abs(cosines[1] + std::sqrt(0.5)) <= tolerance<double>(Kind::softmax));
  CHECK(cosines[2] == -1.0);
}

TEST_CASE("frozen keys have no pull, no gradient, and nothing that learns") {
  using Frozen = Pool<TopK, FrozenKeys>;
  Placed<Frozen> placed(pool<Frozen>(6, 2), narrow(4), 1);
  CHECK(placed.store().segment(Frozen::keys_segment).trainable_rows == 0);
  CHECK(placed.store().segment(Frozen::pool_segment).trainable_rows == 6);
  auto hook = placed.prompt.learning_hook(exec, placed.state);
  hook.prepare(random_matrix<float>(5, 4, 1).cview(), {});
  CHECK(hook.own_loss(1.0) == 0.0);
  auto gradients = placed.store();
  hook.collect(gradients);
  auto const d_keys = numbers_of(gradients, Frozen::keys_segment);
  CHECK(all_zero(d_keys));
}

TEST_CASE("choices are counted by task while learning, and only those of earlier tasks cost") {
  Placed<Pool<FrequencyPenalty>> placed(pool<Pool<FrequencyPenalty>>(4, 2), narrow(4));
  auto const queries = rows_of({{1, 2, -1, 0}, {1, 2, -1, 0}, {1, 2, -1, 0}});
  std::vector<std::vector<Index>> seen;
  for (Index task = 0; task < 2; ++task) {
    placed.begin(task);
    auto hook = placed.prompt.learning_hook(exec, placed.state);
    for (int batch = 0; batch < 2; ++batch) { hook.prepare(queries.cview(), {}); }  // the second finds the first's choices without effect
    hook.finish(placed.state);
    seen.push_back(placed.state.usage().back());
    CHECK(placed.state.usage().size() == static_cast<std::size_t>(task) + 1);
    CHECK(std::count(seen.back().begin(), seen.back().end(), Index{6}) == 2);
  }
  CHECK(seen[0] == placed.state.usage()[0]);
  CHECK(seen[1] != seen[0]);
}

}  // namespace accrete::test::select_test
