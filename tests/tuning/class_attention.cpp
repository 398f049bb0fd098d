#include "support/executors.hpp"
#include "support/files.hpp"
#include "support/head_gradients.hpp"
#include "support/naive_network.hpp"
#include "support/training_checks.hpp"
#include "support/vit_checks.hpp"

#include <accrete/backbone/tuning_bank.hpp>
#include <accrete/host/host.hpp>
#include <accrete/prompt/fixed.hpp>
#include <accrete/train/tuned_part.hpp>
#include <accrete/tuning/class_attention.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <ios>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test::class_attention_test {

namespace {

using Network = Vit<ClassAttention>;
HostExecutor<> const exec{.threads = 2};

Network network(std::uint64_t seed = 4) {
  auto const plain = network_case("plain");
  return Network::load(plain.weights, plain.options(), {}, seed);
}

/// Values large enough that attention, activation and norms bend.
void spread(ParameterStore<float>& store, std::string const& name = "spread") {
  for (ParameterSegment const& segment : store.segments()) {
    Index const first = store.offset(segment.name);
    Index const count = segment.shape.size() == 1 ? segment.shape[0] : segment.shape[0] * segment.shape[1];
    bool const gain = segment.name.find("norm") != std::string::npos && segment.name.ends_with(".weight");
    auto const values = drawn<1>(name + segment.name, {count}, 0.6F, gain ? 1.0F : 0.0F);
    std::copy(values.begin(), values.end(), store.values().slice(first, count).begin());
  }
}

Network spread_network(std::uint64_t seed = 4) {
  Network vit = network(seed);
  auto store = vit.parameters();
  spread(store, std::to_string(seed));
  vit.assign(std::move(store));
  return vit;
}

/// Three rows behind the patches.
template <class Exec>
GradientHook<Exec> with_prompt(Exec const& where, Index tokens, Index width) {
  GradientHook<Exec> hook{where};
  hook.at = tokens;
  hook.prompts.push_back(to_executor(where, drawn<3>("prompt", {1, 3, width})));
  return hook;
}

/// A hook that says how often it was asked and how often it saw a block.
struct Counting {
  Tensor<float, 3> rows;
  Index at = 0;
  Index asked = 0;
  Index blocks = 0;

  TokenInjection tokens(Index block) {
    asked += block == 0 ? 1 : 0;
    return block == 0 ? TokenInjection{rows.cview(), at} : TokenInjection{};
  }
  void observe(Index /*block*/, TensorView<float const, 3> /*tokens*/) { ++blocks; }
};

Matrix<float> rows_of(ParameterStore<float> const& store, std::string const& name) {
  auto const view = store.view<2>("class_attention." + name);
  Matrix<float> rows(view.shape());
  std::copy(view.begin(), view.end(), rows.begin());
  return rows;
}
Vector<float> numbers_of(ParameterStore<float> const& store, std::string const& name) {
  auto const view = store.view<1>("class_attention." + name);
  Vector<float> numbers(view.shape());
  std::copy(view.begin(), view.end(), numbers.begin());
  return numbers;
}

/// The definition, in loops: a whole pre-norm block over [k; X], of which row 0 is kept.
Matrix<double> by_definition(ParameterStore<float> const& store, Tensor<float, 3> const& last, Index heads) {
  Index const length = last.extent(1) + 1;
  Index const width = last.extent(2);
  Matrix<double> x({last.extent(0) * length, width});
  auto const token = numbers_of(store, "token");
  for (Index b = 0; b < last.extent(0); ++b) {
    for (Index c = 0; c < width; ++c) {
      x(b * length, c) = static_cast<double>(token(c));
      for (Index i = 1; i < length; ++i) { x(b * length + i, c) = static_cast<double>(last(b, i - 1, c)); }
    }
  }
  auto const linear = [&](Matrix<double> const& in, std::string const& layer) { return naive::linear(in, rows_of(store, layer + ".weight"), numbers_of(store, layer + ".bias")); };
  auto const norm = [&](Matrix<double> const& in, std::string const& layer) { return naive::layer_norm(in, numbers_of(store, layer + ".weight"), numbers_of(store, layer + ".bias"), 1e-5); };
  x = naive::sum(x, linear(naive::attention(linear(norm(x, "norm1"), "attn.qkv"), last.extent(0), heads), "attn.proj"));
  x = naive::sum(x, linear(naive::activated(linear(norm(x, "norm2"), "mlp.fc1"), kernels::Activation::gelu), "mlp.fc2"));
  Matrix<double> features({last.extent(0), width});
  for (Index b = 0; b < features.extent(0); ++b) { std::copy_n(x.data() + b * length * width, width, features.data() + b * width); }
  return features;
}

}  // namespace

