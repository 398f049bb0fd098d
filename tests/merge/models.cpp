#include "support/tolerances.hpp"

#include <accrete/head/united_classes.hpp>
#include <accrete/merge/models.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace accrete::test::models_test {

namespace {

Vector<float> of(std::vector<float> const& list) {
  Vector<float> vector({static_cast<Index>(list.size())});
  std::copy(list.begin(), list.end(), vector.begin());
  return vector;
}

std::vector<float> interpolated(std::vector<float> const& a, std::vector<float> const& b, double weight) {
  Vector<float> to = of(a);
  interpolate_models(to.view(), of(b).cview(), weight);
  return {to.begin(), to.end()};
}

bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) { return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y); });
}

struct Weighed {
  std::vector<float> values;
  std::vector<float> fisher;
};

Weighed weighed(std::vector<float> const& a, std::vector<float> const& b, std::vector<float> const& fisher_a, std::vector<float> const& fisher_b) {
  Vector<float> to = of(a);
  Vector<float> sum = of(fisher_a);
  weigh_models_by_fisher(to.view(), of(b).cview(), sum.view(), of(fisher_b).cview());
  return {{to.begin(), to.end()}, {sum.begin(), sum.end()}};
}

ParameterStore<float> store_of(std::vector<ParameterSegment> const& segments, float first) {
  ParameterStore<float> store;
  for (ParameterSegment const& segment : segments) {
    ParameterSegment all = segment;
    all.trainable_rows = all.shape[0];
    auto const number = store.add(all);
    for (float& x : store.view(store.trainable_of(number))) { x = first++; }
  }
  return store;
}

std::vector<float> values(ParameterStore<float> const& store, std::string const& name) {
  auto const part = store.values().slice(store.offset(name), store.segment(name).elements());
  return {part.begin(), part.end()};
}

ClassMap classes_of(std::vector<std::pair<std::string, Index>> const& list) {
  ClassMap classes;
  for (auto const& [name, task] : list) { classes.add(name, task); }
  return classes;
}

std::vector<float> const some{0.1F, -0.0F, 3.0e-39F, 1.0F, -7.25F, 3.4e38F};
std::vector<float> const others{-0.7F, 0.0F, 1.0F, 1.0000001F, -7.25F, -3.4e38F};

}  // namespace

TEST_CASE("a weight of 0 leaves the first's bits, 1 gives the second's, and what is between lies between") {
  CHECK(same_bits(interpolated(some, others, 0.0), some));
  CHECK(same_bits(interpolated(some, others, 1.0), others));
  CHECK(same_bits(interpolated(others, some, 1.0), some));
  for (double const weight : {1e-9, 0.01, 0.5, 0.99, 1.0 - 1e-16}) {
    auto const got = interpolated(some, others, weight);
    for (std::size_t i = 0; i < got.size(); ++i) {
      double const want = static_cast<double>(some[i]) + weight * (static_cast<double>(others[i]) - static_cast<double>(some[i]));
      CHECK(got[i] == static_cast<float>(want));
      CHECK(got[i] >= std::min(some[i], others[i]));
      CHECK(got[i] <= std::max(some[i], others[i]));
    }
  }
  Vector<float> short_one({2});
  CHECK_THROWS_AS(interpolate_models(short_one.view(), of(some).cview(), 0.5), ShapeError);
}

TEST_CASE("the order in which models come does not change their mean") {
  std::vector<std::vector<float>> models{{1.0F, -2.5F, 0.3F}, {0.1F, 8.0F, 0.3F}, {-4.0F, 0.7F, 0.3F}, {2.2F, 1.0F, 0.3F}};
  std::vector<std::vector<float>> const all = models;
  std::sort(models.begin(), models.end());
  do {
    auto mean = models.front();
    for (std::size_t n = 1; n < models.size(); ++n) { mean = interpolated(mean, models[n], 1.0 / static_cast<double>(n + 1)); }
    for (std::size_t i = 0; i < mean.size(); ++i) {
      double want = 0.0;
      for (auto const& model : all) { want += static_cast<double>(model[i]) / 4.0; }
      CHECK(std::abs(static_cast<double>(mean[i]) - want) < tolerance<float>(Kind::trajectory));
    }
  } while (std::next_permutation(models.begin(), models.end()));
}

