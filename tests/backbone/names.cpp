#include <accrete/backbone/names.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace accrete::test::names_test {

namespace {

std::string canonical(std::vector<std::string> names, std::string const& name) {
  names.push_back(name);
  auto const map = map_names(names, "test");
  for (auto const& [timm, parts] : map.tensors) {
    for (std::size_t i = 0; i < parts.names.size(); ++i) {
      if (parts.names[i] == name) { return parts.names.size() == 1 ? timm : message(timm, '[', i, ']'); }
    }
  }
  for (auto const& bystander : map.bystanders) {
    if (bystander == name) { return "stands by"; }
  }
  return "unexpected";
}

}  // namespace

TEST_CASE("each naming is read as timm's") {
  std::vector<std::string> const timm{"patch_embed.proj.weight"};
  CHECK(canonical(timm, "blocks.11.attn.qkv.weight") == "blocks.11.attn.qkv.weight");
  CHECK(canonical(timm, "blocks.0.gamma_1") == "blocks.0.ls1.gamma");
  CHECK(canonical(timm, "register_tokens") == "reg_token");
  CHECK(canonical(timm, "head.weight") == "stands by");
  CHECK(canonical(timm, "head.0.weight") == "stands by");
  CHECK(canonical(timm, "mask_token") == "stands by");
  CHECK(canonical(timm, "masked_embed") == "stands by");
  CHECK(canonical(timm, "blocks.01.norm1.bias") == "unexpected");
  CHECK(canonical(timm, "blocks..norm1.bias") == "unexpected");
  CHECK(canonical(timm, "blocks.1.norm1.gain") == "unexpected");
  CHECK(canonical(timm, "blocks.1.norm1.weights") == "unexpected");
  CHECK(canonical(timm, "cls_token2") == "unexpected");

  std::vector<std::string> const vit{"embeddings.patch_embeddings.projection.weight"};
  CHECK(canonical(vit, "encoder.layer.3.attention.attention.key.bias") == "blocks.3.attn.qkv.bias[1]");
  CHECK(canonical(vit, "encoder.layer.3.attention.output.dense.weight") == "blocks.3.attn.proj.weight");
  CHECK(canonical(vit, "encoder.layer.3.output.dense.weight") == "blocks.3.mlp.fc2.weight");
  CHECK(canonical(vit, "encoder.layer.3.layernorm_after.bias") == "blocks.3.norm2.bias");
  CHECK(canonical(vit, "layers.3.attention.v_proj.weight") == "blocks.3.attn.qkv.weight[2]");
  CHECK(canonical(vit, "layers.3.attention.o_proj.weight") == "blocks.3.attn.proj.weight");
  CHECK(canonical(vit, "encoder.layer.0.layer_scale2.lambda1") == "blocks.0.ls2.gamma");
  CHECK(canonical(vit, "embeddings.register_tokens") == "reg_token");
  CHECK(canonical(vit, "embeddings.distillation_token") == "dist_token");
  CHECK(canonical(vit, "embeddings.mask_token") == "stands by");
  CHECK(canonical(vit, "pooler.dense.weight") == "stands by");
  CHECK(canonical(vit, "layernorm.weight") == "norm.weight");

  std::vector<std::string> const clip{"vision_model.embeddings.patch_embedding.weight"};
  CHECK(canonical(clip, "vision_model.pre_layrnorm.weight") == "norm_pre.weight");
  CHECK(canonical(clip, "vision_model.encoder.layers.2.self_attn.q_proj.weight") == "blocks.2.attn.qkv.weight[0]");
  CHECK(canonical(clip, "vision_model.embeddings.class_embedding") == "cls_token");
  CHECK(canonical(clip, "visual_projection.weight") == "stands by");
  CHECK(canonical(clip, "text_model.encoder.layers.0.mlp.fc1.weight") == "stands by");

  std::vector<std::string> const openai{"visual.conv1.weight", "visual.class_embedding"};
  CHECK(canonical(openai, "visual.transformer.resblocks.5.attn.in_proj_bias") == "blocks.5.attn.qkv.bias");
  CHECK(canonical(openai, "visual.transformer.resblocks.5.mlp.c_proj.weight") == "blocks.5.mlp.fc2.weight");
  CHECK(canonical(openai, "visual.proj") == "stands by");
  CHECK(canonical(openai, "transformer.resblocks.5.mlp.c_proj.weight") == "stands by");
  CHECK(canonical(openai, "logit_scale") == "stands by");
}

TEST_CASE("wrappers are taken off only where a naming stands behind them") {
  CHECK(map_names(std::vector<std::string>{"module.patch_embed.proj.weight"}, "test").prefix == "module.");
  CHECK(map_names(std::vector<std::string>{"module.visual.trunk.patch_embed.proj.weight"}, "test").prefix == "module.visual.trunk.");
  CHECK(map_names(std::vector<std::string>{"module.base_encoder.patch_embed.proj.weight", "module.momentum_encoder.patch_embed.proj.weight"}, "test").prefix == "module.base_encoder.");
  CHECK(map_names(std::vector<std::string>{"vit.embeddings.patch_embeddings.projection.weight"}, "test").prefix == "vit.");
  CHECK_THROWS_AS(static_cast<void>(map_names(std::vector<std::string>{"something.patch_embed.proj.weight"}, "test")), FileError);
  // The same word as a wrapper, but the naming's own: nothing is taken off.
  CHECK(map_names(std::vector<std::string>{"conv1.weight", "class_embedding"}, "test").prefix.empty());
}

TEST_CASE("a convolutional network is not taken for CLIP") {
  CHECK_THROWS_WITH_AS(static_cast<void>(map_names(std::vector<std::string>{"bn1.bias", "conv1.weight", "fc.bias", "layer1.0.conv1.weight"}, "resnet.safetensors")),
                       "resnet.safetensors: holds no vision transformer in a known naming (timm, transformers, CLIP); its 4 tensors begin with 'bn1.bias', 'conv1.weight', 'fc.bias'", FileError);
  CHECK_THROWS_WITH_AS(static_cast<void>(map_names(std::vector<std::string>{}, "empty.safetensors")), doctest::Contains("its 0 tensors are none"), FileError);
}

TEST_CASE("one parameter under two names is refused") {
  CHECK_THROWS_WITH_AS(static_cast<void>(map_names(std::vector<std::string>{"blocks.0.gamma_1", "blocks.0.ls1.gamma", "patch_embed.proj.weight"}, "twice")),
                       "twice: 'blocks.0.gamma_1' and 'blocks.0.ls1.gamma' are the same parameter", FileError);
}

TEST_CASE("a canonical name is spelled as the file spells its own") {
  auto const map = map_names(std::vector<std::string>{"vit.embeddings.patch_embeddings.projection.weight"}, "test");
  CHECK(map.spelling("blocks.7.norm1.bias") == std::vector<std::string>{"vit.encoder.layer.7.layernorm_before.bias"});
  CHECK(map.spelling("blocks.7.attn.qkv.weight") ==
        std::vector<std::string>{"vit.encoder.layer.7.attention.attention.query.weight", "vit.encoder.layer.7.attention.attention.key.weight", "vit.encoder.layer.7.attention.attention.value.weight"});
}

}  // namespace accrete::test::names_test
