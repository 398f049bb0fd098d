"""Golden files of the backbones: vit/<case>.weights.safetensors, vit/<case>.expected.safetensors, vit/cases.json.

A weights file is a checkpoint as a user has it, in the names of whoever publishes such networks; an expected file
holds one input and what the network makes of it. Cases that are one network under several namings share one.
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
import transformers
from huggingface_hub import save_torch_state_dict
from timm.layers import QuickGELU
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer

from . import dialects, vit
from .store import relative_error, save, save_json
from .vit import Architecture

TIMM = {
    "plain": Architecture(image=(32, 32), patch=8, width=36, depth=3, heads=3, hidden=72, head=10),
    "options": Architecture(registers=4, no_embed_class=True, layer_scale=True, pool="avg", fc_norm=True),
    "clip": Architecture(pre_norm=True, eps=1e-5, activation="quick_gelu", head=12),
    "distilled": Architecture(distilled=True, head=7),
    "rectangle": Architecture(image=(28, 42), patch=14, width=40, heads=5, hidden=80, head=3),
    "average": Architecture(hidden=128, class_token=False, pool="avg", fc_norm=True),
    "registers_with_positions": Architecture(registers=3),
    "registers": Architecture(registers=4, no_embed_class=True, layer_scale=True),
    "no_qkv_bias": Architecture(qkv_bias=False, head=5),
    "attention_pool": Architecture(class_token=False, pool="map"),
}
"""Case number = place in this list; weights are drawn with seed 1000 + number, inputs with 2000 + number."""


def drawn(name: str) -> tuple[dict, dict, torch.Tensor]:
    """(seeds, parameters, input) of a network of the list"""
    a, number = TIMM[name], list(TIMM).index(name)
    seeds = {"seed_weights": 1000 + number, "seed_input": 2000 + number}
    return seeds, vit.draw(a, seeds["seed_weights"]), vit.images(a, 3 if name == "plain" else 2, seeds["seed_input"])


def build_timm(a: Architecture, parameters: dict) -> torch.nn.Module:
    activation = {"gelu": torch.nn.GELU, "quick_gelu": QuickGELU, "gelu_tanh": partial(torch.nn.GELU, approximate="tanh")}
    kind = VisionTransformerDistilled if a.distilled else VisionTransformer
    model = kind(
        img_size=a.image, patch_size=a.patch, embed_dim=a.width, depth=a.depth, num_heads=a.heads,
        mlp_ratio=a.hidden / a.width, num_classes=a.head, qkv_bias=a.qkv_bias, pre_norm=a.pre_norm,
        init_values=1.0 if a.layer_scale else None, act_layer=activation[a.activation],
        norm_layer=partial(torch.nn.LayerNorm, eps=a.eps),
        **({} if a.distilled else dict(
            class_token=a.class_token, reg_tokens=a.registers, no_embed_class=a.no_embed_class,
            global_pool=a.pool, fc_norm=a.fc_norm if a.pool in ("avg", "max", "avgmax") else None)))
    model.load_state_dict(parameters, strict=True)
    return model.double().eval()


@torch.no_grad()
def run_timm(model: VisionTransformer, x: torch.Tensor) -> dict[str, torch.Tensor]:
    result: dict[str, torch.Tensor] = {}
    note = lambda name: lambda module, inputs, output: result.update({name: output})  # noqa: E731
    model.patch_embed.register_forward_hook(note("patch_embed"))
    model.norm_pre.register_forward_hook(note("embed"))
    for i, block in enumerate(model.blocks):
        block.register_forward_hook(note(f"block.{i}"))
    result["features"] = model.forward_head(model.forward_features(x.double()), pre_logits=True)
    if model.num_classes:
        result["logits"] = model.forward_head(model.forward_features(x.double()))
    return result


def agree(published: dict, ours: dict, where: str) -> None:
    for name, value in ours.items():
        error = relative_error(value, published[name])
        assert error < 1e-12, f"{where}: {name} of the published library and of reference/vit.py differ by {error}"


def sensitive(parameters: dict, a: Architecture, x: torch.Tensor, where: str) -> None:
    """The case would notice: another eps, another activation, another head count, any one parameter left out."""
    features = vit.forward(parameters, a, x)["features"]
    change = lambda p, b: relative_error(vit.forward(p, b, x)["features"], features)  # noqa: E731
    wrong = {"eps": change(parameters, replace(a, eps=1e-5 if a.eps < 1e-5 else 1e-6)),
             "eps 1e-12": change(parameters, replace(a, eps=1e-6 if a.eps < 1e-7 else 1e-12)),
             "activation": change(parameters, replace(a, activation="gelu_tanh" if a.activation == "gelu" else "gelu")),
             "heads": change(parameters, replace(a, heads=1))}
    for name, value in parameters.items():
        if name.split(".")[0] not in ("head", "head_dist"):
            wrong[name] = change(parameters | {name: torch.zeros_like(value)}, a)
    blind = {what: change for what, change in wrong.items() if change < 5e-5}  # tests allow 2e-5
    assert not blind, f"{where}: nobody would notice {blind}"


class Collector:
    """Writes the files of one case after the other and remembers what cases.json says."""

    def __init__(self, folder: Path):
        self.folder, self.cases = folder, []

    def weights(self, name: str, tensors: dict) -> str:
        path = self.folder / f"{name}.weights.safetensors"
        save(path, tensors)
        return path.name

    def expected(self, name: str, results: dict, a: Architecture, **seeds) -> str:
        path = self.folder / f"{name}.expected.safetensors"
        save(path, results, {"case": name, "architecture": a.as_json()} | seeds)
        return path.name

    def case(self, name: str, weights: str, expected: str, naming: str, a: Architecture, input: str = "", **more) -> None:
        """`input` is the file whose tensor `input` goes in: the expected file, unless it shares another's."""
        self.cases.append({"case": name, "naming": naming, "weights": weights, "input": input or expected,
                           "expected": expected, "architecture": a.as_json()} | more)


