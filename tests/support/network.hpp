#pragma once

#include "golden.hpp"

#include <accrete/backbone/vit.hpp>
#include <accrete/kernels/transfer.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace accrete::test {

/// What shapes and names of a golden network cannot say.
[[nodiscard]] inline VitOptions options_of(nlohmann::json const& architecture) {
  VitOptions options;
  options.heads = architecture["heads"].get<Index>();
  options.epsilon = architecture["eps"].get<double>();
  options.activation = architecture["activation"] == "quick_gelu" ? kernels::Activation::quick_gelu : kernels::Activation::gelu;
  options.image_height = architecture["image"][0].get<Index>();
  options.image_width = architecture["image"][1].get<Index>();
  if (architecture["pool"] == "avg") { options.pool = Pool::average; }
  return options;
}

/// A network of tests/golden/vit with what it must compute.
struct NetworkCase {
  std::string name;
  std::string naming;
  nlohmann::json architecture;
  std::filesystem::path weights;
  std::filesystem::path config;  ///< empty where there is none
  SafetensorsFile input;
  SafetensorsFile expected;

  [[nodiscard]] Tensor<float, 4> images() const { return input.read<float, 4>("input"); }
  [[nodiscard]] bool is_built() const {
    auto const pool = architecture["pool"].get<std::string>();
    return (pool == "token" || pool == "avg") && architecture["activation"] != "gelu_tanh";
  }

  [[nodiscard]] VitOptions options() const { return options_of(architecture); }
};

/// All cases of tests/golden/vit/cases.json.
[[nodiscard]] inline std::vector<NetworkCase> network_cases() {
  auto const text = MappedFile::open(golden_path("vit/cases.json"));
  auto const list = nlohmann::json::parse(reinterpret_cast<char const*>(text.bytes().data()), reinterpret_cast<char const*>(text.bytes().data()) + text.bytes().size());
  std::vector<NetworkCase> cases;
  for (auto const& entry : list) {
    auto const path = [&](char const* key) { return golden_path("vit/" + entry[key].get<std::string>()); };
    cases.push_back({entry["case"], entry["naming"], entry["architecture"], path("weights"), entry.contains("config") ? path("config") : std::filesystem::path(), SafetensorsFile::open(path("input")),
                     SafetensorsFile::open(path("expected"))});
  }
  return cases;
}

/// The case of that name.
[[nodiscard]] inline NetworkCase network_case(std::string const& name) {
  for (auto& found : network_cases()) {
    if (found.name == name) { return found; }
  }
  throw std::out_of_range("tests/golden/vit has no case " + name);
}

/// A copy in the executor's memory.
template <class Exec, class T, int Rank>
[[nodiscard]] Tensor<T, Rank, typename Exec::Memory> to_executor(Exec const& exec, Tensor<T, Rank> const& host) {
  Tensor<T, Rank, typename Exec::Memory> copy(host.shape());
  kernels::upload(exec, host.cview(), copy.view());
  exec.wait();
  return copy;
}

/// A copy in host memory.
template <class Exec, class T, int Rank>
[[nodiscard]] Tensor<std::remove_const_t<T>, Rank> to_host(Exec const& exec, TensorView<T, Rank> view) {
  using Scalar = std::remove_const_t<T>;
  Tensor<Scalar, Rank> copy(view.shape());
  kernels::download(exec, TensorView<Scalar const, Rank>(view), copy.view());
  return copy;
}

/// A hook that keeps the tokens after each block.
template <class Exec>
struct BlockRecorder {
  Exec const& exec;
  std::vector<Tensor<float, 3>> blocks;

  void observe(Index block, TensorView<float const, 3> tokens) {
    if (block == static_cast<Index>(blocks.size())) { blocks.push_back(to_host(exec, tokens)); }
  }
};

/// A network small enough to hold by hand: names and shapes of timm, values by a formula.
class ToyCheckpoint {
 public:
  using Extents = std::vector<Index>;

  /// Width 8, patch 2, hidden 16, on 4 x 4 pixels.
  /// @param scale  multiplies all values, which lie within 0.12 of zero
  explicit ToyCheckpoint(Index depth = 2, float scale = 1.0F) : scale_(scale) {
    add("cls_token", {1, 1, 8});
    add("pos_embed", {1, 5, 8});
    add("patch_embed.proj.weight", {8, 3, 2, 2});
    add("patch_embed.proj.bias", {8});
    for (Index i = 0; i < depth; ++i) {
      std::string const block = "blocks." + std::to_string(i) + ".";
      for (char const* const norm : {"norm1", "norm2"}) { linear(block + norm, {8}, 8); }
      linear(block + "attn.qkv", {24, 8}, 24);
      linear(block + "attn.proj", {8, 8}, 8);
      linear(block + "mlp.fc1", {16, 8}, 16);
      linear(block + "mlp.fc2", {8, 16}, 8);
    }
    linear("norm", {8}, 8);
  }

  void add(std::string const& name, Extents const& shape) {
    Index count = 1;
    for (Index const extent : shape) { count *= extent; }
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) { values[i] = scale_ * (0.01F * static_cast<float>((i * 7 + name.size() * 3) % 23) - 0.1F); }
    tensors_[name] = {shape, std::move(values)};
  }
  void remove(std::string const& name) { tensors_.erase(name); }
  void rename(std::string const& from, std::string const& to) {
    auto node = tensors_.extract(from);
    node.key() = to;
    tensors_.insert(std::move(node));
  }
  /// Puts a text in front of every name.
  void wrap(std::string const& prefix) {
    auto const all = std::exchange(tensors_, {});
    for (auto const& [name, tensor] : all) { tensors_[prefix + name] = tensor; }
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& [name, tensor] : tensors_) { all.push_back(name); }
    return all;
  }
  void write(std::filesystem::path const& path) const {
    SafetensorsWriter writer;
    for (auto const& [name, tensor] : tensors_) { writer.add(name, ScalarType::f32, tensor.first, std::as_bytes(std::span(tensor.second))); }
    writer.write(path);
  }

 private:
  void linear(std::string const& name, Extents const& weight, Index outputs) {
    add(name + ".weight", weight);
    add(name + ".bias", {outputs});
  }

  float scale_;
  std::map<std::string, std::pair<Extents, std::vector<float>>> tensors_;
};

}  // namespace accrete::test
