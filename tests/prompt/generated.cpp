#include "prompt/prompt_files.hpp"
#include "prompt/prompted_learning.hpp"
#include "support/compare.hpp"
#include "support/executors.hpp"
#include "support/head_gradients.hpp"
#include "support/matrices.hpp"
#include "support/samples.hpp"
#include "support/tolerances.hpp"
#include "support/vit_checks.hpp"

#include <accrete/prompt/generated.hpp>
#include <accrete/prompt/restrict.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete::test::generated_test {

namespace {

HostExecutor<> const exec{.threads = 2};

using Dap = GeneratedPrompt<>;

/// Three rows a block for up to three tasks.
Dap dap(DownInit initial = DownInit::zeros) { return {.pool = 3, .length = 3, .embedding_width = 4, .initial = initial}; }

/// A generator of one block with what goes in.
template <class T>
struct Film {
  Matrix<T> down;
  Vector<T> down_bias, scale, shift, gamma, beta;
  Matrix<T> x;

  [[nodiscard]] FilmGenerator<T> generator() const { return FilmGenerator<T>({down.cview(), down_bias.cview(), scale.cview(), shift.cview()}); }
  [[nodiscard]] Matrix<T> prompts() const {
    Matrix<T> made({down.extent(0), x.extent(1)});
    generator().forward(x.cview(), gamma.cview(), beta.cview(), made.view());
    return made;
  }
  /// All of it zero.
  [[nodiscard]] Film like() const {
    return {Matrix<T>::zeros(down.shape()),  Vector<T>::zeros(down_bias.shape()), Vector<T>::zeros(scale.shape()), Vector<T>::zeros(shift.shape()),
            Vector<T>::zeros(gamma.shape()), Vector<T>::zeros(beta.shape()),      Matrix<T>::zeros(x.shape())};
  }
  [[nodiscard]] Film backward(Matrix<T> const& d_prompts, bool with_x = true) const {
    Film d = like();
    generator().backward(x.cview(), gamma.cview(), d_prompts.cview(), {d.down.view(), d.down_bias.view(), d.scale.view(), d.shift.view(), d.gamma.view(), d.beta.view()},
                         with_x ? d.x.view() : MatrixView<T>());
    return d;
  }
};

Vector<double> numbers(std::vector<double> const& values) {
  Vector<double> all({static_cast<Index>(values.size())});
  std::copy(values.begin(), values.end(), all.begin());
  return all;
}

/// The example of the specification, section 6.9: a scale and a shift that make (1, 2), (3, 4), (5, 6) out of rows that have no length but one.
Film<double> printed() {
  return {rows_of<double>({{0.5, 0.25, 0.25}}), numbers({0.1}), numbers({2, -2}), numbers({3, 4}), numbers({0.6, 0.8}), numbers({0, 1}), rows_of<double>({{-1e5, 1e5}, {0, 0}, {1e5, -1e5}})};
}

/// The modulation of one task in one block, before it is divided by its lengths.
Vector<double> modulation(ParameterStore<double> const& store, Index block, Index task) {
  auto const weight = store.view<3>(Dap::film_weight)[block];
  auto const row = store.view<2>(Dap::embedding)[task];
  Vector<double> all({weight.extent(0)});
  for (Index i = 0; i < all.size(); ++i) { all(i) = store.view<2>(Dap::film_bias)[block][i] + std::inner_product(row.begin(), row.end(), weight[i].begin(), 0.0); }
  return all;
}

double length_of(VectorView<double const> row) { return std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0)); }

ParameterStore<double> widened_store(ParameterStore<float> const& store) {
  ParameterStore<double> wide;
  for (ParameterSegment const& segment : store.segments()) {
    wide.add(segment);
    auto const from = numbers_of(store, segment.name);
    std::copy(from.begin(), from.end(), numbers_of(wide, segment.name).begin());
  }
  return wide;
}