TEST_CASE("the block has the specified numbers, and begins with the published class token") {
  TunedNetwork const large{.shape = {}, .positioned = 1, .published = [](std::string const& name) { return Vector<float>({name == "cls_token" ? 768 : 0}); }};
  ParameterStore<float> store;
  ClassAttention{}.declare(large, {.seed = 1}, store);
  Index count = 0;
  for (Index i = 0; i < store.size(); ++i) { count += store.trainable_of(i).count; }
  CHECK(count - 768 == 2956416);

  auto const vit = network();
  auto const& own = vit.parameters();
  auto const token = SafetensorsFile::open(network_case("plain").weights).read<float, 3>("cls_token");
  CHECK(same_bits(own.view<1>("class_attention.token"), token.cview().reshaped<1>({token.size()})));
  double squares = 0.0;
  auto const weight = store.view<2>("class_attention.attn.qkv.weight");
  for (float const value : weight) { squares += static_cast<double>(value) * static_cast<double>(value); }
  CHECK(std::sqrt(squares / static_cast<double>(weight.size())) / 0.02 == doctest::Approx(1.0).epsilon(0.01));
  auto const all_are = [&](char const* name, float wanted) {
    auto const values = own.view<1>(name);
    return std::all_of(values.begin(), values.end(), [wanted](float value) { return value == wanted; });
  };
  CHECK(all_are("class_attention.norm1.weight", 1.0F));
  CHECK(all_are("class_attention.norm2.bias", 0.0F));
  CHECK(all_are("class_attention.attn.qkv.bias", 0.0F));
  CHECK_FALSE(same_bits(own.values(), network(5).parameters().values()));

  TunedNetwork const headless{.shape = {}, .positioned = 0, .published = [](std::string const&) { return Vector<float>(); }};
  CHECK_THROWS_AS(ClassAttention{}.declare(headless, {.seed = 1}, store), ValueError);
}

TEST_CASE_TEMPLATE("the feature is row 0 of a block over the token and all rows before the final norm", Exec, ACCRETE_HOST_EXECUTORS) {
  Exec const own{.threads = 2};
  auto const vit = spread_network();
  auto const images = many_images(5, vit.shape());
  auto const plain = vit.trunk();
  BlockRecorder<Exec> recorder{own, {}};
  static_cast<void>(plain.forward(own, plain.embed(own, images), recorder));
  auto const want = by_definition(vit.parameters(), recorder.blocks.back(), vit.heads());
  CHECK(relative_difference(vit.features(own, images.cview()), want) <= tolerance<float>(Kind::chain));
  CHECK(relative_difference(vit.query(own, vit.embed(own, images)), want) <= tolerance<float>(Kind::chain));
  CHECK(relative_difference(vit.pool(own, vit.forward(own, vit.embed(own, images))), want) <= tolerance<float>(Kind::chain));
  CHECK(relative_difference(vit.features(own, images.cview(), NoHook{}), want) <= tolerance<float>(Kind::chain));
  Exec const rough{.threads = 2, .precision = Precision::bfloat16};
  CHECK(relative_difference(vit.features(rough, images.cview()), want) <= tolerance<bfloat16>(Kind::chain));

  auto quiet = vit;
  auto faint = vit.parameters();
  for (float& value : faint.view<1>("class_attention.token")) { value *= 1e-3F; }  // the norm of such a token is its epsilon's
  quiet.assign(std::move(faint));
  CHECK(relative_difference(quiet.features(own, images.cview()), by_definition(quiet.parameters(), recorder.blocks.back(), vit.heads())) <= tolerance<float>(Kind::chain));

  struct Prompted : BlockRecorder<Exec> {
    GradientHook<Exec> hook;
    TokenInjection tokens(Index block) const { return hook.tokens(block); }
  };
  Prompted prompted{{own, {}}, with_prompt(own, vit.shape().tokens(), vit.width())};
  static_cast<void>(plain.forward(own, plain.embed(own, images), prompted));
  REQUIRE(prompted.blocks.back().extent(1) == vit.shape().tokens() + 3);
  auto const bent = by_definition(vit.parameters(), prompted.blocks.back(), vit.heads());
  CHECK(relative_difference(vit.features(own, images.cview(), prompted.hook), bent) <= tolerance<float>(Kind::chain));
  CHECK(relative_difference(bent, want) > 1e-3);
}

