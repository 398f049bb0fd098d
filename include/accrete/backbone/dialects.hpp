#pragma once

#include <array>
#include <span>
#include <string_view>

namespace accrete {

/// One line of a name map: how a publisher spells a parameter, and what timm calls it.
/// In both names `*` stands for the number of a block and `@` for `weight` or `bias`.
struct NameRule {
  std::string_view stored;
  std::string_view canonical;
  int part = 0;   ///< which rows of the canonical tensor: query, key and value come one by one in some files
  int parts = 1;  ///< how many stored tensors make the canonical one
};

/// What to assume when a file cannot say it.
struct NameDefaults {
  double epsilon = 1e-6;
  bool quick_gelu = false;
};

/// The naming of one publisher.
struct Dialect {
  std::string_view name;
  std::string_view signature;                    ///< a parameter by which the naming is recognised
  std::string_view second_signature;             ///< one more, where the first is common; may be empty
  std::span<NameRule const> rules;               ///
  std::span<std::string_view const> bystanders;  ///< parameters that belong to heads or training; `#` stands for any ending
  NameDefaults defaults;
};

namespace detail {

inline constexpr std::array timm_rules{
    NameRule{"cls_token", "cls_token"},
    NameRule{"dist_token", "dist_token"},
    NameRule{"reg_token", "reg_token"},
    NameRule{"register_tokens", "reg_token"},  // DINOv2's own files
    NameRule{"pos_embed", "pos_embed"},
    NameRule{"patch_embed.proj.@", "patch_embed.proj.@"},
    NameRule{"norm_pre.@", "norm_pre.@"},
    NameRule{"blocks.*.norm1.@", "blocks.*.norm1.@"},
    NameRule{"blocks.*.attn.qkv.@", "blocks.*.attn.qkv.@"},
    NameRule{"blocks.*.attn.proj.@", "blocks.*.attn.proj.@"},
    NameRule{"blocks.*.ls1.gamma", "blocks.*.ls1.gamma"},
    NameRule{"blocks.*.gamma_1", "blocks.*.ls1.gamma"},  // DeiT-3
    NameRule{"blocks.*.norm2.@", "blocks.*.norm2.@"},
    NameRule{"blocks.*.mlp.fc1.@", "blocks.*.mlp.fc1.@"},
    NameRule{"blocks.*.mlp.fc2.@", "blocks.*.mlp.fc2.@"},
    NameRule{"blocks.*.ls2.gamma", "blocks.*.ls2.gamma"},
    NameRule{"blocks.*.gamma_2", "blocks.*.ls2.gamma"},
    NameRule{"norm.@", "norm.@"},
    NameRule{"fc_norm.@", "fc_norm.@"},
};
inline constexpr std::array<std::string_view, 9> timm_bystanders{"head.#", "head_dist.#", "pre_logits.#", "mask_token", "masked_embed", "decoder_#", "decoder.#", "predictor.#", "projector.#"};

/// ViT, DeiT and DINOv2 of Hugging Face transformers, as written by `save_pretrained` and as they are called in memory.
inline constexpr std::array transformers_rules{
    NameRule{"embeddings.cls_token", "cls_token"},
    NameRule{"embeddings.distillation_token", "dist_token"},
    NameRule{"embeddings.register_tokens", "reg_token"},
    NameRule{"embeddings.position_embeddings", "pos_embed"},
    NameRule{"embeddings.patch_embeddings.projection.@", "patch_embed.proj.@"},
    NameRule{"encoder.layer.*.layernorm_before.@", "blocks.*.norm1.@"},
    NameRule{"encoder.layer.*.norm1.@", "blocks.*.norm1.@"},
    NameRule{"layers.*.layernorm_before.@", "blocks.*.norm1.@"},
    NameRule{"layers.*.norm1.@", "blocks.*.norm1.@"},
    NameRule{"encoder.layer.*.attention.attention.query.@", "blocks.*.attn.qkv.@", 0, 3},
    NameRule{"encoder.layer.*.attention.attention.key.@", "blocks.*.attn.qkv.@", 1, 3},
    NameRule{"encoder.layer.*.attention.attention.value.@", "blocks.*.attn.qkv.@", 2, 3},
    NameRule{"encoder.layer.*.attention.q_proj.@", "blocks.*.attn.qkv.@", 0, 3},
    NameRule{"encoder.layer.*.attention.k_proj.@", "blocks.*.attn.qkv.@", 1, 3},
    NameRule{"encoder.layer.*.attention.v_proj.@", "blocks.*.attn.qkv.@", 2, 3},
    NameRule{"layers.*.attention.q_proj.@", "blocks.*.attn.qkv.@", 0, 3},
    NameRule{"layers.*.attention.k_proj.@", "blocks.*.attn.qkv.@", 1, 3},
    NameRule{"layers.*.attention.v_proj.@", "blocks.*.attn.qkv.@", 2, 3},
    NameRule{"encoder.layer.*.attention.output.dense.@", "blocks.*.attn.proj.@"},
    NameRule{"encoder.layer.*.attention.o_proj.@", "blocks.*.attn.proj.@"},
    NameRule{"layers.*.attention.o_proj.@", "blocks.*.attn.proj.@"},
    NameRule{"encoder.layer.*.layer_scale1.lambda1", "blocks.*.ls1.gamma"},
    NameRule{"layers.*.layer_scale1.lambda1", "blocks.*.ls1.gamma"},
    NameRule{"encoder.layer.*.layernorm_after.@", "blocks.*.norm2.@"},
    NameRule{"encoder.layer.*.norm2.@", "blocks.*.norm2.@"},
    NameRule{"layers.*.layernorm_after.@", "blocks.*.norm2.@"},
    NameRule{"layers.*.norm2.@", "blocks.*.norm2.@"},
    NameRule{"encoder.layer.*.intermediate.dense.@", "blocks.*.mlp.fc1.@"},
    NameRule{"encoder.layer.*.mlp.fc1.@", "blocks.*.mlp.fc1.@"},
    NameRule{"layers.*.mlp.fc1.@", "blocks.*.mlp.fc1.@"},
    NameRule{"encoder.layer.*.output.dense.@", "blocks.*.mlp.fc2.@"},
    NameRule{"encoder.layer.*.mlp.fc2.@", "blocks.*.mlp.fc2.@"},
    NameRule{"layers.*.mlp.fc2.@", "blocks.*.mlp.fc2.@"},
    NameRule{"encoder.layer.*.layer_scale2.lambda1", "blocks.*.ls2.gamma"},
    NameRule{"layers.*.layer_scale2.lambda1", "blocks.*.ls2.gamma"},
    NameRule{"layernorm.@", "norm.@"},
};
inline constexpr std::array<std::string_view, 6> transformers_bystanders{"classifier.#", "cls_classifier.#", "distillation_classifier.#", "pooler.#", "embeddings.mask_token", "decoder.#"};

inline constexpr std::array transformers_clip_rules{
    NameRule{"vision_model.embeddings.class_embedding", "cls_token"},
    NameRule{"vision_model.embeddings.position_embedding.weight", "pos_embed"},
    NameRule{"vision_model.embeddings.patch_embedding.@", "patch_embed.proj.@"},
    NameRule{"vision_model.pre_layrnorm.@", "norm_pre.@"},  // spelled so
    NameRule{"vision_model.encoder.layers.*.layer_norm1.@", "blocks.*.norm1.@"},
    NameRule{"vision_model.encoder.layers.*.self_attn.q_proj.@", "blocks.*.attn.qkv.@", 0, 3},
    NameRule{"vision_model.encoder.layers.*.self_attn.k_proj.@", "blocks.*.attn.qkv.@", 1, 3},
    NameRule{"vision_model.encoder.layers.*.self_attn.v_proj.@", "blocks.*.attn.qkv.@", 2, 3},
    NameRule{"vision_model.encoder.layers.*.self_attn.out_proj.@", "blocks.*.attn.proj.@"},
    NameRule{"vision_model.encoder.layers.*.layer_norm2.@", "blocks.*.norm2.@"},
    NameRule{"vision_model.encoder.layers.*.mlp.fc1.@", "blocks.*.mlp.fc1.@"},
    NameRule{"vision_model.encoder.layers.*.mlp.fc2.@", "blocks.*.mlp.fc2.@"},
    NameRule{"vision_model.post_layernorm.@", "norm.@"},
};
inline constexpr std::array<std::string_view, 5> transformers_clip_bystanders{"text_model.#", "text_projection.#", "visual_projection.#", "logit_scale", "vision_model.embeddings.position_ids"};

inline constexpr std::array openai_rules{
    NameRule{"class_embedding", "cls_token"},
    NameRule{"positional_embedding", "pos_embed"},
    NameRule{"conv1.@", "patch_embed.proj.@"},
    NameRule{"ln_pre.@", "norm_pre.@"},
    NameRule{"transformer.resblocks.*.ln_1.@", "blocks.*.norm1.@"},
    NameRule{"transformer.resblocks.*.attn.in_proj_weight", "blocks.*.attn.qkv.weight"},
    NameRule{"transformer.resblocks.*.attn.in_proj_bias", "blocks.*.attn.qkv.bias"},
    NameRule{"transformer.resblocks.*.attn.out_proj.@", "blocks.*.attn.proj.@"},
    NameRule{"transformer.resblocks.*.ls_1.gamma", "blocks.*.ls1.gamma"},
    NameRule{"transformer.resblocks.*.ln_2.@", "blocks.*.norm2.@"},
    NameRule{"transformer.resblocks.*.mlp.c_fc.@", "blocks.*.mlp.fc1.@"},
    NameRule{"transformer.resblocks.*.mlp.c_proj.@", "blocks.*.mlp.fc2.@"},
    NameRule{"transformer.resblocks.*.ls_2.gamma", "blocks.*.ls2.gamma"},
    NameRule{"ln_post.@", "norm.@"},
};
inline constexpr std::array<std::string_view, 1> openai_bystanders{"proj"};

}  // namespace detail

/// All namings, the library's own (timm's) first.
inline constexpr std::array dialects{
    Dialect{"timm", "patch_embed.proj.weight", "", detail::timm_rules, detail::timm_bystanders, {}},
    Dialect{"transformers", "embeddings.patch_embeddings.projection.weight", "", detail::transformers_rules, detail::transformers_bystanders, {.epsilon = 1e-12}},
    Dialect{"transformers-clip", "vision_model.embeddings.patch_embedding.weight", "", detail::transformers_clip_rules, detail::transformers_clip_bystanders, {.epsilon = 1e-5, .quick_gelu = true}},
    Dialect{"openai-clip", "conv1.weight", "class_embedding", detail::openai_rules, detail::openai_bystanders, {.epsilon = 1e-5, .quick_gelu = true}},
};

/// What training scripts put in front of every name, and where bigger models keep their vision tower.
/// One is taken off only where a naming's signature stands behind it.
inline constexpr std::array<std::string_view, 12> wrapper_prefixes{"module.", "backbone.", "model.", "base_encoder.", "momentum_encoder.",      "visual.trunk.",
                                                                   "visual.", "vit.",      "deit.",  "dinov2.",       "dinov2_with_registers.", "clip."};

}  // namespace accrete