/// The generator of a block as a store has it, its modulation divided by given lengths.
Film<double> film_of(ParameterStore<double> const& store, Index block, Index task, double gamma_length, double beta_length, Matrix<double> x) {
  auto const copy = [](auto view) {
    Tensor<double, decltype(view)::rank> owner(view.shape());
    std::copy(view.begin(), view.end(), owner.begin());
    return owner;
  };
  Index const width = x.extent(1);
  auto const all = modulation(store, block, task);
  Film<double> film{copy(store.view<3>(Dap::down_weight)[block]),
                    copy(store.view<2>(Dap::down_bias)[block]),
                    copy(store.view<2>(Dap::norm_weight)[block]),
                    copy(store.view<2>(Dap::norm_bias)[block]),
                    copy(all.view().slice(0, width)),
                    copy(all.view().slice(width, width)),
                    std::move(x)};
  for (double& value : film.gamma) { value /= gamma_length; }
  for (double& value : film.beta) { value /= beta_length; }
  return film;
}
Film<double> film_of(ParameterStore<double> const& store, Index block, Index task, Matrix<double> x) {
  auto const all = modulation(store, block, task);
  Index const width = x.extent(1);
  return film_of(store, block, task, length_of(all.view().slice(0, width)), length_of(all.view().slice(width, width)), std::move(x));
}

Matrix<double> widened_rows(MatrixView<float const> rows) {
  Matrix<double> wide(rows.shape());
  std::copy(rows.begin(), rows.end(), wide.begin());
  return wide;
}

/// Whether the rows [N, ...] of each block are the same bits.
bool same_rows(TensorView<float const, 3> blocks) {
  bool same = true;
  for (Index block = 0; block < blocks.extent(0); ++block) {
    for (Index row = 1; row < blocks.extent(1); ++row) { same = same && same_bits(blocks[block][row], blocks[block][0]); }
  }
  return same;
}

}  // namespace

TEST_CASE("rows and gradients by the specification's numbers, the lengths of the modulation being constants") {
  auto const film = printed();
  CHECK(relative_difference(film.prompts(), rows_of<double>({{1.56, 3.88}})) <= tolerance<double>(Kind::softmax));
  auto const d = film.backward(rows_of<double>({{1, 1}}));
  CHECK(relative_difference(d.gamma, numbers({2.6, 3.6})) <= tolerance<double>(Kind::softmax));
  CHECK(relative_difference(d.beta, numbers({1, 1})) <= tolerance<double>(Kind::softmax));

  // The same through a hook, whose parameters are gamma = (3, 4) and beta = (0, 2).
  Placed<Dap> placed({.pool = 1, .length = 1, .embedding_width = 1}, {.depth = 1, .tokens = 3, .width = 2, .patch_inputs = 4}, 1);
  auto& store = placed.store();
  auto const set = [&](std::string_view name, std::vector<float> const& values) {
    auto const all = numbers_of(store, name);
    REQUIRE(all.size() == static_cast<Index>(values.size()));
    std::copy(values.begin(), values.end(), all.begin());
  };
  set(Dap::down_weight, {0.5F, 0.25F, 0.25F});
  set(Dap::down_bias, {0.1F});
  set(Dap::film_weight, {0.5F, 1.0F, 2.0F, 3.0F});
  set(Dap::film_bias, {2.0F, 2.0F, -4.0F, -4.0F});
  set(Dap::embedding, {2.0F});
  set(Dap::norm_weight, {2.0F, -2.0F});
  set(Dap::norm_bias, {3.0F, 4.0F});
  auto hook = placed.prompt.learning_hook(exec, placed.state);
  hook.prepare(rows_of({{1, 0}}).cview(), {});
  Tensor<float, 3> stream({1, 4, 2});
  std::copy(film.x.begin(), film.x.end(), stream.begin());
  stream(0, 3, 0) = stream(0, 3, 1) = 7.0F;  // the given row, which is not read
  auto const given = hook.tokens(0, stream.cview());
  CHECK(relative_difference(given.rows[0], rows_of<double>({{1.56, 3.88}})) <= tolerance<float>(Kind::elementwise));
  CHECK(given.at == 3);
  Tensor<float, 3> ones({1, 1, 2});
  std::fill(ones.begin(), ones.end(), 1.0F);
  hook.tokens_gradient(0, ones.cview(), stream.cview(), {});
  auto gradients = store;
  hook.collect(gradients);
  CHECK(relative_difference(numbers_of(gradients, Dap::film_bias), numbers({0.52, 0.72, 0.5, 0.5})) <= tolerance<float>(Kind::elementwise));
  CHECK(relative_difference(numbers_of(gradients, Dap::film_weight), numbers({1.04, 1.44, 1.0, 1.0})) <= tolerance<float>(Kind::elementwise));
  CHECK(relative_difference(numbers_of(gradients, Dap::embedding), numbers({0.52 * 0.5 + 0.72 + 0.5 * 2.0 + 0.5 * 3.0})) <= tolerance<float>(Kind::elementwise));
}