def timm_cases(out: Collector) -> dict[str, tuple]:
    """Every architecture in timm's naming; returns (parameters, input) of each for the other namings."""
    made = {}
    for name, a in TIMM.items():
        seeds, p, x = drawn(name)
        results = run_timm(build_timm(a, p), x)
        agree(results, vit.forward(p, a, x), name)
        sensitive(p, a, x, name)
        if name == "clip":  # timm gives its projection a bias, the publishers of CLIP none
            results["projected"] = results["features"] @ p["head.weight"].double().T
        out.case(name, out.weights(name, p), out.expected(name, {"input": x} | results, a, **seeds), "timm", a)
        made[name] = (p, x)
    return made


def other_readings(out: Collector, p: dict, x: torch.Tensor) -> None:
    """The plain file read otherwise: pools and activations that no shape can tell."""
    for name, change in {"plain_average": dict(pool="avg"), "plain_maximum": dict(pool="max"),
                         "plain_average_and_maximum": dict(pool="avgmax"), "plain_tanh": dict(activation="gelu_tanh")}.items():
        a = replace(TIMM["plain"], **change)
        results = run_timm(build_timm(a, p), x)
        agree(results, vit.forward(p, a, x), name)
        kept = {key: results[key] for key in ("features", "logits")}
        out.case(name, "plain.weights.safetensors", out.expected(name, kept, a), "timm", a, "plain.expected.safetensors")


def casts(out: Collector, p: dict, x: torch.Tensor) -> None:
    """The plain network stored in two bytes: what it computes after widening back."""
    a = TIMM["plain"]
    for name, kind in {"plain_f16": torch.float16, "plain_bf16": torch.bfloat16}.items():
        stored = {key: value.to(kind) for key, value in p.items()}
        results = run_timm(build_timm(a, {key: value.float() for key, value in stored.items()}), x)
        kept = {key: results[key] for key in ("features", "logits")}
        out.case(name, out.weights(name, stored), out.expected(name, kept, a), "timm", a, "plain.expected.safetensors")


def shards(out: Collector, p: dict) -> None:
    folder = out.folder / "plain_sharded"
    folder.mkdir(parents=True, exist_ok=True)
    save_torch_state_dict(p, folder, max_shard_size=100_000)  # bytes
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps(json.loads(index.read_text()), indent=1, sort_keys=True) + "\n")
    parts = sorted(folder.glob("*.safetensors"))
    assert len(parts) == 2
    for file in (index, *parts):
        file.chmod(0o644)
    out.case("plain_sharded", "plain_sharded/model.safetensors.index.json", "plain.expected.safetensors", "timm", TIMM["plain"])


