#include "prompt/prompt_files.hpp"
#include "prompt/prompted_learning.hpp"
#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"
#include "support/training_checks.hpp"
#include "support/vit_checks.hpp"

#include <accrete/kernels/attention.hpp>
#include <accrete/prompt/key_query.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test::key_query_test {

namespace {

HostExecutor<> const exec{.threads = 2};

using L2p = KeyQueryPrompt<InputTokens<ReadsPrompt>>;
using Slices = KeyQueryPrompt<InputTokens<ReadsPrompt>, TaskSlice>;
using Dual = GeneralExpertPrompt<>;

constexpr RowsInit wide{.low = -1.0, .high = 1.0};

/// Two of six prompts of three rows.
L2p l2p() {
  L2p prompt;
  prompt.pool = 6;
  prompt.placement.length = 3;
  prompt.selector.count = 2;
  prompt.initial = wide;
  return prompt;
}

/// General rows in blocks 0 and 1, experts in 1 and 2.
/// @param[in] copies  whether the prompts of a task begin as those of the task before
template <class Prompt = Dual>
Prompt dual(bool copies = true) {
  Prompt prompt;
  prompt.pool = 3;
  prompt.placement = {.length = 3, .first = 1, .blocks = 2};
  prompt.general.placement = {.length = 2, .first = 0, .blocks = 2};
  prompt.selector.copy_prompts = copies;
  prompt.initial = wide;
  return prompt;
}

/// The numbers of one row of a segment.
template <class Store>
auto row_of(Store& store, std::string_view segment, Index row) {
  auto const all = numbers_of(store, segment);
  Index const each = all.size() / store.segment(segment).shape[0];
  return all.slice(row * each, each);
}

/// Rows [first, first + count) of a slot of a pool for each sample.
Tensor<float, 3> rows_of_slots(ParameterStore<float> const& store, Matrix<Index> const& chosen, Index first, Index count) {
  auto const pool = store.view<3>(L2p::pool_segment);
  Tensor<float, 3> rows({chosen.extent(0), chosen.extent(1) * count, pool.extent(2)});
  float* to = rows.data();
  for (Index const slot : chosen) { to = std::copy_n(pool[slot].slice(first, count).data(), count * pool.extent(2), to); }
  return rows;
}

/// [B, a + b, D] of [B, a, D] and [B, b, D].
Tensor<float, 3> behind_each_other(Tensor<float, 3> const& a, Tensor<float, 3> const& b) {
  Tensor<float, 3> both({a.extent(0), a.extent(1) + b.extent(1), a.extent(2)});
  for (Index i = 0; i < a.extent(0); ++i) { std::copy(b[i].begin(), b[i].end(), std::copy(a[i].begin(), a[i].end(), both[i].begin())); }
  return both;
}

template <class Prompt>
Matrix<float> features(Vit<> const& vit, Placed<Prompt> const& placed, Tensor<float, 4> const& images, Matrix<Index> const& chosen) {
  return Prompted(vit, placed.prompt, placed.state).features_in_slots(exec, images.cview(), chosen.cview());
}

}  // namespace