TEST_CASE("where slots belong to tasks, one model must have learned the tasks of the other") {
  ClassMap const longer = classes_of({{"ant", 0}, {"bee", 0}, {"cat", 1}});
  CHECK_NOTHROW(check_same_tasks(classes_of({{"ant", 0}, {"bee", 0}}), longer));
  CHECK_NOTHROW(check_same_tasks(longer, classes_of({{"ant", 0}, {"bee", 0}})));
  CHECK_THROWS_WITH_AS(check_same_tasks(longer, classes_of({{"ant", 0}, {"dog", 0}})), doctest::Contains("'bee' of task 0 in one and 'dog'"), ValueError);
  CHECK_THROWS_AS(check_same_tasks(longer, classes_of({{"ant", 0}, {"bee", 0}, {"cat", 2}})), ValueError);
}

TEST_CASE("the mean counts how many models know a class, whatever comes first") {
  ClassMap const a = classes_of({{"ant", 0}, {"bee", 0}});
  ClassMap const b = classes_of({{"bee", 0}, {"cat", 0}});
  ClassMap const c = classes_of({{"cat", 0}, {"dog", 0}, {"ant", 1}});
  MeanWeights weights(a);
  CHECK(weights.next({}, b).class_weights == std::vector<double>{0.5, 1.0});
  ModelMerge const third = weights.next({.rule = ModelRule::fisher, .only = {"head"}}, c);
  CHECK(third.weight == 1.0 / 3.0);
  CHECK(third.class_weights == std::vector<double>{0.5, 1.0, 0.5});
  CHECK(third.rule == ModelRule::fisher);
  CHECK(third.only == std::vector<std::string>{"head"});
}

TEST_CASE("Fisher information weighs: its sum stays, equal ones give the mean, none gives the mean, the larger one wins") {
  auto const got = weighed({1.0F, 1.0F, 1.0F, 1.0F}, {3.0F, 3.0F, 3.0F, 2.0F}, {3.0F, 0.25F, 0.0F, 1e-4F}, {1.0F, 0.25F, 0.0F, 0.0F});
  CHECK(got.values == std::vector<float>{1.5F, 2.0F, 2.0F, 1.0F});
  CHECK(got.fisher == std::vector<float>{4.0F, 0.5F, 0.0F, 1e-4F});
  for (float const f : {0.0F, 1e-30F, 1e-12F, 1.0F, 1e30F}) {
    auto const mean = interpolated(some, others, 0.5);
    auto const equal = weighed(some, others, std::vector<float>(some.size(), f), std::vector<float>(some.size(), f)).values;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      CHECK(equal[i] >= std::nextafter(mean[i], -std::numeric_limits<float>::infinity()));
      CHECK(equal[i] <= std::nextafter(mean[i], std::numeric_limits<float>::infinity()));
    }
  }
  auto const between = weighed(some, others, {1e-4F, 1e-30F, 0.3F, 7.0F, 2.0F, 1e20F}, {1e-20F, 2.0F, 0.1F, 1e-4F, 3.0F, 1e20F}).values;
  for (std::size_t i = 0; i < between.size(); ++i) { CHECK((between[i] >= std::min(some[i], others[i]) && between[i] <= std::max(some[i], others[i]))); }
  Vector<float> two({2});
  CHECK_THROWS_AS(weigh_models_by_fisher(two.view(), two.cview(), two.view(), of({1.0F}).cview()), ShapeError);
}

