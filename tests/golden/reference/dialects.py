"""From timm's parameter names to those of other publishers."""

import torch


def _blocks(p: dict) -> int:
    return 1 + max(int(name.split(".")[1]) for name in p if name.startswith("blocks."))


def _copy(result: dict, p: dict, to: str, source: str) -> None:
    """Weight and, where there is one, bias."""
    for part in ("weight", "bias"):
        if f"{source}.{part}" in p:
            result[f"{to}.{part}"] = p[f"{source}.{part}"]


def _split_qkv(result: dict, p: dict, i: int, names: tuple[str, str, str]) -> None:
    for part in ("weight", "bias"):
        for name, rows in zip(names, p[f"blocks.{i}.attn.qkv.{part}"].chunk(3)):
            result[f"{name}.{part}"] = rows


def _hf_embeddings(p: dict, to: str) -> dict:
    result = {f"{to}embeddings.cls_token": p["cls_token"], f"{to}embeddings.position_embeddings": p["pos_embed"]}
    if "dist_token" in p:
        result[f"{to}embeddings.distillation_token"] = p["dist_token"]
    _copy(result, p, f"{to}embeddings.patch_embeddings.projection", "patch_embed.proj")
    return result


def hf_vit(p: dict, prefix: str = "", head: str = "") -> dict:
    """transformers ViT and DeiT by the names they have in memory; `save_pretrained` turns them into those on disk."""
    result = _hf_embeddings(p, prefix)
    for i in range(_blocks(p)):
        layer, block = f"{prefix}layers.{i}", f"blocks.{i}"
        _split_qkv(result, p, i, tuple(f"{layer}.attention.{n}_proj" for n in "qkv"))
        for to, source in {"attention.o_proj": "attn.proj", "layernorm_before": "norm1", "layernorm_after": "norm2",
                           "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}.items():
            _copy(result, p, f"{layer}.{to}", f"{block}.{source}")
    _copy(result, p, f"{prefix}layernorm", "norm")
    if head:
        _copy(result, p, head, "head")
        _copy(result, p, "distillation_classifier", "head_dist")
    return result


def _position_out_of_class_token(p: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """The published register models keep one position row for the class token. Take one out of ours, exactly: the
    row is the class token halved, so that row + rest is the class token in every precision."""
    half = p["cls_token"] / 2
    return half, torch.cat([half, p["pos_embed"]], 1)


def hf_dinov2(p: dict) -> dict:
    p = dict(p)
    if "reg_token" in p:
        p["cls_token"], p["pos_embed"] = _position_out_of_class_token(p)
    result = _hf_embeddings(p, "")
    if "reg_token" in p:
        result["embeddings.register_tokens"] = p["reg_token"]
    for i in range(_blocks(p)):
        layer, block = f"encoder.layer.{i}", f"blocks.{i}"
        _split_qkv(result, p, i, tuple(f"{layer}.attention.{n}_proj" for n in "qkv"))
        for to, source in {"attention.o_proj": "attn.proj", "norm1": "norm1", "norm2": "norm2",
                           "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}.items():
            _copy(result, p, f"{layer}.{to}", f"{block}.{source}")
        for n in "12":
            result[f"{layer}.layer_scale{n}.lambda1"] = p[f"{block}.ls{n}.gamma"]
    _copy(result, p, "layernorm", "norm")
    return result


def dinov2_original(p: dict) -> dict:
    """timm's names, but `register_tokens`, a mask token and a position row for the class token."""
    result = {name: value for name, value in p.items() if name != "reg_token"}
    result["cls_token"], result["pos_embed"] = _position_out_of_class_token(p)
    result["register_tokens"] = p["reg_token"]
    result["mask_token"] = torch.zeros(1, p["pos_embed"].shape[-1])
    return result


def hf_clip(p: dict) -> dict:
    result = {"vision_model.embeddings.class_embedding": p["cls_token"].flatten(),
              "vision_model.embeddings.patch_embedding.weight": p["patch_embed.proj.weight"],
              "vision_model.embeddings.position_embedding.weight": p["pos_embed"][0],
              "visual_projection.weight": p["head.weight"]}
    _copy(result, p, "vision_model.pre_layrnorm", "norm_pre")
    for i in range(_blocks(p)):
        layer, block = f"vision_model.encoder.layers.{i}", f"blocks.{i}"
        _split_qkv(result, p, i, tuple(f"{layer}.self_attn.{n}_proj" for n in "qkv"))
        for to, source in {"self_attn.out_proj": "attn.proj", "layer_norm1": "norm1", "layer_norm2": "norm2",
                           "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}.items():
            _copy(result, p, f"{layer}.{to}", f"{block}.{source}")
    _copy(result, p, "vision_model.post_layernorm", "norm")
    return result


def openai_clip(p: dict, model) -> dict:
    """OpenAI's names for the visual tower, and for the text tower of `model` (a transformers CLIPModel)."""
    result = {"visual.class_embedding": p["cls_token"].flatten(), "visual.positional_embedding": p["pos_embed"][0],
              "visual.conv1.weight": p["patch_embed.proj.weight"], "visual.proj": p["head.weight"].T}
    _copy(result, p, "visual.ln_pre", "norm_pre")
    for i in range(_blocks(p)):
        to, block = f"visual.transformer.resblocks.{i}", f"blocks.{i}"
        for part in ("weight", "bias"):
            result[f"{to}.attn.in_proj_{part}"] = p[f"{block}.attn.qkv.{part}"]
        for name, source in {"attn.out_proj": "attn.proj", "ln_1": "norm1", "ln_2": "norm2",
                             "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}.items():
            _copy(result, p, f"{to}.{name}", f"{block}.{source}")
    _copy(result, p, "visual.ln_post", "norm")

    text = model.state_dict()
    result |= {"logit_scale": text["logit_scale"], "text_projection": text["text_projection.weight"].T,
               "token_embedding.weight": text["text_model.embeddings.token_embedding.weight"],
               "positional_embedding": text["text_model.embeddings.position_embedding.weight"]}
    _copy(result, text, "ln_final", "text_model.final_layer_norm")
    for i in range(model.config.text_config.num_hidden_layers):
        to, layer = f"transformer.resblocks.{i}", f"text_model.encoder.layers.{i}"
        for part in ("weight", "bias"):
            result[f"{to}.attn.in_proj_{part}"] = torch.cat([text[f"{layer}.self_attn.{n}_proj.{part}"] for n in "qkv"])
        for name, source in {"attn.out_proj": "self_attn.out_proj", "ln_1": "layer_norm1", "ln_2": "layer_norm2",
                             "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}.items():
            _copy(result, text, f"{to}.{name}", f"{layer}.{source}")
    return result
