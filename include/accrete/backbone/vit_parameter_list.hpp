#pragma once

#include <accrete/backbone/vit_shape.hpp>

#include <string>
#include <vector>

namespace accrete {

/// Name and extents of a parameter, ones in front left out.
struct ParameterEntry {
  std::string name;
  std::vector<Index> extents;
};

/// All parameters of a vision transformer under their canonical names. The number of rows of `pos_embed` is 0: it depends on the grid the table was learned on.
[[nodiscard]] inline std::vector<ParameterEntry> parameters_of(VitShape const& shape) {
  Index const width = shape.width;
  std::vector<ParameterEntry> all;
  auto const vector = [&](std::string const& name, Index size) { all.push_back({name, {size}}); };
  auto const linear = [&](std::string const& name, Index rows, Index columns, bool bias = true) {
    all.push_back({name + ".weight", {rows, columns}});
    if (bias) { vector(name + ".bias", rows); }
  };
  auto const norm = [&](std::string const& name) {
    vector(name + ".weight", width);
    vector(name + ".bias", width);
  };
  if (shape.class_token) { vector("cls_token", width); }
  if (shape.distillation_token) { vector("dist_token", width); }
  if (shape.registers == 1) { vector("reg_token", width); }
  if (shape.registers > 1) { all.push_back({"reg_token", {shape.registers, width}}); }
  all.push_back({"patch_embed.proj.weight", {width, shape.channels, shape.patch, shape.patch}});
  if (shape.patch_bias) { vector("patch_embed.proj.bias", width); }
  all.push_back({"pos_embed", {0, width}});
  if (shape.pre_norm) { norm("norm_pre"); }
  for (Index i = 0; i < shape.depth; ++i) {
    std::string const block = message("blocks.", i, '.');
    norm(block + "norm1");
    linear(block + "attn.qkv", 3 * width, width, shape.qkv_bias);
    linear(block + "attn.proj", width, width);
    norm(block + "norm2");
    linear(block + "mlp.fc1", shape.hidden, width);
    linear(block + "mlp.fc2", width, shape.hidden);
    if (shape.layer_scale) {
      vector(block + "ls1.gamma", width);
      vector(block + "ls2.gamma", width);
    }
  }
  norm(shape.fc_norm ? "fc_norm" : "norm");
  return all;
}

}  // namespace accrete
