#include "prompt/prompt_files.hpp"
#include "prompt/prompted_learning.hpp"
#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/tolerances.hpp"
#include "support/training_checks.hpp"
#include "support/vit_checks.hpp"

#include <accrete/prompt/attention.hpp>
#include <accrete/prompt/weight/entmax15.hpp>
#include <accrete/prompt/weight/softmax.hpp>
#include <accrete/prompt/weight/sparsemax.hpp>
#include <accrete/prompt/weight/top_k_softmax.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace accrete::test::attention_test {

namespace {

HostExecutor<> const exec{.threads = 2};

#define SIMPLEX_MAPS SoftmaxWeights, TopKSoftmaxWeights, SparsemaxWeights, Entmax15Weights

using Coda = AttentionPrompt<>;
constexpr std::array<std::string_view, 3> segments{Coda::components_segment, Coda::keys_segment, Coda::attention_segment};

/// Four components a task in blocks 0 and 1, keys and values of two rows each.
template <class Prompt = Coda>
Prompt coda() {
  return {.per_task = 4, .placement = {.length = 2, .first = 0, .blocks = 2}};
}

/// Rows [first, first + count) of one of the two blocks, in double.
Matrix<double> block_rows(ParameterStore<float> const& store, std::string_view name, Index block, Index first, Index count) {
  auto const all = numbers_of(store, name);
  auto const& shape = store.segment(name).shape;
  Index const each = all.size() / shape[0] / shape[1];
  Matrix<double> rows({count, each});
  for (Index m = 0; m < count; ++m) { std::copy_n(all.data() + ((first + m) * shape[1] + block) * each, each, rows[m].data()); }
  return rows;
}

Matrix<double> block_rows(ParameterStore<float> const& store, std::string_view name, Index block) { return block_rows(store, name, block, 0, store.segment(name).shape[0]); }

double product(VectorView<double const> a, VectorView<double const> b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

/// cos(q * A_m, K_m) by loops.
Matrix<double> naive_scores(Matrix<double> const& queries, Matrix<double> const& keys, Matrix<double> const& attention) {
  Matrix<double> scores({queries.extent(0), keys.extent(0)});
  for (Index b = 0; b < scores.extent(0); ++b) {
    for (Index m = 0; m < scores.extent(1); ++m) {
      Vector<double> attended({queries.extent(1)});
      for (Index i = 0; i < attended.size(); ++i) { attended(i) = queries(b, i) * attention(m, i); }
      scores(b, m) = product(attended.cview(), keys[m]) / std::sqrt(product(attended.cview(), attended.cview()) * product(keys[m], keys[m]));
    }
  }
  return scores;
}

/// mean of (T T^T - I)^2 by loops.
double naive_coherence(MatrixView<double const> rows) {
  double sum = 0.0;
  for (Index i = 0; i < rows.extent(0); ++i) {
    for (Index j = 0; j < rows.extent(0); ++j) { sum += std::pow(product(rows[i], rows[j]) - (i == j ? 1.0 : 0.0), 2.0); }
  }
  return sum / static_cast<double>(rows.extent(0) * rows.extent(0));
}

/// Scores, weights and prompts of components for queries.
template <class Map>
Matrix<double> combined(Map const& map, Matrix<double> const& queries, Matrix<double> const& components, Matrix<double> const& keys, Matrix<double> const& attention) {
  WeightedComponents<double> parts(keys, attention);
  parts.weigh(exec, map, queries.cview());
  return parts.combine(exec, components.cview());
}

double from_orthonormal(Matrix<double> const& rows) {
  double worst = 0.0;
  for (Index i = 0; i < rows.extent(0); ++i) {
    for (Index j = 0; j <= i; ++j) { worst = std::max(worst, std::abs(product(rows[i], rows[j]) - (i == j ? 1.0 : 0.0))); }
  }
  return worst;
}

}  // namespace

TEST_CASE_TEMPLATE("components, weights and gradients by the specification's numbers", T, float, double) {
  double const allowed = tolerance<T>(Kind::product);
  WeightedComponents<T> parts(rows_of<T>({{2, 0}, {0, 1}}), rows_of<T>({{1, 0}, {1, 1}}));
  auto const components = rows_of<T>({{1, 2, 3, 4}, {10, 20, 30, 40}});
  auto const query = rows_of<T>({{3, 4}});
  parts.weigh(exec, CosineWeights{}, query.cview());
  CHECK(relative_difference(parts.scores(), rows_of<double>({{1.0, 0.8}})) <= tolerance<double>(Kind::product));
  CHECK(relative_difference(parts.weights(), rows_of<double>({{1.0, 0.8}})) <= allowed);
  CHECK(relative_difference(parts.combine(exec, components.cview()), rows_of<double>({{9, 18, 27, 36}})) <= allowed);
  auto const d_prompts = rows_of<T>({{1, 0, 0, 1}});
  auto const d = parts.backward(exec, CosineWeights{}, components.cview(), d_prompts.cview(), 0, 2);
  CHECK(relative_difference(d.components, rows_of<double>({{1, 0, 0, 1}, {0.8, 0, 0, 0.8}})) <= allowed);
  CHECK(relative_difference(d.keys, rows_of<double>({{0, 0}, {30, 0}})) <= allowed);
  CHECK(relative_difference(d.attention, rows_of<double>({{0, 0}, {-14.4, 14.4}})) <= allowed);
}

TEST_CASE("a query is weighed by the attention feature by feature; lengths do not count, a sign does") {
  auto const queries = random_matrix<double>(5, 7, 1);
  auto const keys = random_matrix<double>(6, 7, 2);
  auto const attention = random_matrix<double>(6, 7, 3);
  auto const scores = [&](Matrix<double> const& q, Matrix<double> const& k, Matrix<double> const& a) {
    WeightedComponents<double> parts(k, a);
    parts.weigh(exec, CosineWeights{}, q.cview());
    Matrix<double> result(parts.scores().shape());
    std::copy(parts.scores().begin(), parts.scores().end(), result.begin());
    return result;
  };
  auto const want = scores(queries, keys, attention);
  double const allowed = tolerance<double>(Kind::softmax);
  CHECK(relative_difference(want, naive_scores(queries, keys, attention)) <= allowed);
  CHECK(std::all_of(want.begin(), want.end(), [](double score) { return std::abs(score) <= 1.0; }));
  auto const scaled = [](Matrix<double> rows, Index row, double factor) {
    for (double& value : rows.view()[row]) { value *= factor; }
    return rows;
  };
  CHECK(relative_difference(scores(scaled(queries, 2, 3.0), keys, attention), want) <= allowed);
  CHECK(relative_difference(scores(queries, scaled(keys, 2, 1e-3), attention), want) <= allowed);
  CHECK(relative_difference(scores(queries, keys, scaled(attention, 2, 70.0)), want) <= allowed);
  auto turned = want;
  for (Index b = 0; b < 5; ++b) { turned(b, 2) = -turned(b, 2); }
  CHECK(relative_difference(scores(queries, keys, scaled(attention, 2, -1.0)), turned) <= allowed);
  auto bent = attention;
  bent(2, 0) *= 70.0;
  CHECK(relative_difference(scores(queries, keys, bent), want) > 0.1);
  auto const zero = Matrix<double>::zeros({5, 7});
  auto const none = scores(zero, keys, attention);
  CHECK(all_zero(none));
}

TEST_CASE_TEMPLATE("gradients of components, keys and attentions are central differences, under every weight map", Map, CosineWeights, SIMPLEX_MAPS) {
  Map map;
  if constexpr (HasWeightScales<Map>) {
    map.temperature = 0.4;
    map.gain = 1.5;
  }
  if constexpr (std::is_same_v<Map, TopKSoftmaxWeights>) { map.k = 3; }
  auto const queries = random_matrix<double>(4, 5, 11);
  auto components = random_matrix<double>(6, 7, 12);
  auto keys = random_matrix<double>(6, 5, 13);
  auto attention = random_matrix<double>(6, 5, 14);
  auto const r = random_matrix<double>(4, 7, 15);
  auto const loss = [&] {
    auto const prompts = combined(map, queries, components, keys, attention);
    return std::inner_product(prompts.begin(), prompts.end(), r.begin(), 0.0);
  };
  WeightedComponents<double> parts(keys, attention);
  parts.weigh(exec, map, queries.cview());
  auto const d = parts.backward(exec, map, components.cview(), r.cview(), 0, 6);
  double const allowed = tolerance<double>(Kind::loss_differences);
  auto const flat = [](auto& matrix) { return matrix.view().template reshaped<1>({matrix.size()}); };
  CHECK(relative_difference(flat(d.components), central_differences(flat(components), loss)) <= allowed);
  CHECK(relative_difference(flat(d.keys), central_differences(flat(keys), loss)) <= allowed);
  CHECK(relative_difference(flat(d.attention), central_differences(flat(attention), loss)) <= allowed);

  // Those of the newest alone are the same numbers.
  auto const newest = parts.backward(exec, map, components.cview(), r.cview(), 4, 2);
  CHECK(relative_difference(newest.components, d.components.cview().slice(4, 2)) <= tolerance<double>(Kind::product));
  CHECK(same_bits(newest.keys, d.keys.cview().slice(4, 2)));
  CHECK(same_bits(newest.attention, d.attention.cview().slice(4, 2)));
}

TEST_CASE("how far rows are from orthonormal, and its gradient on those that learn") {
  auto const rows = rows_of<double>({{1, 0}, {1, 1}});
  auto d = Matrix<double>::zeros({2, 2});
  CHECK(row_coherence<double>(exec, rows.cview(), 0, 1.0, d.view()) == doctest::Approx(0.75));
  CHECK(relative_difference(d, rows_of<double>({{1, 1}, {2, 1}})) <= tolerance<double>(Kind::product));
  auto newest = rows_of<double>({{10, 20}});
  CHECK(row_coherence<double>(exec, rows.cview(), 1, 0.5, newest.view()) == doctest::Approx(0.75));
  CHECK(relative_difference(newest, rows_of<double>({{11, 20.5}})) <= tolerance<double>(Kind::product));
}

TEST_CASE("the term that keeps rows apart sums over blocks and segments, and pulls at the newest rows alone") {
  auto prompt = coda();
  prompt.orthogonality = 0.3;
  Placed<Coda> placed(prompt, prompt_place(plain_network()), 2);
  auto const moves = random_matrix<float>(1, placed.store().values().size(), 4);
  for (Index i = 0; i < moves.size(); ++i) { placed.store().values()[i] += 0.1F * moves.data()[i]; }
  auto hook = placed.prompt.learning_hook(exec, placed.state);
  double const got = hook.own_loss(0.5);
  auto gradients = placed.store();
  hook.collect(gradients);
  double want = 0.0;
  for (std::string_view const name : segments) {
    CAPTURE(name);
    for (Index block = 0; block < 2; ++block) {
      auto rows = block_rows(placed.store(), name, block);
      want += 0.15 * naive_coherence(rows.cview());
      auto const slopes = central_differences(rows.view().slice(4, 4).reshaped<1>({4 * rows.extent(1)}), [&] { return 0.15 * naive_coherence(rows.cview()); });
      CHECK(relative_difference(block_rows(gradients, name, block, 4, 4).view().reshaped<1>(slopes.shape()), slopes) <= tolerance<float>(Kind::product));
      auto const old = block_rows(gradients, name, block, 0, 4);
      CHECK(all_zero(old));
    }
  }
  CHECK(got == doctest::Approx(want));
  Placed<Coda> const without(coda(), prompt_place(plain_network()), 1);
  CHECK(without.prompt.learning_hook(exec, without.state).own_loss(1.0) == 0.0);
}

TEST_CASE("a task adds components in directions of their own, in each block others, and there are no more than the tasks so far have") {
  auto const place = prompt_place(plain_network());
  Placed<Coda> placed(coda(), place, 1);
  double const close = tolerance<float>(Kind::product);  // the specification's 1e-5
  for (std::string_view const name : segments) {
    CAPTURE(name);
    CHECK(placed.store().segment(name).shape[0] == 4);
    for (Index block = 0; block < 2; ++block) { CHECK(from_orthonormal(block_rows(placed.store(), name, block)) <= close); }
    CHECK(relative_difference(block_rows(placed.store(), name, 0), block_rows(placed.store(), name, 1)) > 0.1);
  }
  CHECK(relative_difference(block_rows(placed.store(), Coda::keys_segment, 0), block_rows(placed.store(), Coda::attention_segment, 0)) > 0.1);

  for (float& value : placed.store().values()) { value += 0.1F * std::sin(40.0F * value); }  // as learning would move them
  auto const before = placed.store();
  placed.begin(1);
  CHECK(placed.state.components() == 8);
  for (std::string_view const name : segments) {
    CAPTURE(name);
    auto const was = numbers_of(before, name);
    CHECK(same_bits(numbers_of(std::as_const(placed.store()), name).slice(0, was.size()), was));
    CHECK(placed.store().segment(name).first_trainable == 4);
    CHECK(placed.store().segment(name).trainable_rows == 4);
    for (Index block = 0; block < 2; ++block) {
      auto const rows = block_rows(placed.store(), name, block);
      CHECK(from_orthonormal(block_rows(placed.store(), name, block, 4, 4)) <= close);
      for (Index m = 4; m < 8; ++m) {
        for (Index old = 0; old < 4; ++old) { CHECK(std::abs(product(rows.cview()[m], rows.cview()[old])) <= close * std::sqrt(product(rows.cview()[old], rows.cview()[old]))); }
      }
    }
  }

  auto const refused = [&](Coda const& prompt) {
    Placed<Coda> other(prompt, place);
    CHECK_THROWS_AS(other.begin(0), ValueError);
    CHECK(other.store().size() == 0);
  };
  refused({.per_task = 0, .placement = {.length = 2, .first = 0, .blocks = 2}});
  refused({.placement = {.length = 2, .first = 2, .blocks = 2}});
  refused({.placement = {.length = 0, .first = 0, .blocks = 2}});
}

TEST_CASE("drawn at once, components are orthogonal to what earlier ones were before they learned, whatever became of them") {
  auto const three_tasks = [](ComponentStart start, float drift) {
    auto prompt = coda();
    prompt.start = start;
    Placed<Coda> placed(prompt, prompt_place(plain_network()), 1);
    for (Index task = 1; task < 3; ++task) {
      for (float& value : placed.store().values()) { value += drift * std::sin(40.0F * value); }  // as learning would move them
      placed.begin(task);
    }
    return placed.store();
  };
  auto const still = three_tasks(ComponentStart::at_once, 0.0F);
  auto const moved = three_tasks(ComponentStart::at_once, 0.1F);
  auto const exact = three_tasks(ComponentStart::exact, 0.1F);
  for (std::string_view const name : segments) {
    CAPTURE(name);
    for (Index block = 0; block < 2; ++block) {
      CHECK(from_orthonormal(block_rows(still, name, block)) <= tolerance<float>(Kind::product));
      CHECK(same_bits(block_rows(moved, name, block, 8, 4), block_rows(still, name, block, 8, 4)));
      CHECK(!same_bits(block_rows(moved, name, block, 4, 4), block_rows(still, name, block, 4, 4)));
      CHECK(!same_bits(block_rows(exact, name, block, 8, 4), block_rows(still, name, block, 8, 4)));
    }
  }
}

TEST_CASE("components of earlier tasks keep their bits and get no gradient, of the answers or of the term that keeps rows apart") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  auto prompt = coda();
  prompt.orthogonality = 0.1;
  PromptedLearning<Coda> learning(vit, prompt);
  learning.learn(0, images, 3, 0.01);
  auto const before = learning.store();
  learning.learn(1, images, 3, 0.01);
  for (std::string_view const name : segments) {
    CAPTURE(name);
    auto const was = numbers_of(before, name);
    CHECK(same_bits(numbers_of(std::as_const(learning.store()), name).slice(0, was.size()), was));
    auto const d = numbers_of(learning.gradients(), name);
    REQUIRE(d.size() == 2 * was.size());
    CHECK(all_zero(d.slice(0, was.size())));
    CHECK(std::all_of(d.begin() + was.size(), d.end(), [](float value) { return value != 0.0F; }));
  }
  CHECK(learning.own_loss() > 0.0);
  auto const measures = learning.prompt.measures(learning.state);
  CHECK(std::all_of(measures.begin(), measures.end(), [](auto const& measure) { return measure.second > 0.0; }));
  CHECK(measures.back() == std::pair<std::string, double>("components", 8.0));
}