TEST_CASE("patterns take what their stars allow, or a role") {
  CHECK(matches_pattern("*", ""));
  CHECK(matches_pattern("blocks.*.attn.*", "blocks.11.attn.qkv.weight"));
  CHECK(matches_pattern("*.a", "blocks.0.mlp.fc1.a"));
  CHECK(matches_pattern("*ab*ab", "abxabab"));
  CHECK_FALSE(matches_pattern("*ab*ab", "ab"));
  CHECK_FALSE(matches_pattern("blocks.1.*", "blocks.11.norm"));
  CHECK_FALSE(matches_pattern("norm", "norm.weight"));
  CHECK_FALSE(matches_pattern("", "x"));
  ParameterSegment const segment{.name = "blocks.0.norm1.weight", .shape = {3}, .role = "trunk"};
  CHECK(ModelMerge{}.takes(segment));
  CHECK(ModelMerge{.only = {"prompt", "trunk"}}.takes(segment));
  CHECK(ModelMerge{.only = {"*norm*"}}.takes(segment));
  CHECK_FALSE(ModelMerge{.only = {"tru*", "prompt"}}.takes(segment));
  ParameterStore<float> const store = store_of({segment}, 0.0F);
  std::vector<ParameterStore<float> const*> const stores{&store};
  CHECK_NOTHROW(check_patterns({.only = {"trunk", "*.weight"}}, stores));
  CHECK_THROWS_WITH_AS(check_patterns({.only = {"trunk", "neck"}}, stores), doctest::Contains("'neck'"), ValueError);
}

TEST_CASE("weights are checked") {
  double const nan = std::numeric_limits<double>::quiet_NaN();
  for (double const bad : {-0.1, 1.5, nan}) {
    CHECK_THROWS_AS(ModelMerge{.weight = bad}.check(1), ValueError);
    CHECK_THROWS_AS((ModelMerge{.class_weights = {bad}}.check(1)), ValueError);
  }
  CHECK_THROWS_AS((ModelMerge{.class_weights = {0.5}}.check(2)), ShapeError);
  CHECK_NOTHROW(ModelMerge{.weight = 1.0}.check(2));
}

TEST_CASE("stores merge segment by segment; rows that only one has are taken over") {
  ParameterStore<float> const a = store_of({{.name = "pool", .shape = {1, 2}, .role = "prompt"}, {.name = "keys", .shape = {3}, .role = "prompt"}}, 0.0F);
  ParameterStore<float> const b = store_of({{.name = "pool", .shape = {2, 2}, .role = "prompt"}, {.name = "keys", .shape = {2}, .role = "prompt"}}, 10.0F);
  Index tensors = 0;
  Index numbers = 0;
  auto const merged = merged_models("prompts", a, b, {.weight = 0.25}, tensors, numbers);
  CHECK(values(merged, "pool") == std::vector<float>{2.5F, 3.5F, 12.0F, 13.0F});
  CHECK(values(merged, "keys") == std::vector<float>{5.0F, 6.0F, 4.0F});
  CHECK(merged.segment("pool").trainable_rows == 2);
  CHECK(tensors == 2);
  CHECK(numbers == 4);
  CHECK(has_more_rows("prompts", a, b));
  CHECK_FALSE(has_more_rows("prompts", a, b, {.only = {"keys"}}));
  auto const kept = merged_models("prompts", a, b, {.only = {"keys"}}, tensors, numbers);
  CHECK(values(kept, "pool") == values(a, "pool"));
  CHECK_THROWS_WITH_AS(check_same_segments("the tunings", a, b), doctest::Contains("pool [1, 2] and pool [2, 2]"), ValueError);
  ParameterStore<float> const wider = store_of({{.name = "pool", .shape = {1, 3}, .role = "prompt"}, {.name = "keys", .shape = {3}, .role = "prompt"}}, 0.0F);
  CHECK_THROWS_AS(static_cast<void>(merged_models("prompts", a, wider, {}, tensors, numbers)), ValueError);
  ParameterStore<float> const renamed = store_of({{.name = "pool", .shape = {1, 2}, .role = "prompt"}, {.name = "key", .shape = {3}, .role = "prompt"}}, 0.0F);
  CHECK_THROWS_AS(static_cast<void>(merged_models("prompts", a, renamed, {}, tensors, numbers)), ValueError);
}