TEST_CASE("the gradient of the pull is that of a cosine") {
  auto const query = rows_of({{1, 0}});
  auto const key = rows_of({{3, 4}});
  auto d_key = Matrix<float>::zeros({1, 2});
  CHECK(pull_keys(query.cview(), Matrix<Index>::zeros({1, 1}).cview(), key_similarity(exec, query.cview(), key.cview()).cview(), key.cview(), -1.0, d_key.view()) == doctest::Approx(0.6));
  CHECK(relative_difference(d_key, rows_of<double>({{0.128, -0.096}})) <= tolerance<float>(Kind::elementwise));

  auto const queries = random_matrix<float>(6, 9, 1);
  auto keys = random_matrix<double>(5, 9, 2);
  Matrix<float> narrow(keys.shape());
  for (Index i = 0; i < keys.size(); ++i) { keys.data()[i] = narrow.data()[i] = static_cast<float>(keys.data()[i]); }
  Matrix<Index> chosen({6, 2});
  for (Index i = 0; i < chosen.size(); ++i) { chosen.data()[i] = (i * i + 1) % 4; }  // never slot 4
  auto const loss = [&] {
    double sum = 0.0;
    for (Index b = 0; b < 6; ++b) {
      for (Index const slot : chosen[b]) {
        double product = 0.0;
        double squares = 0.0;
        double length = 0.0;
        for (Index i = 0; i < 9; ++i) {
          product += static_cast<double>(queries(b, i)) * keys(slot, i);
          squares += keys(slot, i) * keys(slot, i);
          length += static_cast<double>(queries(b, i)) * static_cast<double>(queries(b, i));
        }
        sum -= 0.7 * product / std::sqrt(squares * length);
      }
    }
    return sum;
  };
  auto const want = central_differences(keys.view().reshaped<1>({keys.size()}), loss);
  auto d_keys = Matrix<float>::zeros(keys.shape());
  double const sum = pull_keys(queries.cview(), chosen.cview(), key_similarity(exec, queries.cview(), narrow.cview()).cview(), narrow.cview(), 0.7, d_keys.view());
  CHECK(-0.7 * sum == doctest::Approx(loss()));
  CHECK(relative_difference(d_keys.view().reshaped<1>({keys.size()}), want) <= tolerance<float>(Kind::sum));
  CHECK(all_zero(d_keys[4]));
}

TEST_CASE("twice the pull is twice the gradient of the keys and the same of the prompts; slots that nobody chose have none") {
  auto const vit = plain_network();
  auto const images = many_images(5, vit.shape());
  auto prompt = l2p();
  PromptedLearning<L2p> once(vit, prompt);
  prompt.keys.pull = 2.0;
  PromptedLearning<L2p> twice(vit, prompt);
  for (auto* const learning : {&once, &twice}) {
    learning->begin_task(0);
    learning->pass(images, {0, 1, 1, 0, 1});
  }
  auto const chosen = once.prompt.chosen_slots(exec, once.state, vit.features(exec, images).cview());
  CHECK(twice.own_loss() == 2.0 * once.own_loss());
  CHECK(once.own_loss() < 0.0);
  for (Index slot = 0; slot < 6; ++slot) {
    CAPTURE(slot);
    bool const used = std::count(chosen.begin(), chosen.end(), slot) > 0;
    CHECK(all_zero(row_of(once.gradients(), L2p::pool_segment, slot)) == !used);
    auto const keys = row_of(once.gradients(), L2p::keys_segment, slot);
    CHECK(all_zero(keys) == !used);
    auto const doubled = row_of(twice.gradients(), L2p::keys_segment, slot);
    CHECK(std::equal(keys.begin(), keys.end(), doubled.begin(), [](float a, float b) { return b == 2.0F * a; }));
  }
  CHECK(same_bits(numbers_of(once.gradients(), L2p::pool_segment), numbers_of(twice.gradients(), L2p::pool_segment)));
}

TEST_CASE("L2P: the feature is the mean of the prompts' own rows behind the final norm, in whatever order they stand") {
  auto const vit = plain_network();
  auto const images = many_images(5, vit.shape());
  Placed<L2p> const placed(l2p(), prompt_place(vit), 1);
  auto const chosen = placed.prompt.chosen_slots(exec, placed.state, vit.features(exec, images).cview());
  GradientHook<HostExecutor<>> by_hand(exec);
  by_hand.prompts.push_back(rows_of_slots(placed.state.parameters(), chosen, 0, 3));
  auto const rows = vit.forward(exec, vit.embed(exec, images), by_hand);
  REQUIRE(rows.shape() == Shape<3>{5, 6 + 17, 36});
  auto want = Matrix<double>::zeros({5, 36});
  for (Index b = 0; b < 5; ++b) {
    for (Index row = 0; row < 6; ++row) {
      for (Index i = 0; i < 36; ++i) { want(b, i) += static_cast<double>(rows(b, row, i)) / 6.0; }
    }
  }
  auto const got = Prompted(vit, placed.prompt, placed.state).features(exec, images.cview());
  CHECK(relative_difference(got, want) <= tolerance<float>(Kind::sum));
  CHECK(same_bits(got, features(vit, placed, images, chosen)));

  auto turned = chosen;
  for (Index b = 0; b < 5; ++b) { std::swap(turned(b, 0), turned(b, 1)); }
  CHECK(relative_difference(features(vit, placed, images, turned), got) < 1e-5);  // the specification's bound
  for (Index b = 0; b < 5; ++b) { turned(b, 1) = (chosen(b, 0) + 1) % 6; }
  CHECK(relative_difference(features(vit, placed, images, turned), got) > 1e-2);
}

