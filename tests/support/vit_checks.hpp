#pragma once

#include "compare.hpp"
#include "files.hpp"
#include "network.hpp"
#include "tolerances.hpp"

#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

// What every executor must show of a vision transformer; the host's and the devices' tests call it.
namespace accrete::test {

/// Tokens after each block and features against the reference's float64.
template <class Exec>
void check_golden_networks(Exec const& exec) {
  double const allowed = exec.precision == Precision::float32 ? tolerance<float>(Kind::chain) : tolerance<bfloat16>(Kind::chain);
  int seen = 0;
  for (NetworkCase const& network : network_cases()) {
    if (!network.is_built()) { continue; }
    ++seen;
    CAPTURE(network.name);
    auto const vit = Vit<>::load(network.weights, network.options());
    auto const images = network.images();
    CHECK(relative_difference(to_host(exec, vit.features(exec, images).cview()), network.expected.template read<double, 2>("features")) <= allowed);
    auto const on_executor = to_executor(exec, images);
    auto const tokens = vit.embed(exec, on_executor);
    CHECK(relative_difference(to_host(exec, vit.query(exec, tokens).cview()), network.expected.template read<double, 2>("features")) <= allowed);
    if (!network.expected.contains("embed")) { continue; }
    CHECK(relative_difference(to_host(exec, tokens.cview()), network.expected.template read<double, 3>("embed")) <= allowed);
    BlockRecorder<Exec> recorder{exec, {}};
    auto const last = vit.forward(exec, tokens, recorder);
    REQUIRE(static_cast<Index>(recorder.blocks.size()) == vit.depth());
    for (std::size_t i = 0; i < recorder.blocks.size(); ++i) {
      CAPTURE(i);
      CHECK(relative_difference(recorder.blocks[i], network.expected.template read<double, 3>("block." + std::to_string(i))) <= allowed);
    }
    CHECK(relative_difference(to_host(exec, vit.pool(exec, last).cview()), network.expected.template read<double, 2>("features")) <= allowed);
  }
  CHECK(seen >= 20);
}

/// A hook made of prefixes and prompts by block.
template <class Exec>
struct TableHook {
  using Rows = Tensor<float, 3, typename Exec::Memory>;

  std::vector<std::pair<Rows, Rows>> prefixes;  ///< by block; empty where there is none
  std::vector<Rows> rows;                       ///< by block