TEST_CASE("while it learns it computes what it computes at rest") {
  auto const vit = spread_network();
  auto const images = many_images(5, vit.shape());
  auto hook = with_prompt(exec, vit.shape().tokens(), vit.width());
  auto training = vit.training<float>(exec, vit.parameters());
  Matrix<float> features({5, vit.width()});
  training.forward(images.cview(), hook, features.view(), {});
  CHECK(relative_difference(features, vit.features(exec, images.cview(), hook)) <= tolerance<float>(Kind::chain));
}

TEST_CASE("features do not depend on the other images or on the number of threads") {
  auto const vit = spread_network();
  auto const images = many_images(13, vit.shape());
  for (Precision const precision : {Precision::float32, Precision::bfloat16}) {
    HostExecutor<> const two{.threads = 2, .precision = precision};
    HostExecutor<> const one{.threads = 1, .precision = precision};
    auto hook = with_prompt(two, vit.shape().tokens(), vit.width());
    auto const all = vit.features(two, images.cview());
    auto const bent = vit.features(two, images.cview(), hook);
    for (Index i = 0; i < 13; ++i) {
      CHECK(same_bits(vit.features(one, images.cview().slice(i, 1)).cview()[0], all.cview()[i]));
      CHECK(same_bits(vit.features(one, images.cview().slice(i, 1), hook).cview()[0], bent.cview()[i]));
    }
  }
}

TEST_CASE("in double, gradients of every tensor and of the prompt are those of central differences") {
  TemporaryFolder const folder;
  ToyCheckpoint().write(folder / "toy");
  auto const vit = Network::load(folder / "toy", {.heads = 2, .image_height = 4, .image_width = 4}, {}, 4);
  auto narrow = vit.parameters();
  spread(narrow);
  auto store = in_double(narrow);
  HostExecutor<EigenProducts> const exact{.threads = 1, .precision = Precision::float64};
  auto const images = many_images(3, vit.shape());
  auto hook = with_prompt(exact, 5, 8);
  auto training = vit.training<double>(exact, store);
  auto const r = random_matrix<double>(3, 8, 5);
  Matrix<double> features({3, 8});
  auto const loss = [&] {
    training.refresh(store.values());
    training.forward(images.cview(), hook, features.view(), {});
    double sum = 0.0;
    for (Index i = 0; i < r.size(); ++i) { sum += r.data()[i] * features.data()[i]; }
    return sum;
  };
  static_cast<void>(loss());
  training.zero_gradients();
  training.backward(r.cview(), hook);
  auto const got = training.gradients();
  Vector<double> const gradients = [&] {
    Vector<double> copy(got.shape());
    std::copy(got.begin(), got.end(), copy.begin());
    return copy;
  }();
  auto const compare = [&](Index first, Index count) {
    auto const want = central_differences(store.values().slice(first, count), loss);
    CHECK(relative_difference(gradients.cview().slice(first, count), want) <= tolerance<double>(Kind::loss_differences));
    CHECK(std::any_of(want.begin(), want.end(), [](double slope) { return std::abs(slope) > 1e-6; }));
  };
  for (Index i = 0; i < store.size(); ++i) {
    ParameterSpan const span = store.trainable_of(i);
    std::string const name = store.segments()[static_cast<std::size_t>(i)].name;
    CAPTURE(name);
    if (name == "class_attention.attn.qkv.weight") {
      for (Index part = 0; part < 3; ++part) { compare(span.first + part * span.count / 3, span.count / 3); }  // queries, keys and values are of different sizes
    } else {
      compare(span.first, span.count);
    }
  }

  auto const d_prompt = as_reference(hook.d_prompts.at(0), 24);
  std::vector<double> want;
  for (float& value : hook.prompts.front()) {
    float const here = value;
    value = here + 0x1p-9F;
    double const up = static_cast<double>(value);
    double const above = loss();
    value = here - 0x1p-9F;
    double const below = loss();
    want.push_back((above - below) / (up - static_cast<double>(value)));
    value = here;
  }
  CHECK(relative_difference(viewed(d_prompt), viewed(want)) <= tolerance<float>(Kind::backward));
}

