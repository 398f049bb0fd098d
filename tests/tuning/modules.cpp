#include <accrete/prompt/fixed.hpp>
#include <accrete/tuning/bottleneck.hpp>
#include <accrete/tuning/lora.hpp>
#include <accrete/tuning/ssf.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

namespace accrete::test::modules_test {

namespace {

RngKey const key{.seed = 1, .purpose = Purpose::initialisation};

template <class Tuning>
[[nodiscard]] ParameterStore<float> declared_for_vit_b(Tuning const& tuning) {
  TunedNetwork network;
  network.shape.width = 768;
  network.shape.hidden = 3072;
  network.shape.depth = 12;
  ParameterStore<float> store;
  tuning.declare(network, key, store);
  return store;
}

[[nodiscard]] Index numbers(ParameterStore<float> const& store) {
  Index count = 0;
  for (ParameterSpan const& span : store.trainable()) { count += span.count; }
  return count;
}

template <class Depth>
[[nodiscard]] Index rows_of_vit_b() {
  typename FixedPrompt<Depth>::State state;
  FixedPrompt<Depth>{.length = 5}.fit_place(state, {.depth = 12, .tokens = 197, .width = 768, .patch_inputs = 768});
  return numbers(state.parameters());
}

/// Mean and deviation of all segments whose name ends so.
struct Spread {
  double mean = 0.0;
  double deviation = 0.0;
  double count = 0.0;

  Spread(ParameterStore<float> const& store, std::string_view end) {
    for (ParameterSegment const& segment : store.segments()) {
      if (!segment.name.ends_with(end)) { continue; }
      for (float const value : store.values(segment.name)) {
        mean += static_cast<double>(value);
        deviation += static_cast<double>(value) * static_cast<double>(value);
        count += 1.0;
      }
    }
    mean /= count;
    deviation = std::sqrt(deviation / count - mean * mean);
  }
  /// Within five standard errors of a normal distribution.
  [[nodiscard]] bool is_normal(double wanted, double sigma) const {
    return std::abs(mean - wanted) <= 5.0 * sigma / std::sqrt(count) && std::abs(deviation - sigma) <= 5.0 * sigma / std::sqrt(2.0 * count);
  }
};

}  // namespace

TEST_CASE("modules of a ViT-B have the specified numbers") {
  CHECK(numbers(declared_for_vit_b(Bottleneck{})) == 1189632);
  CHECK(numbers(declared_for_vit_b(Bottleneck{.width = 16})) == 304320);
  CHECK(numbers(declared_for_vit_b(Ssf{})) == 205824);
  CHECK(rows_of_vit_b<Deep>() == 46080);
  CHECK(rows_of_vit_b<Shallow>() == 3840);
}

TEST_CASE("an adapter's first layer begins uniformly within 1 / sqrt D, all else with zero") {
  auto const store = declared_for_vit_b(Bottleneck{});
  double const bound = 1.0 / std::sqrt(768.0);
  for (ParameterSegment const& segment : store.segments()) {
    auto const values = store.values(segment.name);
    auto const [least, most] = std::minmax_element(values.begin(), values.end());
    bool const down = segment.name.ends_with(".down.weight");
    CHECK((*most <= (down ? bound : 0.0) && *least >= (down ? -bound : 0.0)));
    if (down) { CHECK((*most > 0.99 * bound && *least < -0.99 * bound)); }
  }
}

TEST_CASE("scales begin around one and shifts around zero, both with a deviation of 0.02") {
  auto const store = declared_for_vit_b(Ssf{});
  CHECK(Spread(store, ".ssf.scale").is_normal(1.0, 0.02));
  CHECK(Spread(store, ".ssf.shift").is_normal(0.0, 0.02));
}

TEST_CASE("low-rank parts of SLCA++ begin with the first right singular vectors of what they stand beside, and with zero") {
  TunedNetwork network;
  network.shape.width = 12;
  network.shape.hidden = 24;
  network.shape.depth = 1;
  network.published = [](std::string const& name) {  // singular values 1, 2, 3 ... along the axes
    Index const inputs = name.find("fc2") == std::string::npos ? 12 : 24;
    auto weight = Vector<float>::zeros({inputs * (name.find("qkv") != std::string::npos ? 36 : name.find("fc1") != std::string::npos ? 24 : 12)});
    for (Index i = 0; i < 12; ++i) { weight((11 - i) * inputs + i) = static_cast<float>(i + 1); }
    return weight;
  };
  Lora parts = Lora::slca_plus_plus();
  parts.norms_and_biases = false;
  CHECK(parts.form().low_rank_scale == 0.8);
  ParameterStore<float> store;
  parts.declare(network, key, store);
  CHECK(store.size() == 6);
  for (std::string const layer : {"blocks.0.attn.qkv.lora", "blocks.0.mlp.fc1.lora", "blocks.0.mlp.fc2.lora"}) {
    auto const a = std::as_const(store).view<2>(layer + ".a");
    REQUIRE(a.extent(0) == 4);
    for (Index k = 0; k < 4; ++k) {
      for (Index i = 0; i < a.extent(1); ++i) { CHECK(std::abs(static_cast<double>(a(k, i)) - (i == 11 - k ? 1.0 : 0.0)) <= 1e-4); }
    }
    auto const b = std::as_const(store).values(layer + ".b");
    CHECK(std::all_of(b.begin(), b.end(), [](float value) { return value == 0.0F; }));
  }
}

}  // namespace accrete::test::modules_test