TEST_CASE("each block gets keys and values out of its own components, the first half of their rows being keys") {
  auto const vit = plain_network();
  auto const images = many_images(3, vit.shape());
  Placed<Coda> const placed(coda(), prompt_place(vit), 2);
  auto const& store = placed.state.parameters();
  auto const features = vit.features(exec, images);
  Matrix<double> queries(features.shape());
  std::copy(features.begin(), features.end(), queries.begin());
  GradientHook<HostExecutor<>> by_hand(exec);
  for (Index block = 0; block < 2; ++block) {
    auto const weights = naive_scores(queries, block_rows(store, Coda::keys_segment, block), block_rows(store, Coda::attention_segment, block));
    CHECK(relative_difference(placed.prompt.component_weights(exec, placed.state, features.cview(), block), weights) <= tolerance<float>(Kind::product));
    auto const prompts = naive_product(weights, block_rows(store, Coda::components_segment, block));
    Tensor<float, 3> keys({3, 2, 36});
    Tensor<float, 3> values({3, 2, 36});
    for (Index b = 0; b < 3; ++b) {
      for (Index i = 0; i < 2 * 36; ++i) {
        keys[b].data()[i] = static_cast<float>(prompts(b, i));
        values[b].data()[i] = static_cast<float>(prompts(b, 2 * 36 + i));
      }
    }
    by_hand.prefixes.emplace(block, std::pair(std::move(keys), std::move(values)));
  }
  auto const want = vit.pool(exec, vit.forward(exec, vit.embed(exec, images), by_hand));
  CHECK(relative_difference(Prompted(vit, placed.prompt, placed.state).features(exec, images.cview()), want) <= tolerance<float>(Kind::chain));
  for (auto& [block, prefix] : by_hand.prefixes) { std::swap(prefix.first, prefix.second); }
  CHECK(relative_difference(vit.pool(exec, vit.forward(exec, vit.embed(exec, images), by_hand)), want) > 1e-3);
  Measured hook(placed.prompt.hook(exec, placed.state, features.cview()));
  static_cast<void>(vit.forward(exec, vit.embed(exec, images), hook));
  CHECK(hook.lengths == std::vector<Index>{17, 17, 17});
}

