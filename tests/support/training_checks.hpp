#pragma once

#include "compare.hpp"
#include "network.hpp"
#include "tolerances.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/tuning/bottleneck.hpp>
#include <accrete/tuning/full.hpp>
#include <accrete/tuning/lora.hpp>
#include <accrete/tuning/ssf.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test {

/// A network that learns, of tests/golden/training, with what autograd gives.
struct TrainingCase {
  std::string name;
  nlohmann::json tuning;
  nlohmann::json architecture;
  std::filesystem::path weights;
  SafetensorsFile input;
  SafetensorsFile values;

  [[nodiscard]] std::string kind() const { return tuning["kind"].get<std::string>(); }
  [[nodiscard]] Tensor<float, 4> images() const { return input.read<float, 4>("input"); }
  [[nodiscard]] VitOptions options() const { return options_of(architecture); }
};

/// The cases of tests/golden/training/cases.json of one kind of tuning.
[[nodiscard]] inline std::vector<TrainingCase> training_cases(std::string const& kind) {
  auto const text = MappedFile::open(golden_path("training/cases.json"));
  auto const* const first = reinterpret_cast<char const*>(text.bytes().data());
  std::vector<TrainingCase> cases;
  for (auto const& entry : nlohmann::json::parse(first, first + text.bytes().size())) {
    if (entry["tuning"]["kind"] != kind) { continue; }
    auto const path = [&](char const* key) { return golden_path(entry[key].get<std::string>()); };
    cases.push_back({entry["case"], entry["tuning"], entry["architecture"], path("weights"), SafetensorsFile::open(path("input")), SafetensorsFile::open(path("file"))});
  }
  return cases;
}

/// What the reference calls a segment.
[[nodiscard]] inline std::string reference_name(std::string const& segment) {
  std::string const embedding = "patch_embed.proj.ssf";
  if (segment.rfind(embedding, 0) == 0) { return "patch_embed.ssf" + segment.substr(embedding.size()); }
  std::string const pooled = "fc_norm.ssf";
  return segment.rfind(pooled, 0) == 0 ? "norm.ssf" + segment.substr(pooled.size()) : segment;
}

/// All numbers of a stored tensor, whatever its extents.
[[nodiscard]] inline std::vector<double> stored_numbers(SafetensorsFile const& file, std::string const& name) {
  StoredTensor const& entry = file.entry(name);
  Index count = 1;
  for (Index const extent : entry.shape) { count *= extent; }
  std::vector<double> numbers(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (entry.type == ScalarType::f64) {
      std::memcpy(&numbers[i], entry.bytes.data() + i * sizeof(double), sizeof(double));
    } else {
      float narrow = 0;
      std::memcpy(&narrow, entry.bytes.data() + i * sizeof(float), sizeof(float));
      numbers[i] = narrow;
    }
  }
  return numbers;
}

[[nodiscard]] inline VectorView<double const> viewed(std::vector<double> const& numbers) { return {numbers.data(), {static_cast<Index>(numbers.size())}}; }

/// A store of the scalar of learning with the segments of a tuning and the values of a case.
template <class S>
[[nodiscard]] ParameterStore<S> stored_parameters(ParameterStore<float> const& declared, TrainingCase const& network) {
  ParameterStore<S> store;
  for (ParameterSegment const& segment : declared.segments()) { store.add(segment); }
  for (ParameterSegment const& segment : declared.segments()) {
    Index const count = segment.elements();
    auto const to = store.values(segment.name);
    auto const from = declared.values(segment.name);
    std::copy(from.begin(), from.end(), to.begin());
    std::string const name = "param." + reference_name(segment.name);
    if (!network.values.contains(name)) { continue; }  // published values learn on
    auto const numbers = stored_numbers(network.values, name);
    REQUIRE(static_cast<Index>(numbers.size()) == count);
    std::transform(numbers.begin(), numbers.end(), to.begin(), [](double value) { return static_cast<S>(value); });
  }
  return store;
}

/// Prompts or prefixes out of a case, and what came back for them.
template <class Exec>
struct GradientHook {
  using Rows = Tensor<float, 3, typename Exec::Memory>;

  explicit GradientHook(Exec const& where) : exec(where) {}