  [[nodiscard]] PrefixInjection prefix(Index block) const {
    if (block >= static_cast<Index>(prefixes.size())) { return {}; }
    auto const& [k, v] = prefixes[static_cast<std::size_t>(block)];
    return {k.cview(), v.cview()};
  }
  [[nodiscard]] TokenInjection tokens(Index block) const {
    if (block >= static_cast<Index>(rows.size())) { return {}; }
    return {rows[static_cast<std::size_t>(block)].cview(), 1, block == 0 ? TokenInjection::How::insert : TokenInjection::How::overwrite};
  }
};

/// Prefixes and prompt tokens, shared and per sample, once and in every block, against the reference's float64.
template <class Exec>
void check_golden_prompts(Exec const& exec) {
  double const allowed = exec.precision == Precision::float32 ? tolerance<float>(Kind::chain) : tolerance<bfloat16>(Kind::chain);
  auto const network = network_case("plain");
  auto const file = golden("prompts.expected");
  auto const vit = Vit<>::load(network.weights, network.options());
  auto const tokens = vit.embed(exec, to_executor(exec, network.images()));
  auto const rows = [&](std::string const& name) { return to_executor(exec, file.template read<float, 3>(name)); };
  auto const shared = [&](std::string const& name) {
    auto const table = file.template read<float, 2>(name);
    Tensor<float, 3> batch_of_one({1, table.extent(0), table.extent(1)});
    std::copy(table.begin(), table.end(), batch_of_one.begin());
    return to_executor(exec, batch_of_one);
  };
  auto const check = [&](std::string const& name, TableHook<Exec> hook) {
    CAPTURE(name);
    auto const last = vit.forward(exec, tokens, hook);
    CHECK(relative_difference(to_host(exec, vit.pool(exec, last).cview()), file.template read<double, 2>(name + ".features")) <= allowed);
  };

  TableHook<Exec> prefix;
  prefix.prefixes.emplace_back(rows("prefix.block0.key"), rows("prefix.block0.value"));
  prefix.prefixes.emplace_back();
  prefix.prefixes.emplace_back(rows("prefix.block2.key"), rows("prefix.block2.value"));
  check("prefix", std::move(prefix));

  TableHook<Exec> prefix_shared;
  prefix_shared.prefixes.emplace_back();
  prefix_shared.prefixes.emplace_back(shared("prefix_shared.block1.key"), shared("prefix_shared.block1.value"));
  check("prefix_shared", std::move(prefix_shared));

  TableHook<Exec> deep;
  auto const table = file.template read<float, 3>("deep.tokens");
  for (Index block = 0; block < table.extent(0); ++block) {
    Tensor<float, 3> one({1, table.extent(1), table.extent(2)});
    std::copy(table[block].begin(), table[block].end(), one.begin());
    deep.rows.push_back(to_executor(exec, one));
  }
  check("deep", std::move(deep));

  TableHook<Exec> shallow;
  shallow.rows.push_back(shared("shallow.tokens"));
  check("shallow", std::move(shallow));

  TableHook<Exec> per_sample;
  per_sample.rows.push_back(rows("shallow_per_sample.tokens"));
  check("shallow_per_sample", std::move(per_sample));

  // L2P: the prompts stand where the class token's position is, and the feature is the mean of their own rows.
  auto prompts = file.template read<float, 3>("l2p.tokens");
  auto const positions = SafetensorsFile::open(network.weights).read<float, 3>("pos_embed");
  for (Index i = 0; i < prompts.size(); ++i) { prompts.data()[i] += positions.data()[i % vit.width()]; }
  TableHook<Exec> l2p;
  l2p.rows.push_back(to_executor(exec, prompts));
  auto const last = to_host(exec, vit.forward(exec, tokens, l2p).cview());
  auto feature = Matrix<double>::zeros({last.extent(0), last.extent(2)});
  for (Index b = 0; b < last.extent(0); ++b) {
    for (Index row = 0; row < prompts.extent(1); ++row) {
      for (Index c = 0; c < last.extent(2); ++c) { feature(b, c) += static_cast<double>(last(b, 1 + row, c)) / static_cast<double>(prompts.extent(1)); }
    }
  }
  CHECK(relative_difference(feature, file.template read<double, 2>("l2p.features")) <= allowed);
}

/// Images that no two of are alike.
[[nodiscard]] inline Tensor<float, 4> many_images(Index count, VitShape const& shape) {
  Tensor<float, 4> images({count, shape.channels, shape.image_height, shape.image_width});
  std::uint32_t state = 12345;
  for (float& pixel : images) {
    state = state * 1664525U + 1013904223U;
    pixel = static_cast<float>(state >> 8U) / 8388608.0F - 1.0F;
  }
  return images;
}

/// An image's feature has the same bits alone, in batches, in another order, and with another number of threads.
/// @param threads  executors that differ in nothing but their threads
template <class Exec>
void check_same_bits(Vit<> const& vit, std::vector<Exec> const& threads) {
  constexpr Index count = 64;
  auto const images = many_images(count, vit.shape());
  auto const reference = to_host(threads.front(), vit.features(threads.front(), images).cview());
  for (Exec const& exec : threads) {
    CHECK(same_bits(to_host(exec, vit.features(exec, images).cview()), reference));
    for (Index const batch : {Index{1}, Index{7}}) {
      CAPTURE(batch);
      bool same = true;
      for (Index first = 0; first < 21; first += batch) {
        auto const part = to_host(exec, vit.features(exec, images.view().slice(first, batch)).cview());
        same = same && same_bits(part.view(), reference.view().slice(first, batch));
      }
      CHECK(same);
    }
    Tensor<float, 4> turned(images.shape());
    for (Index i = 0; i < count; ++i) { std::copy(images[i].begin(), images[i].end(), turned[(i * 37 + 11) % count].begin()); }
    auto const features = to_host(exec, vit.features(exec, turned).cview());
    bool same = true;
    for (Index i = 0; i < count; ++i) { same = same && same_bits(features[(i * 37 + 11) % count], reference[i]); }
    CHECK(same);
  }
}

}  // namespace accrete::test