TEST_CASE("gradients of batches add up until they are collected") {
  Placed<Coda> const placed(coda(), prompt_place(plain_network()), 2);
  auto const gradient_of = [&](std::vector<std::uint64_t> const& batches) {
    auto hook = placed.prompt.learning_hook(exec, placed.state);
    for (std::uint64_t const batch : batches) {
      hook.prepare(random_matrix<float>(3, 36, batch).cview(), {});
      for (Index block = 0; block < 2; ++block) {
        auto const d = random_matrix<float>(2, 3 * 2 * 36, 10 * batch + static_cast<std::uint64_t>(block));
        hook.prefix_gradient(block, d.cview()[0].reshaped<3>({3, 2, 36}), d.cview()[1].reshaped<3>({3, 2, 36}));
      }
    }
    ParameterStore<float> gradients = placed.state.parameters();
    hook.collect(gradients);
    ParameterStore<float> nothing = gradients;
    hook.collect(nothing);
    CHECK(all_zero(nothing.values()));
    return gradients;
  };
  auto want = gradient_of({1});
  auto const second = gradient_of({2});
  for (Index i = 0; i < want.values().size(); ++i) { want.values()[i] += second.values()[i]; }
  auto both = gradient_of({1, 2});
  CHECK(relative_difference(both.values(), want.values()) <= tolerance<float>(Kind::elementwise));
}