TEST_CASE("gradients of a generator are central differences, of the rows it reads as well") {
  auto const flat = [](auto& tensor) { return tensor.view().template reshaped<1>({tensor.size()}); };
  Film<double> film{random_matrix<double>(3, 5, 1),  normal<double>(2, Shape<1>{3}),  normal<double>(3, Shape<1>{20}), normal<double>(4, Shape<1>{20}),
                    normal<double>(5, Shape<1>{20}), normal<double>(6, Shape<1>{20}), random_matrix<double>(7, 20, 7)};  // two rows more than it reads
  auto const r = random_matrix<double>(3, 20, 8);
  auto const loss = [&] {
    auto const made = film.prompts();
    return std::inner_product(made.begin(), made.end(), r.begin(), 0.0);
  };
  auto d = film.backward(r);
  double const allowed = tolerance<double>(Kind::loss_differences);
  CHECK(relative_difference(flat(d.down), central_differences(flat(film.down), loss)) <= allowed);
  CHECK(relative_difference(flat(d.down_bias), central_differences(flat(film.down_bias), loss)) <= allowed);
  CHECK(relative_difference(flat(d.scale), central_differences(flat(film.scale), loss)) <= allowed);
  CHECK(relative_difference(flat(d.shift), central_differences(flat(film.shift), loss)) <= allowed);
  CHECK(relative_difference(flat(d.gamma), central_differences(flat(film.gamma), loss)) <= allowed);
  CHECK(relative_difference(flat(d.beta), central_differences(flat(film.beta), loss)) <= allowed);
  CHECK(relative_difference(flat(d.x), central_differences(flat(film.x), loss)) <= allowed);
  CHECK(all_zero(d.x.view().slice(5, 2)));
  auto const without = film.backward(r, false);
  CHECK(same_bits(without.down, d.down));
  CHECK(all_zero(without.x));
}

TEST_CASE("gradients of all that a prompt learns are central differences with the lengths held fixed, over blocks and samples") {
  PromptPlace const place{.depth = 2, .tokens = 5, .width = 6, .patch_inputs = 4};
  Placed<Dap> placed(dap(DownInit::normal), place, 1);
  auto& values = placed.store();
  auto const moves = random_matrix<float>(1, values.values().size(), 3);
  for (Index i = 0; i < moves.size(); ++i) { values.values()[i] += 0.5F * moves.data()[i]; }
  auto hook = placed.prompt.learning_hook(exec, placed.state);
  hook.prepare(random_matrix<float>(3, 6, 4).cview(), {});
  std::vector<Tensor<float, 3>> x;
  std::vector<Tensor<float, 3>> r;
  std::vector<Tensor<float, 3>> d_x;
  for (std::uint64_t block = 0; block < 2; ++block) {
    x.push_back(normal<float>(10 + block, Shape<3>{3, 8, 6}));
    r.push_back(normal<float>(20 + block, Shape<3>{3, 3, 6}));
    d_x.push_back(Tensor<float, 3>::zeros({3, 8, 6}));
    hook.tokens_gradient(static_cast<Index>(block), r.back().cview(), x.back().cview(), d_x.back().view());
  }
  auto gradients = values;
  hook.collect(gradients);

  auto wide = widened_store(values);
  double lengths[2][2];
  for (Index block = 0; block < 2; ++block) {
    auto const all = modulation(wide, block, 0);
    for (Index part = 0; part < 2; ++part) { lengths[block][part] = length_of(all.view().slice(6 * part, 6)); }
  }
  auto const loss = [&] {
    double sum = 0.0;
    for (std::size_t block = 0; block < 2; ++block) {
      for (Index b = 0; b < 3; ++b) {
        auto const made = film_of(wide, static_cast<Index>(block), 0, lengths[block][0], lengths[block][1], widened_rows(x[block].cview()[b])).prompts();
        sum = std::inner_product(made.begin(), made.end(), r[block].cview()[b].begin(), sum);
      }
    }
    return sum;
  };
  for (ParameterSpan const& span : wide.trainable()) {
    std::string const& name = wide.segments()[static_cast<std::size_t>(span.segment)].name;
    CAPTURE(name);
    if (name == Dap::keys_segment) { continue; }  // they are pulled alone
    auto const got = numbers_of(gradients, name).slice(0, span.count);
    CHECK(relative_difference(got, central_differences(wide.view(span), loss)) <= tolerance<float>(Kind::gradient));
  }
  CHECK(wide.trainable().size() == 8);
  auto const others = numbers_of(gradients, Dap::embedding);
  CHECK(all_zero(others.slice(4, 8)));

  // In front of the first block nothing learns; elsewhere the rows that were read get their part.
  CHECK(all_zero(d_x[0]));
  for (Index b = 0; b < 3; ++b) {
    auto const film = film_of(wide, 1, 0, widened_rows(x[1].cview()[b]));
    CHECK(relative_difference(d_x[1].cview()[b], film.backward(widened_rows(r[1].cview()[b])).x) <= tolerance<float>(Kind::gradient));
  }
}