  Exec exec;
  Index at = 0;                                     ///< where prompts are appended
  std::vector<Rows> prompts;                        ///< by block
  std::map<Index, std::pair<Rows, Rows>> prefixes;  ///< by block
  std::map<Index, Tensor<float, 3>> d_prompts;
  std::map<Index, std::pair<Tensor<float, 3>, Tensor<float, 3>>> d_prefixes;

  [[nodiscard]] TokenInjection tokens(Index block) const {
    if (block >= static_cast<Index>(prompts.size())) { return {}; }
    return {prompts[static_cast<std::size_t>(block)].cview(), at, block == 0 ? TokenInjection::How::insert : TokenInjection::How::overwrite};
  }
  [[nodiscard]] PrefixInjection prefix(Index block) const {
    auto const found = prefixes.find(block);
    if (found == prefixes.end()) { return {}; }
    return {found->second.first.cview(), found->second.second.cview()};
  }
  void tokens_gradient(Index block, TensorView<float const, 3> d) { d_prompts[block] = to_host(exec, d); }
  void prefix_gradient(Index block, TensorView<float const, 3> d_k, TensorView<float const, 3> d_v) { d_prefixes[block] = {to_host(exec, d_k), to_host(exec, d_v)}; }
};

/// Largest difference allowed between what T computes and autograd in float64.
template <class T>
[[nodiscard]] double allowed_gradient() {
  return std::is_same_v<T, bfloat16> ? tolerance<bfloat16>(Kind::backward) : tolerance<T>(Kind::backward);
}

/// Runs a case forward and backward and compares features and the gradients of everything that learns.
template <class T, class Tuning, class Exec>
void check_training_case(Exec const& exec, TrainingCase const& network, Tuning const& tuning, GradientHook<Exec>& hook) {
  using S = SumScalar<T>;
  CAPTURE(network.name);
  CAPTURE(Exec::name);
  auto const vit = Vit<Tuning>::load(network.weights, network.options(), tuning);
  auto const store = stored_parameters<S>(vit.parameters(), network);
  auto training = vit.template training<T>(exec, store);
  auto const images = to_executor(exec, network.images());
  Matrix<S, typename Exec::Memory> features({images.extent(0), vit.width()});
  training.forward(images.cview(), hook, features.view(), {});
  CHECK(relative_difference(to_host(exec, features.cview()), network.values.template read<double, 2>("features")) <= allowed_gradient<T>());

  auto const wanted = network.values.template read<double, 2>("grad.features");
  Matrix<S> d_host(wanted.shape());
  std::transform(wanted.begin(), wanted.end(), d_host.begin(), [](double value) { return static_cast<S>(value); });
  auto const d_features = to_executor(exec, d_host);
  training.backward(d_features.cview(), hook);
  auto const gradients = training.gradients();
  for (ParameterSegment const& segment : store.segments()) {
    CAPTURE(segment.name);
    auto const want = stored_numbers(network.values, "grad." + reference_name(segment.name));
    auto const got = gradients.slice(store.offset(segment.name), static_cast<Index>(want.size()));
    CHECK(relative_difference(got, viewed(want)) <= allowed_gradient<T>());
  }

  // A second pass adds; cleared gradients hold nothing of what was there, also where no pass follows.
  auto const copied = [&] {
    Vector<S> copy(gradients.shape());
    std::copy(training.gradients().begin(), training.gradients().end(), copy.begin());
    return copy;
  };
  auto const once = copied();
  auto const again = [&] {
    training.forward(images.cview(), hook, features.view(), {});
    training.backward(d_features.cview(), hook);
  };
  again();
  Vector<S> twice = once;
  for (S& g : twice) { g += g; }
  CHECK(relative_difference(copied(), twice) <= tolerance<S>(Kind::sum));
  training.zero_gradients();
  again();
  CHECK(same_bits(copied(), once));
  training.zero_gradients();
  CHECK(std::all_of(training.gradients().begin(), training.gradients().end(), [](S g) { return g == S{0}; }));
}

template <class T, class Tuning, class Exec>
void check_training_case(Exec const& exec, TrainingCase const& network, Tuning const& tuning) {
  GradientHook<Exec> none{exec};
  check_training_case<T>(exec, network, tuning, none);
}