TEST_CASE("L2P: under a head of zeros the first step of a task leaves prompts as they are and moves keys") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  PromptedLearning<L2p> learning(vit, l2p(), LinearHead{.initial = InitialRows::zeros});
  for (Index task = 0; task < 2; ++task) {
    CAPTURE(task);
    learning.begin_task(task);
    auto const start = learning.values();
    CHECK(learning.pass(images, {0, 1, 1, 0}) == doctest::Approx(std::log(2.0)).epsilon(tolerance<float>(Kind::elementwise)));
    learning.step(0.01);
    CHECK(same_bits(numbers_of(learning.values(), L2p::pool_segment), numbers_of(start, L2p::pool_segment)));
    CHECK_FALSE(same_bits(numbers_of(learning.values(), L2p::keys_segment), numbers_of(start, L2p::keys_segment)));
    CHECK(learning.pass(images, {0, 1, 1, 0}) < std::log(2.0));
    learning.step(0.01);
    CHECK_FALSE(same_bits(numbers_of(learning.values(), L2p::pool_segment), numbers_of(start, L2p::pool_segment)));
    learning.end_task();
  }
}

TEST_CASE("L2P: a prompt that was chosen before goes on moving by its moments") {
  auto const vit = plain_network();
  auto const images = many_images(2, vit.shape());
  auto prompt = l2p();
  prompt.selector.count = 1;
  PromptedLearning<L2p> learning(vit, prompt);
  learning.begin(0);
  auto const queries = vit.features(exec, images);
  auto keys = learning.store().view<2>(L2p::keys_segment);
  for (Index i = 0; i < 36; ++i) {  // each picture has a slot of its own
    for (Index slot = 0; slot < 6; ++slot) { keys(slot, i) = -queries(0, i) - queries(1, i); }
    keys(0, i) = queries(0, i) - queries(1, i);
    keys(1, i) = -keys(0, i);
  }
  learning.begin_task(0);
  auto const one = [&](Index which) {
    Tensor<float, 4> image({1, 3, 32, 32});
    std::copy(images[which].begin(), images[which].end(), image.begin());
    learning.pass(image, {which});
    learning.step(0.01);
  };
  one(0);
  auto const before = learning.values();
  one(1);
  CHECK(all_zero(row_of(learning.gradients(), L2p::pool_segment, 0)));
  CHECK_FALSE(all_zero(row_of(learning.gradients(), L2p::pool_segment, 1)));
  CHECK_FALSE(same_bits(row_of(learning.values(), L2p::pool_segment, 0), row_of(before, L2p::pool_segment, 0)));
  CHECK(same_bits(row_of(learning.values(), L2p::pool_segment, 5), row_of(before, L2p::pool_segment, 5)));
}