TEST_CASE("before it learned, every row is the direction of beta; gamma has no gradient then, beta has") {
  auto const vit = plain_network();
  auto const images = many_images(3, vit.shape());
  PromptedLearning<Dap> learning(vit, dap());
  learning.begin_task(0);
  learning.pass(images, {0, 1, 1});
  auto const wide = widened_store(learning.store());
  auto const tokens = vit.embed(exec, images);
  for (Index block = 0; block < 3; ++block) {
    CAPTURE(block);
    auto const made = learning.hook().tokens(block, tokens.cview()).rows;
    REQUIRE(made.shape() == Shape<3>{3, 3, 36});
    auto const all = modulation(wide, block, 0);
    auto const beta = all.view().slice(36, 36);
    auto want = Matrix<double>::zeros({9, 36});
    for (Index i = 0; i < want.size(); ++i) { want.data()[i] = beta[i % 36] / length_of(beta); }
    CHECK(relative_difference(made.reshaped<2>({9, 36}), want) <= tolerance<float>(Kind::elementwise));
    auto const row = widened_rows(made[0]);
    CHECK(length_of(row.cview()[0]) == doctest::Approx(1.0));
    auto const d = learning.gradients().view<2>(Dap::film_bias)[block];
    CHECK(all_zero(d.slice(0, 36)));
    CHECK(std::all_of(d.begin() + 36, d.end(), [](float value) { return value != 0.0F; }));
  }
}

TEST_CASE("a generator begins as the paper's: no mixing, a modulation within 1 / sqrt E, keys within 0.0625, embeddings of deviation 1") {
  Placed<Dap> const placed({.pool = 200, .length = 2, .embedding_width = 16}, {.depth = 2, .tokens = 5, .width = 40, .patch_inputs = 4}, 1);
  auto const& store = placed.state.parameters();
  auto const fills = [&](std::string_view name, float bound) {
    auto const values = store.values(name);
    auto const [least, most] = std::minmax_element(values.begin(), values.end());
    return std::max(-*least, *most) <= bound && std::min(-*least, *most) > 0.9F * bound;
  };
  CHECK(fills(Dap::film_weight, 0.25F));
  CHECK(fills(Dap::film_bias, 0.25F));
  CHECK(fills(Dap::keys_segment, 0.0625F));
  for (std::string_view const name : {Dap::down_weight, Dap::down_bias, Dap::norm_bias}) { CHECK(all_zero(store.values(name))); }
  auto const scale = store.values(Dap::norm_weight);
  CHECK(std::all_of(scale.begin(), scale.end(), [](float value) { return value == 1.0F; }));
  auto const tasks = store.values(Dap::embedding);
  auto const count = static_cast<double>(tasks.size());
  double const squares = std::inner_product(tasks.begin(), tasks.end(), tasks.begin(), 0.0);
  CHECK(std::abs(std::sqrt(squares / count) - 1.0) <= 5.0 / std::sqrt(2.0 * count));  // five standard errors
  CHECK(std::abs(std::accumulate(tasks.begin(), tasks.end(), 0.0) / count) <= 5.0 / std::sqrt(count));
}

TEST_CASE("the norm in front of the mixing adds 1e-6 to the variance") {
  Film<double> const film{rows_of<double>({{1}}), numbers({0}), numbers({1, 1}), numbers({0, 0}), numbers({1, 1}), numbers({0, 0}), rows_of<double>({{1e-3, -1e-3}})};
  double const want = 1.0 / std::sqrt(2.0);  // of a row whose variance is 1e-6 itself
  CHECK(relative_difference(film.prompts(), rows_of<double>({{want, -want}})) <= tolerance<double>(Kind::softmax));
}