def publish(out: Collector, name: str, model) -> dict:
    """The checkpoint as `save_pretrained` writes it, plus its config.json under the case's name."""
    scratch = out.folder / f".{name}"
    model.save_pretrained(scratch)
    (scratch / "model.safetensors").replace(out.folder / f"{name}.weights.safetensors")
    config = json.loads((scratch / "config.json").read_text())
    (out.folder / f"{name}.config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    (scratch / "config.json").unlink()
    scratch.rmdir()
    (out.folder / f"{name}.weights.safetensors").chmod(0o644)
    return {"weights": f"{name}.weights.safetensors", "config": f"{name}.config.json"}


@torch.no_grad()
def run_transformers(model, x: torch.Tensor, read_features) -> dict[str, torch.Tensor]:
    """Hidden states of a transformers network in float64: [embed, block.0, block.1, ...] and the features."""
    hidden: list[torch.Tensor] = []
    blocks = next(m for name, m in model.named_modules() if name.endswith(("layers", "layer")) and isinstance(m, torch.nn.ModuleList))
    hooks = [blocks[0].register_forward_pre_hook(lambda module, inputs: hidden.append(inputs[0]))]
    first = lambda output: output[0] if isinstance(output, tuple) else output  # noqa: E731
    hooks += [b.register_forward_hook(lambda module, inputs, output: hidden.append(first(output))) for b in blocks]
    output = model(pixel_values=x.double())
    for hook in hooks:
        hook.remove()
    return {"embed": hidden[0]} | {f"block.{i}": h for i, h in enumerate(hidden[1:])} | {"features": read_features(output)}


def huggingface_cases(out: Collector, made: dict) -> None:
    sizes = lambda a: dict(hidden_size=a.width, num_hidden_layers=a.depth, num_attention_heads=a.heads,  # noqa: E731
                           image_size=a.image[0], patch_size=a.patch)
    row0 = lambda output: output.last_hidden_state[:, 0]  # noqa: E731

    def load(model, parameters):
        missing, unexpected = model.load_state_dict(parameters, strict=False)
        assert not unexpected and all("pooler" in m or "mask_token" in m for m in missing), (missing, unexpected)
        return model.eval()

    def own(name, number, a, build, to_names):
        seeds = {"seed_weights": 1000 + number, "seed_input": 2000 + number}
        p, x = vit.draw(a, seeds["seed_weights"]), vit.images(a, 2, seeds["seed_input"])
        torch.manual_seed(seeds["seed_weights"])  # what transformers draws itself: the pooler
        model = load(build(a), to_names(p))
        files = publish(out, name, model)
        results = vit.forward(p, a, x)
        agree(run_transformers(model.double(), x, row0), {k: v for k, v in results.items() if k != "patch_embed"}, name)
        sensitive(p, a, x, name)
        expected = out.expected(name, {"input": x} | results, a, **seeds)
        out.case(name, expected=expected, naming="transformers", a=a, **files)
        return model.float(), expected, p

    # ViT: the bare model with transformers' own eps, and the same under the names it has in memory.
    a = Architecture(eps=1e-12)
    model, expected, _ = own("hf_vit", 20, a, lambda a: transformers.ViTModel(
        transformers.ViTConfig(**sizes(a), intermediate_size=a.hidden, layer_norm_eps=a.eps)), dialects.hf_vit)
    out.case("hf_vit_memory", out.weights("hf_vit_memory", model.state_dict()), expected, "transformers in memory", a,
             config="hf_vit.config.json")

    # ViT with a classifier, eps 1e-6: the plain network.
    a, (p, x) = TIMM["plain"], made["plain"]
    model = load(transformers.ViTForImageClassification(transformers.ViTConfig(
        **sizes(a), intermediate_size=a.hidden, layer_norm_eps=a.eps, num_labels=a.head)),
        dialects.hf_vit(p, prefix="vit.", head="classifier"))
    files = publish(out, "hf_vit_classifier", model)
    with torch.no_grad():
        logits = model.double()(pixel_values=x.double()).logits
    assert relative_error(logits, run_timm(build_timm(a, p), x)["logits"]) < 1e-12
    out.case("hf_vit_classifier", expected="plain.expected.safetensors", naming="transformers", a=a, **files)

    # Distilled DeiT: the distilled network.
    a, (p, x) = TIMM["distilled"], made["distilled"]
    model = load(transformers.DeiTForImageClassificationWithTeacher(transformers.DeiTConfig(
        **sizes(a), intermediate_size=a.hidden, layer_norm_eps=a.eps, num_labels=a.head)),
        dialects.hf_vit(p, prefix="deit.", head="cls_classifier"))
    files = publish(out, "hf_deit", model)
    with torch.no_grad():
        logits = model.double()(pixel_values=x.double()).logits
    assert relative_error(logits, run_timm(build_timm(a, p), x)["logits"]) < 1e-12
    out.case("hf_deit", expected="distilled.expected.safetensors", naming="transformers", a=a, **files)

    # DINOv2 without and with registers. The latter adds position row 0 to the class token and none to the registers,
    # which reference/vit.py says as timm does: one class token with its position in it, and a table for the patches.
    dinov2 = lambda kind, config, **more: lambda a: kind(config(  # noqa: E731
        **sizes(a), mlp_ratio=a.hidden // a.width, layer_norm_eps=a.eps, **more))
    own("hf_dinov2", 21, Architecture(hidden=64, layer_scale=True),
        dinov2(transformers.Dinov2Model, transformers.Dinov2Config), dialects.hf_dinov2)
    a = Architecture(hidden=64, layer_scale=True, registers=4, no_embed_class=True)
    _, expected, p = own("hf_dinov2_registers", 22, a, dinov2(
        transformers.Dinov2WithRegistersModel, transformers.Dinov2WithRegistersConfig, num_register_tokens=a.registers),
        dialects.hf_dinov2)
    out.case("dinov2_original", out.weights("dinov2_original", dialects.dinov2_original(p)), expected, "DINOv2", a)

    # CLIP with a small text tower beside the visual one, which is the network `clip`.
    a, (p, x) = TIMM["clip"], made["clip"]
    text = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=20,
                max_position_embeddings=6, bos_token_id=18, eos_token_id=19, pad_token_id=0)
    model = transformers.CLIPModel(transformers.CLIPConfig(
        text_config=text, vision_config=sizes(a) | dict(intermediate_size=a.hidden, layer_norm_eps=a.eps), projection_dim=a.head)).eval()
    missing, unexpected = model.load_state_dict(dialects.hf_clip(p), strict=False)
    assert not unexpected and all(m.startswith(("text", "logit")) for m in missing), (missing, unexpected)
    draw_text_tower(model, 1030)
    with torch.no_grad():  # `head` of the published projection has no bias
        projected = model.double().visual_projection(model.vision_model(pixel_values=x.double()).pooler_output)
    assert relative_error(vit.forward(p, a, x)["features"] @ p["head.weight"].double().T, projected) < 1e-12
    clip_text(out, model)
    files = publish(out, "hf_clip", model.float())
    out.case("hf_clip", expected="clip.expected.safetensors", naming="transformers", a=a, **files)
    out.case("openai_clip", out.weights("openai_clip", dialects.openai_clip(p, model)), "clip.expected.safetensors", "OpenAI", a)


@torch.no_grad()
def draw_text_tower(model: transformers.CLIPModel, seed: int) -> None:
    """As `vit.draw`: what transformers initialises to 0 and 1 would let a mistake hide."""
    random = np.random.RandomState(seed)
    for name, value in sorted(model.named_parameters()):
        if not name.startswith("text"):
            continue
        n = random.standard_normal(tuple(value.shape))
        if "norm" in name:
            n = 1 + 0.3 * n if name.endswith("weight") else 0.2 * n
        elif "embedding" in name:
            n *= 0.03
        else:
            n *= 0.2 if name.endswith("bias") else 1.5 / value.shape[-1] ** 0.5
        value.copy_(torch.from_numpy(n))
    model.logit_scale.fill_(2.25)


@torch.no_grad()
def clip_text(out: Collector, model: transformers.CLIPModel) -> None:
    """The text tower of hf_clip and openai_clip: three sentences of different length, 18 begins and 19 ends each."""
    ids = torch.tensor([[18, 3, 7, 1, 5, 19], [18, 11, 2, 19, 0, 0], [18, 9, 19, 0, 0, 0]])
    assert ids.shape[1] == model.config.text_config.max_position_embeddings
    text, result = model.config.text_config, model.text_model(input_ids=ids)
    save(out.folder / "clip_text.expected.safetensors",
         {"ids": ids, "tokens": result.last_hidden_state, "features": result.pooler_output,
          "projected": model.text_projection(result.pooler_output), "logit_scale": model.logit_scale},
         {"case": "clip_text", "weights": ["hf_clip.weights.safetensors", "openai_clip.weights.safetensors"],
          "text": {name: getattr(text, name) for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
                                                          "eos_token_id", "hidden_act", "layer_norm_eps")} | {"causal": True}})


def deit3(out: Collector, number: int = 31) -> None:
    """timm's names but for LayerScale, as the DeiT-3 files have it."""
    a = Architecture(layer_scale=True, no_embed_class=True, head=6)
    seeds = {"seed_weights": 1000 + number, "seed_input": 2000 + number}
    p, x = vit.draw(a, seeds["seed_weights"]), vit.images(a, 2, seeds["seed_input"])
    results = run_timm(build_timm(a, p), x)
    agree(results, vit.forward(p, a, x), "deit3")
    renamed = {name.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): value for name, value in p.items()}
    out.case("deit3", out.weights("deit3", renamed), out.expected("deit3", {"input": x} | results, a, **seeds), "DeiT-3", a)


def generate(root: Path) -> None:
    out = Collector(root / "vit")
    made = timm_cases(out)
    other_readings(out, *made["plain"])
    casts(out, *made["plain"])
    shards(out, made["plain"][0])
    huggingface_cases(out, made)
    deit3(out)
    save_json(out.folder / "cases.json", out.cases)


VERSIONS = {"timm": timm.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