TEST_CASE("nothing goes back into the trunk when the prompt stands still, and the block learns the same") {
  auto const vit = spread_network();
  auto const images = many_images(4, vit.shape());
  auto const r = random_matrix<float>(4, vit.width(), 6);
  FixedPrompt<Shallow> const prompt{.length = 3, .initial = PromptInit::width, .learns = PromptLearns::first_task};
  FixedPrompt<Shallow>::State state;
  prompt.fit_place(state, prompt_place(vit));
  auto const run = [&](Index task, std::size_t& bytes) {
    prompt.begin_task(state, {.index = task, .first_class = 2 * task, .classes = 2});
    auto hook = prompt.learning_hook(exec, state);
    auto training = vit.training<float>(exec, vit.parameters());
    Matrix<float> features({4, vit.width()});
    training.forward(images.cview(), hook, features.view(), {});
    training.backward(r.cview(), hook);
    bytes = training.scratch_bytes();
    ParameterStore<float> gradients = state.parameters();
    hook.collect(gradients);
    auto const own = training.gradients();
    return std::pair(std::vector<float>(own.begin(), own.end()), std::vector<float>(gradients.values().begin(), gradients.values().end()));
  };
  std::size_t first_bytes = 0;
  std::size_t later_bytes = 0;
  auto const first = run(0, first_bytes);
  auto const later = run(1, later_bytes);
  CHECK(first.first == later.first);
  CHECK(std::any_of(first.second.begin(), first.second.end(), [](float d) { return d != 0.0F; }));
  CHECK(std::all_of(later.second.begin(), later.second.end(), [](float d) { return d == 0.0F; }));
  CHECK(later_bytes < first_bytes);  // blocks without a way back keep no tape
}

TEST_CASE("a bank runs the trunk once, whatever the number of tasks, and gives what each network gives") {
  auto const plain = network_case("plain");
  TuningBank<Network> bank(Vit<>::load(plain.weights, plain.options()), {}, 7);
  auto const images = many_images(6, bank.trunk().shape());
  Index const width = bank.trunk().width();
  for (Index task = 0; task < 4; ++task) {
    bank.begin_task({.index = task, .first_class = task, .classes = 1});
    auto store = bank.tuned().parameters();
    spread(store, message("task ", task));
    bank.tuned().assign(std::move(store));
    Counting counting{drawn<3>("prompt", {1, 3, width}), bank.trunk().shape().tokens()};
    auto const all = bank.features(exec, images.cview(), counting);
    CHECK(counting.asked == 1);
    CHECK(counting.blocks == bank.depth());
    REQUIRE(all.extent(1) == (task + 1) * width);
    auto const unbent = bank.features(exec, images.cview());
    for (Index t = 0; t <= task; ++t) {
      auto const alone = bank.networks()[static_cast<std::size_t>(t)].features(exec, images.cview(), counting);
      auto const alone_unbent = bank.networks()[static_cast<std::size_t>(t)].features(exec, images.cview(), NoHook{});
      for (Index i = 0; i < 6; ++i) {
        CHECK(same_bits(all.cview()[i].slice(t * width, width), alone.cview()[i]));
        CHECK(same_bits(unbent.cview()[i].slice(t * width, width), alone_unbent.cview()[i]));
      }
    }
  }
  std::vector<Network> const strangers{network(), network()};
  CHECK_THROWS_AS(static_cast<void>(Network::features_side_by_side(exec, std::span<Network const>(strangers), images.cview(), NoHook{})), ValueError);
}

TEST_CASE("the trunk of all tunings is packed once: the file is not read again") {
  TemporaryFolder const folder;
  ToyCheckpoint().write(folder / "toy");
  auto const trunk = Vit<>::load(folder / "toy", {.heads = 2, .image_height = 4, .image_width = 4});
  auto const images = many_images(2, trunk.shape());
  auto const first = Network(trunk, {}, {.seed = 1}).features(exec, images.cview());
  std::fstream file(folder / "toy", std::ios::in | std::ios::out | std::ios::binary);
  std::uint64_t header = 0;
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  file.seekp(static_cast<std::streamoff>(sizeof header + header));
  std::vector<char> const zeros(400);  // over weights of block 0
  file.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
  file.close();
  CHECK(same_bits(Network(trunk, {}, {.seed = 1}).features(exec, images.cview()), first));
  CHECK_FALSE(same_bits(Network::load(folder / "toy", {.heads = 2, .image_height = 4, .image_width = 4}, {}, 1).features(exec, images.cview()), first));
}

TEST_CASE("a prompt that has the feature made of its own rows is refused") {
  struct OwnRows {
    [[nodiscard]] Index read_rows() const { return 3; }
  };
  auto const vit = network();
  auto const images = many_images(1, vit.shape());
  CHECK_THROWS_AS(static_cast<void>(vit.features(exec, images.cview(), OwnRows{})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(vit.training<float>(exec, vit.parameters(), 3)), ValueError);
}

}  // namespace accrete::test::class_attention_test