TEST_CASE("the lengths of gamma and beta do not count") {
  auto const vit = plain_network();
  auto const images = many_images(3, vit.shape());
  Placed<Dap> placed(dap(DownInit::normal), prompt_place(vit), 1);
  for (float& value : numbers_of(placed.store(), Dap::down_weight)) { value *= 1e3F; }
  auto const features = [&] { return Prompted(vit, placed.prompt, placed.state).features(exec, images.cview()); };
  auto const want = features();
  for (std::string_view const name : {Dap::film_weight, Dap::film_bias}) {
    auto const all = numbers_of(placed.store(), name);
    Index const block = all.size() / 3;
    for (Index i = 0; i < all.size(); ++i) { all[i] *= i % block < block / 2 ? 4.0F : 0.3F; }
  }
  CHECK(relative_difference(features(), want) <= tolerance<float>(Kind::chain));
  for (float& value : numbers_of(placed.store(), Dap::film_bias)) { value += 0.1F; }
  CHECK(relative_difference(features(), want) > 1e-3);
}

namespace {

/// The hook of a prompt, and what it was given and gave.
template <class Hook>
struct Recorded : Measured<Hook> {
  using Measured<Hook>::Measured;

  std::vector<Tensor<float, 3>> hidden;
  std::vector<Tensor<float, 3>> rows;

  TokenInjection tokens(Index block, TensorView<float const, 3> x) {
    auto const given = Measured<Hook>::tokens(block, x);
    hidden.push_back(to_host(exec, x));
    rows.push_back(to_host(exec, given.rows));
    return given;
  }
};
template <class Hook>
Recorded(Hook) -> Recorded<Hook>;

}  // namespace

TEST_CASE("each block's rows are made of what the others are by then, and take the place of those before; the sequence stays that long") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  Placed<Dap> placed(dap(DownInit::normal), prompt_place(vit), 3);
  for (float& value : numbers_of(placed.store(), Dap::down_weight)) { value *= 1e3F; }
  std::vector<Index> const tasks{2, 0, 1, 2};
  Recorded hook(placed.prompt.hook_of(exec, placed.state, Dap::slots_of(tasks).cview()));
  auto const last = vit.forward(exec, vit.embed(exec, images), hook);
  CHECK(last.extent(1) == 17 + 3);
  CHECK(hook.lengths == std::vector<Index>{20, 20, 20});
  REQUIRE(hook.rows.size() == 3);
  auto const wide = widened_store(placed.store());
  for (std::size_t block = 0; block < 3; ++block) {
    CAPTURE(block);
    CHECK(hook.hidden[block].extent(1) == (block == 0 ? 17 : 20));
    for (Index b = 0; b < 4; ++b) {
      auto const film = film_of(wide, static_cast<Index>(block), tasks[static_cast<std::size_t>(b)], widened_rows(hook.hidden[block].cview()[b].slice(0, 17)));
      CHECK(relative_difference(hook.rows[block].cview()[b], film.prompts()) <= tolerance<float>(Kind::sum));
    }
  }
}

TEST_CASE("where the last block is skipped it gets no rows, and what would make them does not learn") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  auto prompt = dap(DownInit::normal);
  prompt.skip_last = true;
  Placed<Dap> placed(prompt, prompt_place(vit), 3);
  std::vector<Index> const tasks{2, 0, 1, 2};
  Measured hook(placed.prompt.hook_of(exec, placed.state, Dap::slots_of(tasks).cview()));
  CHECK(vit.forward(exec, vit.embed(exec, images), hook).extent(1) == 17);
  CHECK(hook.lengths == std::vector<Index>{20, 20, 17});

  PromptedLearning<Dap> learning(vit, prompt);
  learning.begin(0);
  auto const before = learning.store();
  learning.learn(0, images, 2, 0.01);
  auto const& after = learning.store();
  for (std::string_view const name : {Dap::down_weight, Dap::film_weight}) {
    for (Index block = 0; block < 3; ++block) { CHECK(same_bits(after.view<3>(name)[block], before.view<3>(name)[block]) == (block == 2)); }
  }
}