TEST_CASE_TEMPLATE("a picture's components do not depend on the others of its batch, bit for bit", Map, CosineWeights, SIMPLEX_MAPS) {
  auto prompt = coda<AttentionPrompt<Map>>();
  if constexpr (std::is_same_v<Map, TopKSoftmaxWeights>) { prompt.weights.k = 3; }
  Placed<AttentionPrompt<Map>> const placed(prompt, prompt_place(plain_network()), 3);
  auto const queries = random_matrix<float>(9, 36, 8);
  auto const all = placed.prompt.component_weights(exec, placed.state, queries.cview(), 1);
  auto const rows = placed.prompt.hook(exec, placed.state, queries.cview());
  for (Index b = 0; b < 9; ++b) {
    auto const one = queries.cview().slice(b, 1);
    CHECK(same_bits(placed.prompt.component_weights(HostExecutor<>{.threads = 1}, placed.state, one, 1)[0], all[b]));
    auto const alone = placed.prompt.hook(HostExecutor<>{.threads = 1}, placed.state, one);
    for (Index block = 0; block < 2; ++block) {
      CHECK(same_bits(alone.prefix(block).k[0], rows.prefix(block).k[b]));
      CHECK(same_bits(alone.prefix(block).v[0], rows.prefix(block).v[b]));
    }
  }
  double const support = mean_support(all.cview());
  if constexpr (std::is_same_v<Map, TopKSoftmaxWeights>) { CHECK(support == 3.0); }
  if constexpr (std::is_same_v<Map, SparsemaxWeights> || std::is_same_v<Map, Entmax15Weights>) { CHECK(support < 12.0); }
}

TEST_CASE("components go through a model file; other settings refuse it") {
  auto const vit = plain_network();
  auto const images = many_images(2, vit.shape());
  PromptedLearning<Coda> learning(vit, coda());
  check_file(static_cast<Placed<Coda> const&>(learning));  // before the first task
  learning.learn(0, images, 1, 0.01);
  learning.learn(1, images, 1, 0.01);
  check_file(static_cast<Placed<Coda> const&>(learning));

  auto longer = coda();
  longer.placement.length = 3;
  check_refused<Coda>(learning, Placed<Coda>(longer, prompt_place(vit), 1));
  auto more = coda();
  more.placement.blocks = 3;
  check_refused<Coda>(learning, Placed<Coda>(more, prompt_place(vit), 1));
}

}  // namespace accrete::test::attention_test
