#include "support/compare.hpp"
#include "support/small_learners.hpp"
#include "support/tolerances.hpp"

#include <accrete/host/host.hpp>
#include <accrete/prompt/fixed_prefix.hpp>
#include <accrete/tuning/attention_adapter.hpp>
#include <accrete/tuning/lora.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace accrete::test::lae_test {

namespace {

template <class Tuning>
[[nodiscard]] ParameterStore<float> declared(Tuning const& tuning, Index depth = 12) {
  TunedNetwork network;
  network.shape.width = 768;
  network.shape.hidden = 3072;
  network.shape.depth = depth;
  ParameterStore<float> store;
  tuning.declare(network, {.seed = 1, .purpose = Purpose::initialisation}, store);
  return store;
}

[[nodiscard]] Index numbers(ParameterStore<float> const& store) {
  Index count = 0;
  for (ParameterSpan const& span : store.trainable()) { count += span.count; }
  return count;
}

[[nodiscard]] Tensor<float, 4> pictures() {
  Tensor<float, 4> images({3, 3, 32, 32});
  Rng(RngKey{.seed = 2, .purpose = Purpose::initialisation}).fill_normal(0, VectorView<float>(images.data(), {images.size()}));
  return images;
}

}  // namespace

TEST_CASE("LAE's modules of a ViT-B have 42,270, 76,810 and 76,810 numbers in its first five blocks, and no more than the network has blocks") {
  CHECK(numbers(declared(AttentionAdapter{})) == 42270);
  CHECK(numbers(declared(Lora::lae())) == 76810);
  FixedPrefix::State state;
  FixedPrefix{}.fit_place(state, {.depth = 12, .tokens = 197, .width = 768, .patch_inputs = 768});
  CHECK(numbers(state.parameters()) == 76810);
  for (float const value : state.parameters().view<3>("prompt.values")) { CHECK((value >= 0.0F && value < 0.01F)); }
  CHECK(numbers(declared(AttentionAdapter{}, 3)) == 3 * 8454);
  CHECK(numbers(declared(AttentionAdapter{.width = 5, .blocks = 0})) == 12 * 8454);
}

TEST_CASE("modules begin within 1 / sqrt D where they read, with zero where they write, and under factors of one") {
  auto const check = [](ParameterStore<float> const& store, char const* reads) {
    double const bound = 1.0 / std::sqrt(768.0);
    for (auto const& segment : store.segments()) {
      CAPTURE(segment.name);
      auto const values = store.values(segment.name);
      auto const all_are = [&](float wanted) { return std::all_of(values.begin(), values.end(), [wanted](float value) { return value == wanted; }); };
      if (segment.name.ends_with(".scale")) {
        CHECK(all_are(1.0F));
      } else if (segment.name.ends_with(reads)) {
        double const squares = std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
        CHECK(std::all_of(values.begin(), values.end(), [bound](float value) { return std::abs(static_cast<double>(value)) <= bound; }));
        CHECK(std::sqrt(3.0 * squares / static_cast<double>(values.size())) / bound == doctest::Approx(1.0).epsilon(0.03));  // four standard errors
      } else {
        CHECK(all_are(0.0F));
      }
    }
  };
  check(declared(AttentionAdapter{}), ".down.weight");
  check(declared(Lora::lae()), ".a");
  FixedPrefix::State state;
  FixedPrefix{}.fit_place(state, {.depth = 12, .tokens = 197, .width = 768, .patch_inputs = 768});
  for (float const scale : state.parameters().view<2>("prompt.scales")) { CHECK(scale == 1.0F); }
}

TEST_CASE("adapters and low-rank parts begin as the published network, a prefix does not") {
  HostExecutor<> const exec{.threads = 2};
  Vit<> const trunk = small_vit();
  RngKey const key{.seed = 3, .purpose = Purpose::initialisation};
  auto const images = pictures();
  auto const published = trunk.features(exec, images.cview());
  CHECK(same_bits(Vit<AttentionAdapter>(trunk, {}, key).features(exec, images.cview()), published));
  CHECK(same_bits(Vit<Lora>(trunk, Lora::lae(), key).features(exec, images.cview()), published));
  FixedPrefix const prefix;
  FixedPrefix::State state;
  prefix.fit_place(state, prompt_place(trunk));
  CHECK(!same_bits(trunk.features(exec, images.cview(), prefix.hook(exec, state)), published));
}

TEST_CASE("what a tuned network computes at rest is what it computes while it learns, in the few rows of the last block as well") {
  HostExecutor<> const exec{.threads = 2};
  Vit<> const trunk = small_vit();
  auto const images = pictures();
  auto const check = [&](auto tuning) {
    using Tuning = decltype(tuning);
    Vit<Tuning> network(trunk, tuning, {.seed = 3, .purpose = Purpose::initialisation});
    auto store = network.parameters();
    Rng const random({.seed = 4, .purpose = Purpose::initialisation});
    for (Index i = 0; i < store.values().size(); ++i) { store.values()[i] += 0.2F * random.normal(static_cast<std::uint64_t>(i)); }
    network.assign(store);
    auto const resting = network.features(exec, images.cview());
    auto training = network.template training<float>(exec, network.parameters());
    Matrix<float> learning(resting.shape());
    NoHook none;
    training.forward(images.cview(), none, learning.view(), {}, false);
    CHECK(relative_difference(learning, resting) <= tolerance<float>(Kind::chain));
    CHECK(relative_difference(resting, trunk.features(exec, images.cview())) > 1e-2);
  };
  check(AttentionAdapter{.width = 4, .blocks = 0});
  Lora lora = Lora::lae();
  lora.blocks = 0;
  check(lora);
}

TEST_CASE("a prefix refuses a length of nothing and files that hold something else") {
  FixedPrefix::State state;
  CHECK_THROWS_AS(FixedPrefix{.length = 0}.fit_place(state, prompt_place(small_vit())), ValueError);
  TemporaryFolder const folder;
  ModelWriter const writer("test");
  ParameterStore<float> other;
  other.add({.name = "prompt.keys", .shape = {2, 3, 4}, .role = "prompt", .trainable_rows = 2});
  other.write(writer.scope("prompt"));
  writer.write(folder / "file");
  CHECK_THROWS_AS(FixedPrefix{}.read(state, ModelReader::open(folder / "file", "test").scope("prompt")), FileError);
}

}  // namespace accrete::test::lae_test