TEST_CASE("the mixing of tokens stands still after the first task, as do keys and embeddings of other tasks") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  PromptedLearning<Dap> learning(vit, dap());
  learning.begin(0);
  auto const start = learning.store();
  learning.learn(0, images, 3, 0.01);
  auto const before = learning.store();
  learning.learn(1, images, 3, 0.01);
  auto const& after = learning.store();
  for (std::string_view const name : {Dap::down_weight, Dap::down_bias}) {
    CHECK_FALSE(same_bits(numbers_of(before, name), numbers_of(start, name)));
    CHECK(same_bits(numbers_of(after, name), numbers_of(before, name)));
  }
  for (std::string_view const name : {Dap::film_weight, Dap::film_bias, Dap::norm_weight, Dap::norm_bias}) { CHECK_FALSE(same_bits(numbers_of(after, name), numbers_of(before, name))); }
  for (std::string_view const name : {Dap::keys_segment, Dap::embedding}) {
    auto const rows = [name](ParameterStore<float> const& store, Index task) { return store.view<2>(name)[task]; };
    CHECK_FALSE(same_bits(rows(before, 0), rows(start, 0)));
    CHECK(same_bits(rows(before, 1), rows(start, 1)));
    CHECK(same_bits(rows(after, 0), rows(before, 0)));
    CHECK_FALSE(same_bits(rows(after, 1), rows(before, 1)));
    CHECK(same_bits(rows(after, 2), rows(start, 2)));
  }
  auto const measures = learning.prompt.measures(learning.state);
  std::vector<std::string> const moved{"modulation change", "norm change", "key drift"};
  for (std::size_t i = 0; i < moved.size(); ++i) {
    CHECK(measures[i].first == moved[i]);
    CHECK(measures[i].second > 0.0);
  }
}

TEST_CASE("rows that begin as zeros stay the same rows for ever, normal ones differ") {
  auto const vit = plain_network();
  auto const images = many_images(4, vit.shape());
  for (DownInit const initial : {DownInit::zeros, DownInit::normal}) {
    PromptedLearning<Dap> learning(vit, dap(initial));
    learning.learn(0, images, 5, 0.01);
    auto const down = std::as_const(learning.store()).view<3>(Dap::down_weight);
    CHECK(same_rows(down) == (initial == DownInit::zeros));
    CHECK((learning.prompt.measures(learning.state).back().second == 0.0) == (initial == DownInit::zeros));
    CHECK_FALSE(all_zero(down));
  }
}

TEST_CASE("the key of the task is pulled by the mean over the batch, or by the sum") {
  auto const place = prompt_place(plain_network());
  auto const once = random_matrix<float>(4, 36, 1);
  auto const twice = chosen_rows(once, {0, 1, 2, 3, 0, 1, 2, 3});
  struct Pulled {
    double loss;
    std::vector<float> gradient;
  };
  auto const pull = [&](bool sum, Matrix<float> const& queries) {
    auto prompt = dap();
    prompt.sum_pull = sum;
    Placed<Dap> placed(prompt, place, 2);
    auto hook = placed.prompt.learning_hook(exec, placed.state);
    hook.prepare(queries.cview(), {});
    double const loss = hook.own_loss(1.0);
    auto gradients = placed.store();
    hook.collect(gradients);
    auto const keys = std::as_const(placed.store()).view<2>(Dap::keys_segment);
    auto const near = key_similarity(exec, queries.cview(), keys);
    double cosines = 0.0;
    for (Index b = 0; b < queries.extent(0); ++b) { cosines += near(b, 1); }
    CHECK(loss == doctest::Approx(-12.8 * cosines / (sum ? 1.0 : static_cast<double>(queries.extent(0)))));
    auto const d = std::as_const(gradients).view<2>(Dap::keys_segment);
    for (Index const other : {Index{0}, Index{2}}) { CHECK(all_zero(d[other])); }
    return Pulled{loss, {d[1].begin(), d[1].end()}};
  };
  auto const difference = [](Pulled const& a, Pulled const& b, float factor) {
    double worst = std::abs(a.loss / b.loss / static_cast<double>(factor) - 1.0);
    float const largest = std::abs(*std::max_element(a.gradient.begin(), a.gradient.end(), [](float x, float y) { return std::abs(x) < std::abs(y); }));
    for (std::size_t i = 0; i < a.gradient.size(); ++i) { worst = std::max(worst, static_cast<double>(std::abs(a.gradient[i] - factor * b.gradient[i]) / largest)); }
    return worst;
  };
  double const allowed = tolerance<float>(Kind::elementwise);
  CHECK(difference(pull(false, twice), pull(false, once), 1.0F) <= allowed);
  CHECK(difference(pull(true, once), pull(false, once), 4.0F) <= allowed);
  CHECK(difference(pull(true, twice), pull(false, once), 8.0F) <= allowed);
}