TEST_CASE("slots of other tasks keep their bits while one is learned; rows that all share do not") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  auto const check = [&](auto prompt, Index per_task) {
    using Prompt = decltype(prompt);
    PromptedLearning<Prompt> learning(vit, prompt);
    learning.learn(0, images, 3, 0.01);
    learning.begin(1);  // what a task begins with, before it learns
    auto const start = learning.store();
    for (Index i = 0; i < per_task; ++i) {
      CHECK(same_bits(row_of(start, Prompt::pool_segment, per_task + i), row_of(start, Prompt::pool_segment, i)));
      CHECK_FALSE(same_bits(row_of(start, Prompt::keys_segment, per_task + i), row_of(start, Prompt::keys_segment, i)));
    }
    learning.learn(1, images, 3, 0.01);
    for (Index slot = 0; slot < learning.state.slots(); ++slot) {
      CAPTURE(slot);
      bool const own = slot >= per_task && slot < 2 * per_task;
      for (auto const* const name : {&Prompt::pool_segment, &Prompt::keys_segment}) { CHECK(same_bits(row_of(std::as_const(learning.store()), *name, slot), row_of(start, *name, slot)) == !own); }
    }
    if (start.contains(Prompt::general_segment)) { CHECK_FALSE(same_bits(numbers_of(std::as_const(learning.store()), Prompt::general_segment), numbers_of(start, Prompt::general_segment))); }
  };
  Slices slices;
  slices.pool = 6;
  slices.placement.length = 2;
  slices.selector.count = 2;
  slices.initial = wide;
  check(slices, 2);
  check(dual(), 1);
}

TEST_CASE("prefix attention, by the specification's numbers") {
  auto const tokens = rows_of<double>({{1, 0}, {0, 1}});
  auto const key = rows_of<double>({{0, 0}});
  auto const value = rows_of<double>({{2, 2}});
  HostExecutor<EigenProducts> const in_double{.precision = Precision::float64};
  auto const attended = [&](kernels::KeyValuePrefix<double> const& prefix) {
    Matrix<double> out({2, 2});
    RowsView<double const> const x(tokens.cview());
    kernels::attention(in_double, x, x, x, kernels::AttentionShape{1, 1}, prefix, RowsView<double>(out.view()));
    return out;
  };
  constexpr double printed = 1e-10;
  CHECK(relative_difference(attended({key.cview(), value.cview(), 1}), rows_of<double>({{1.0, 0.7447652348}, {0.7447652348, 1.0}})) <= printed);
  CHECK(relative_difference(attended({}), rows_of<double>({{0.6697615493, 0.3302384507}, {0.3302384507, 0.6697615493}})) <= printed);
}

TEST_CASE("DualPrompt: each block gets the general keys and values, then those of the picture's slot, and the sequence keeps its length") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  Placed<Dual> const placed(dual(false), prompt_place(vit), 3);
  auto const chosen = rows_of<Index>({{2}, {0}, {1}, {0}});
  // Of each block keys, then values: general rows of blocks 0 and 1, expert rows of blocks 1 and 2.
  auto const& store = placed.state.parameters();
  auto const shared = store.view<2>(Dual::general_segment);
  auto const general = [&](Index first) {
    Tensor<float, 3> rows({4, 2, 36});
    for (Index b = 0; b < 4; ++b) { std::copy_n(shared[first].data(), 2 * 36, rows[b].begin()); }
    return rows;
  };
  auto const expert = [&](Index first) { return rows_of_slots(store, chosen, first, 3); };
  GradientHook<HostExecutor<>> by_hand(exec);
  by_hand.prefixes.emplace(0, std::pair(general(0), general(2)));
  by_hand.prefixes.emplace(1, std::pair(behind_each_other(general(4), expert(0)), behind_each_other(general(6), expert(3))));
  by_hand.prefixes.emplace(2, std::pair(expert(6), expert(9)));
  auto const tokens = vit.embed(exec, images);
  Measured hook(placed.prompt.hook_of(exec, placed.state, chosen.cview()));
  auto const got = vit.forward(exec, tokens, hook);
  CHECK(same_bits(got, vit.forward(exec, tokens, by_hand)));
  CHECK(hook.lengths == std::vector<Index>{17, 17, 17});
  CHECK(relative_difference(features(vit, placed, images, chosen), vit.pool(exec, got)) <= tolerance<float>(Kind::sum));
}