TEST_CASE("spans with Fisher information are weighed by it, the others by the rule") {
  std::vector<ParameterSegment> const segments{{.name = "x", .shape = {2}, .role = "trunk"}, {.name = "y", .shape = {1}, .role = "trunk"}, {.name = "z", .shape = {1}, .role = "trunk"}};
  ParameterStore<float> const a = store_of(segments, 0.0F);
  ParameterStore<float> const b = store_of(segments, 4.0F);
  std::vector<ParameterSpan> const spans{a.trainable_of(0), a.trainable_of(2)};
  ModelMerge const how{.rule = ModelRule::fisher, .only = {"x", "y"}};
  Index nothing = 0;
  auto merged = merged_models("tunings", a, b, how, nothing, nothing);
  Vector<float> fisher = of({3.0F, 1.0F, 1.0F});
  merge_spans_by_fisher(merged, a, spans, b, spans, fisher.view(), of({1.0F, 3.0F, 1.0F}).cview(), how);
  CHECK(values(merged, "x") == std::vector<float>{1.0F, 4.0F});
  CHECK(values(merged, "y") == std::vector<float>{4.0F});
  CHECK(values(merged, "z") == values(a, "z"));
  CHECK(std::vector<float>(fisher.begin(), fisher.end()) == std::vector<float>{4.0F, 4.0F, 1.0F});
  auto const before = merged;
  CHECK_THROWS_WITH_AS(merge_spans_by_fisher(merged, a, spans, b, spans, fisher.view(), of({1.0F}).cview(), how), doctest::Contains("1 for 3"), ValueError);
  CHECK(merged == before);
}

TEST_CASE("rows unite by class: blocks of new classes follow, whatever blocks the known ones lie in") {
  auto const block = [](Index task, Index rows) { return ParameterSegment{.name = HeadBlock::weight_name(task), .shape = {rows, 2}, .role = "head", .task = task}; };
  ParameterSegment const scale{.name = "head.scale", .shape = {1}, .role = "head"};
  ParameterStore<float> const a = store_of({block(0, 2), scale, block(2, 1)}, 0.0F);                 // ant 0 1, bee 2 3, scale 4, cat 5 6
  ParameterStore<float> const b = store_of({block(0, 1), scale, block(1, 2), block(3, 1)}, 100.0F);  // dog 100 101, scale 102, cat 103 104, elk 105 106, bee 107 108
  ClassMap const first = classes_of({{"ant", 0}, {"bee", 0}, {"cat", 2}});
  ClassMap const second = classes_of({{"dog", 0}, {"cat", 1}, {"elk", 1}, {"bee", 3}});
  UnitedClasses const united = unite_classes(first, 3, second, {});
  CHECK(united.classes.names() == std::vector<std::string>{"ant", "bee", "cat", "dog", "elk"});
  CHECK(united.classes.tasks() == std::vector<Index>{0, 0, 2, 3, 4});
  CHECK(united.columns == std::vector<Index>{3, 2, 4, 1});
  CHECK(united.tasks == std::vector<TaskInfo>{{3, 3, 1}, {4, 4, 1}});
  CHECK(united.both() == 2);
  CHECK(united.added() == 2);

  auto const merged = united_blocks(a, b, united, {.weight = 0.5, .class_weights = {0.5, 0.5, 0.5, 0.25}});
  CHECK(values(merged, "head.0.weight") == std::vector<float>{0.0F, 1.0F, 28.25F, 29.25F});
  CHECK(values(merged, "head.2.weight") == std::vector<float>{54.0F, 55.0F});
  CHECK(values(merged, "head.3.weight") == std::vector<float>{100.0F, 101.0F});
  CHECK(values(merged, "head.4.weight") == std::vector<float>{105.0F, 106.0F});
  CHECK(values(merged, "head.scale") == std::vector<float>{53.0F});

  ModelMerge const some_rows{.only = {"head.0.*", "head.4.*"}};
  UnitedClasses const part = unite_classes(first, 4, second, some_rows);
  CHECK(part.columns == std::vector<Index>{3, 2, -1, 1});
  CHECK(merged_rows(a, part, some_rows) == 1);
  auto const partly = united_blocks(a, b, part, some_rows);
  CHECK(values(partly, "head.2.weight") == values(a, "head.2.weight"));
  CHECK(values(partly, "head.0.weight") == std::vector<float>{0.0F, 1.0F, 54.5F, 55.5F});
  CHECK(partly.contains("head.4.weight"));

  ParameterStore<float> const biased = store_of({block(0, 4), {.name = HeadBlock::bias_name(0), .shape = {4}, .role = "head", .task = 0}}, 0.0F);
  CHECK_THROWS_AS(static_cast<void>(united_blocks(a, biased, united, {})), ValueError);
}

}  // namespace accrete::test::models_test