/// Full tuning, adapters, low-rank parts, scales and shifts.
template <class T, class Exec>
void check_tuned_gradients(Exec const& exec) {
  for (auto const& network : training_cases("full")) { check_training_case<T>(exec, network, Full{}); }
  for (auto const& network : training_cases("ssf")) { check_training_case<T>(exec, network, Ssf{}); }
  for (auto const& network : training_cases("adapter")) {
    auto const place = network.tuning["adapted"] == "parallel" ? nn::BottleneckPlace::parallel : nn::BottleneckPlace::sequential;
    check_training_case<T>(exec, network, Bottleneck{.width = network.tuning["rank"], .scale = network.tuning["adapter_scale"], .dropout = 0, .place = place});
  }
  for (auto const& network : training_cases("lora")) {
    auto const has = [&](char const* target) {
      auto const& targets = network.tuning["targets"];
      return std::find(targets.begin(), targets.end(), target) != targets.end();
    };
    check_training_case<T>(exec, network,
                           Lora{.rank = network.tuning["rank"],
                                .scale = network.tuning["lora_scale"],
                                .queries = has("attn.qkv.lora_q"),
                                .keys = has("attn.qkv.lora_k"),
                                .values = has("attn.qkv.lora_v"),
                                .packed = has("attn.qkv.lora"),
                                .mlp = has("mlp.fc1.lora")});
  }
}

/// The sum over the sequences of [B, P, D] where the reference has one for all, else as it is.
[[nodiscard]] inline std::vector<double> as_reference(Tensor<float, 3> const& per_sequence, std::size_t wanted) {
  auto const each = static_cast<std::size_t>(per_sequence.extent(1) * per_sequence.extent(2));
  std::vector<double> numbers(wanted, 0.0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(per_sequence.size()); ++i) { numbers[wanted == each ? i % each : i] += static_cast<double>(per_sequence.data()[i]); }
  return numbers;
}

/// Prompts and prefixes before a frozen trunk.
template <class T, class Exec>
void check_injected_gradients(Exec const& exec) {
  for (auto const& network : training_cases("vpt")) {
    auto const prompts = network.values.template read<float, 3>("param.prompts");
    GradientHook<Exec> hook{exec};
    hook.at = network.architecture["tokens"].template get<Index>();
    for (Index block = 0; block < prompts.extent(0); ++block) {
      Tensor<float, 3> rows({1, prompts.extent(1), prompts.extent(2)});
      std::copy_n(prompts.data() + block * rows.size(), rows.size(), rows.data());
      hook.prompts.push_back(to_executor(exec, rows));
    }
    check_training_case<T>(exec, network, Frozen{}, hook);
    auto const want = stored_numbers(network.values, "grad.prompts");
    std::vector<double> got;
    for (Index block = 0; block < prompts.extent(0); ++block) {
      auto const sum = as_reference(hook.d_prompts.at(block), want.size() / static_cast<std::size_t>(prompts.extent(0)));
      got.insert(got.end(), sum.begin(), sum.end());
    }
    CHECK(relative_difference(viewed(got), viewed(want)) <= allowed_gradient<std::conditional_t<std::is_same_v<T, double>, float, T>>());
  }
  for (auto const& network : training_cases("prefix")) {
    GradientHook<Exec> hook{exec};
    for (Index const block : network.tuning["blocks"].template get<std::vector<Index>>()) {
      auto const rows = [&](char const* part) { return to_executor(exec, network.values.template read<float, 3>(message("param.blocks.", block, ".prefix.", part))); };
      hook.prefixes.emplace(block, std::pair(rows("key"), rows("value")));
    }
    check_training_case<T>(exec, network, Frozen{}, hook);
    for (auto const& [block, d] : hook.d_prefixes) {
      CAPTURE(block);
      auto const compare = [&](Tensor<float, 3> const& got, char const* part) {
        auto const want = stored_numbers(network.values, message("grad.blocks.", block, ".prefix.", part));
        CHECK(relative_difference(viewed(as_reference(got, want.size())), viewed(want)) <= allowed_gradient<std::conditional_t<std::is_same_v<T, double>, float, T>>());
      };
      compare(d.first, "key");
      compare(d.second, "value");
    }
    CHECK(hook.d_prefixes.size() == hook.prefixes.size());
  }
}

}  // namespace accrete::test