TEST_CASE("a picture is taken for the task whose key is nearest, of those begun") {
  Placed<Dap> placed(dap(), prompt_place(plain_network()), 2);
  auto const keys = std::as_const(placed.store()).view<2>(Dap::keys_segment);
  auto const chosen = placed.prompt.chosen_slots(exec, placed.state, keys);  // each query is a key
  CHECK(chosen(0, 0) == 0);
  CHECK(chosen(1, 0) == 1);
  CHECK(chosen(2, 0) < 2);  // task 2 has not begun
  placed.begin(2);
  CHECK(placed.prompt.chosen_slots(exec, placed.state, std::as_const(placed.store()).view<2>(Dap::keys_segment))(2, 0) == 2);
}

TEST_CASE("classes of tasks that a picture has no slot of are ruled out, the others keep their scores") {
  Matrix<Index> slots({2, 2});
  std::copy_n(std::vector<Index>{0, 2, 1, 1}.begin(), 4, slots.data());
  std::vector<Index> const tasks{0, 1, 0, 2};
  Matrix<float> scores({2, 4});
  std::iota(scores.begin(), scores.end(), 1.0F);
  rule_out_other_tasks(slots.cview(), tasks, scores.view());
  CHECK(std::vector<float>(scores.begin(), scores.end()) == std::vector<float>{1.0F, -1e11F, 3.0F, 4.0F, -1e11F, 6.0F, -1e11F, -1e11F});
  CHECK_THROWS_AS(rule_out_other_tasks(slots.cview(), std::vector<Index>{0, 1}, scores.view()), ShapeError);
}

TEST_CASE("there is room for one more task at need, which begins as if it had been there; what does not fit is refused") {
  auto const place = prompt_place(plain_network());
  auto small = dap();
  small.pool = 1;
  Placed<Dap> grown(small, place, 3);
  CHECK(grown.state.slots() == 3);
  CHECK(grown.store() == Placed<Dap>(dap(), place, 3).store());

  using Fixed = GeneratedPrompt<Instance, FixedPool>;
  Placed<Fixed> fixed({.pool = 1, .length = 3}, place, 1);
  auto const before = fixed.store();
  CHECK_THROWS_WITH_AS(fixed.begin(1), doctest::Contains("task 1 needs 2 slots of a pool of 1"), ValueError);
  CHECK(fixed.store() == before);
  CHECK(fixed.state.task() == 0);

  Placed<Dap> empty({.length = 0}, place);
  CHECK_THROWS_AS(empty.begin(0), ValueError);
  CHECK(empty.store().size() == 0);
}

TEST_CASE("a generator goes through a model file; other settings refuse it") {
  auto const vit = plain_network();
  auto const images = many_images(2, vit.shape());
  PromptedLearning<Dap> learning(vit, dap());
  check_file(static_cast<Placed<Dap> const&>(learning));  // before the first task
  learning.learn(0, images, 1, 0.01);
  learning.learn(1, images, 1, 0.01);
  check_file(static_cast<Placed<Dap> const&>(learning));
  auto const changed = [&](auto change) {
    auto prompt = dap();
    change(prompt);
    return Placed<Dap>(prompt, prompt_place(vit), 1);
  };
  check_refused<Dap>(learning, changed([](Dap& prompt) { prompt.length = 4; }));
  check_refused<Dap>(learning, changed([](Dap& prompt) { prompt.embedding_width = 5; }));
  check_refused<Dap>(learning, changed([](Dap& prompt) { prompt.pool = 4; }));

  TemporaryFolder const folder;
  for (Index const task : {Index{-1}, Index{3}}) {  // of three
    ModelWriter const writer("prompt");
    auto const scope = writer.scope("prompt");
    learning.state.place().write(scope.scope("place"));
    scope.setting("task", task);
    write_measures({}, scope.scope("drift"));
    learning.store().write(scope);
    writer.write(folder / "a");
    Placed<Dap> reads(dap(), prompt_place(vit), 1);
    CHECK_THROWS_AS(read_prompt(folder / "a", reads), FileError);
    CHECK(reads.state.task() == 0);
  }
}

}  // namespace accrete::test::generated_test