TEST_CASE("DualPrompt: a sample among others has the bits it has alone; keys are no values, and zeros are not nothing") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  Placed<Dual> placed(dual(false), prompt_place(vit), 3);
  auto const chosen = rows_of<Index>({{2}, {0}, {1}, {0}});
  auto const together = features(vit, placed, images, chosen);
  for (Index b = 0; b < 4; ++b) {
    auto const alone = Prompted(vit, placed.prompt, placed.state).features_in_slots(exec, images.cview().slice(b, 1), chosen.cview().slice(b, 1));
    CHECK(same_bits(alone[0], together[b]));
  }

  auto const pool = placed.store().view<3>(Dual::pool_segment);
  for (Index slot = 0; slot < 3; ++slot) {  // [blocks, 2, length, D]
    for (Index block = 0; block < 2; ++block) { std::swap_ranges(pool[slot][6 * block].begin(), pool[slot][6 * block].begin() + 3 * 36, pool[slot][6 * block + 3].begin()); }
  }
  CHECK(relative_difference(features(vit, placed, images, chosen), together) > 1e-2);

  auto const all = placed.store().values();
  std::fill(all.begin(), all.end(), 0.0F);
  CHECK(relative_difference(features(vit, placed, images, chosen), vit.features(exec, images)) > 1e-2);
}

TEST_CASE("what a prompt says of itself: how far the last task moved it, and who used its slots") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  PromptedLearning<Dual> learning(vit, dual());
  learning.learn(0, images, 2, 0.01);
  auto const measure = [&](std::string const& name) {
    for (auto const& [what, value] : learning.prompt.measures(learning.state)) {
      if (what == name) { return value; }
    }
    FAIL(name);
    return 0.0;
  };
  for (char const* const name : {"prompt change", "key drift", "general change"}) { CHECK(measure(name) > 0.0); }
  CHECK(measure("slots") == 3.0);
  CHECK(measure("training slots used") == 1.0);
  CHECK(measure("row diversity") > 0.5);
  learning.learn(1, images, 0, 0.01);
  for (char const* const name : {"prompt change", "key drift", "general change"}) { CHECK(measure(name) == 0.0); }
}

TEST_CASE("a pool goes through a model file, whatever it counts") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  auto const check = [&](auto prompt) {
    PromptedLearning<decltype(prompt)> learning(vit, prompt);
    check_file(static_cast<Placed<decltype(prompt)> const&>(learning));  // before the first task
    learning.learn(0, images, 2, 0.01);
    learning.learn(1, images, 2, 0.01);
    check_file(static_cast<Placed<decltype(prompt)> const&>(learning));
  };
  check(l2p());
  check(dual());
  check(dual<GeneralExpertPrompt<ClassMeanKeys>>());
  KeyQueryPrompt<InputTokens<ReadsPrompt>, TopK, FrozenKeys> zeros;
  zeros.initial = {.low = 0.0, .high = 0.0};
  PromptedLearning<decltype(zeros)> learning(vit, zeros);
  learning.learn(0, images, 1, 0.01);
  check_file(static_cast<Placed<decltype(zeros)> const&>(learning));  // it moved infinitely far
}

TEST_CASE("a pool of other settings refuses a file and stays what it was") {
  auto const place = prompt_place(plain_network());
  auto const changed = [](auto change) {
    auto prompt = dual();
    change(prompt);
    return prompt;
  };
  Placed<Dual> const written(dual(), place, 2);
  check_refused(written, Placed<Dual>(changed([](Dual& prompt) { prompt.placement.length = 2; }), place, 1));
  check_refused(written, Placed<Dual>(changed([](Dual& prompt) { prompt.placement.blocks = 1; }), place, 1));
  check_refused(written, Placed<Dual>(changed([](Dual& prompt) { prompt.general.placement.length = 3; }), place, 1));
  check_refused(written, Placed<Dual>(changed([](Dual& prompt) { prompt.selector.count = 2; }), place, 1));
  auto five = l2p();
  five.pool = 9;
  five.selector.count = 7;
  check_refused(Placed<L2p>(l2p(), place, 1), Placed<L2p>(five, place, 1));  // six slots, of which a picture would get seven
}

namespace {

/// The file of a pool of class means, written down.
struct PoolFile {
  PromptPlace place;
  Index task = 0;
  std::vector<std::vector<Index>> usage;
  std::vector<Index> tasks{0};
  Index width = 36;  ///< of the mean queries

  void write(std::filesystem::path const& path, ParameterStore<float> const& store) const {
    ModelWriter const writer("prompt");
    auto const scope = writer.scope("prompt");
    place.write(scope.scope("place"));
    scope.setting("task", task);
    scope.setting("usage_tasks", static_cast<Index>(usage.size()));
    for (std::size_t i = 0; i < usage.size(); ++i) {
      Vector<Index> counts({static_cast<Index>(usage[i].size())});
      std::copy(usage[i].begin(), usage[i].end(), counts.begin());
      scope.tensor(message("usage.", i), std::move(counts));
    }
    write_measures({}, scope.scope("drift"));
    auto const means = scope.scope("means");
    means.setting("labels", std::vector<Index>{0});
    means.setting("tasks", tasks);
    means.tensor("counts", Vector<double>::zeros({1}));
    means.tensor("sums", Matrix<double>::zeros({1, width}));
    store.write(scope);
    writer.write(path);
  }
};

}  // namespace

TEST_CASE("a file whose parts do not fit together is refused and the state stays what it was") {
  using Means = GeneralExpertPrompt<ClassMeanKeys>;
  TemporaryFolder const folder;
  auto const place = prompt_place(plain_network());
  Placed<Means> placed(dual<Means>(), place, 2);
  auto const before = placed.store();
  PoolFile const good{.place = place, .task = 1, .usage = {{1, 2, 3}}};
  good.write(folder / "a", before);
  read_prompt(folder / "a", placed);
  CHECK(placed.store() == before);
  CHECK(placed.state.task() == 1);
  CHECK(placed.state.usage() == good.usage);

  auto const refused = [&](auto change) {
    PoolFile file = good;
    change(file);
    file.write(folder / "a", before);
    CHECK_THROWS_AS(read_prompt(folder / "a", placed), FileError);
    CHECK(placed.store() == before);
    CHECK(placed.state.task() == 1);
  };
  refused([](PoolFile& file) { file.task = -1; });
  refused([](PoolFile& file) { file.task = 3; });  // of three slots
  refused([](PoolFile& file) { file.usage = {{1, 2, 3, 4}}; });
  refused([](PoolFile& file) { file.tasks = {0, 1}; });
  refused([](PoolFile& file) { file.tasks = {-1}; });
  refused([](PoolFile& file) { file.width = 37; });
  refused([](PoolFile& file) { file.place.width = 35; });
}

TEST_CASE("what a pool counts while it learns goes on where it was interrupted") {
  using Means = GeneralExpertPrompt<ClassMeanKeys>;
  TemporaryFolder const folder;
  auto const place = prompt_place(plain_network());
  Placed<Means> whole(dual<Means>(), place, 1);
  Placed<Means> stopped(dual<Means>(), place, 1);
  std::vector<Index> const labels{0, 1, 1, 0};
  auto const one = random_matrix<float>(4, 36, 1);
  auto const two = random_matrix<float>(4, 36, 2);
  auto all = whole.prompt.learning_hook(exec, whole.state);
  all.prepare(one.cview(), labels);
  all.prepare(two.cview(), labels);
  all.finish(whole.state);

  auto first = stopped.prompt.learning_hook(exec, stopped.state);
  first.prepare(one.cview(), labels);
  ModelWriter const writer("hook");
  first.write(writer);
  writer.write(folder / "a");
  auto second = stopped.prompt.learning_hook(exec, stopped.state);
  second.read(ModelReader::open(folder / "a", "hook"));
  second.prepare(two.cview(), labels);
  second.finish(stopped.state);
  write_prompt(folder / "whole", whole);
  write_prompt(folder / "stopped", stopped);
  CHECK((read_file(folder / "stopped") == read_file(folder / "whole")));
}

}  // namespace accrete::test::key_query_test
