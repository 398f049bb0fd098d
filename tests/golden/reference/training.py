"""training/<case>.safetensors: features, loss and the gradient of everything a tuning learns; training/cases.json.

Every case is computed twice: timm with modules hung into it (modules.py), and reference/vit.py with LoRA merged into
the weights and SSF folded into them. Written only if features and gradients of both agree.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from . import modules, vit
from .networks import TIMM, build_timm, drawn
from .store import relative_error, save, save_json

CLASSES = 5


@dataclass(frozen=True)
class Tuning:
    """Which learnable tensors, of what size; written into the file as `tuning`."""

    kind: str  # full, adapter, lora, ssf, vpt, prefix
    settings: dict = field(default_factory=dict)

    def options(self) -> dict:
        """What `modules.attach` and `run` take beside the tensors."""
        return {key: self.settings[key] for key in ("adapted", "adapter_scale", "lora_scale") if key in self.settings}

    def as_json(self) -> dict:
        return {"kind": self.kind} | self.settings


def lora(targets: list[str], rank: int, scale: float) -> Tuning:
    return Tuning("lora", {"targets": targets, "rank": rank, "lora_scale": scale})


def adapter(where: str) -> Tuning:
    return Tuning("adapter", {"adapted": where, "rank": 4, "adapter_scale": 0.1})


THIRD = {part: f"attn.qkv.lora_{part}" for part in "qkv"}
TUNINGS = {
    "adapter_parallel": adapter("parallel"),
    "adapter_sequential": adapter("sequential"),
    "lora_qkv": lora([THIRD["q"], THIRD["k"], THIRD["v"]], 2, 2.0),
    "lora_qv": lora([THIRD["q"], THIRD["v"]], 3, 1.5),
    "lora_kv": lora([THIRD["k"], THIRD["v"]], 2, 1.0),
    "lora_packed": lora(["attn.qkv.lora", "mlp.fc1.lora", "mlp.fc2.lora"], 4, 0.8),
    "ssf": Tuning("ssf"),
    "vpt_shallow": Tuning("vpt", {"deep": False, "length": 3}),
    "vpt_deep": Tuning("vpt", {"deep": True, "length": 3}),
    "prefix": Tuning("prefix", {"blocks": [0, 2], "lengths": [4, 3], "per_sample": True}),
    "prefix_shared": Tuning("prefix", {"blocks": [0, 2], "lengths": [3, 5], "per_sample": False}),
}
FULL = ("plain", "options", "clip", "distilled", "rectangle")
CASES = (
    [(name, name, Tuning("full")) for name in FULL]
    + [(f"plain_{name}", "plain", tuning) for name, tuning in TUNINGS.items()]
    + [(f"options_{name}", "options", TUNINGS[name]) for name in ("adapter_parallel", "lora_qkv", "lora_packed", "ssf", "vpt_shallow", "vpt_deep")]
    + [("options_prefix", "options", Tuning("prefix", {"blocks": [1], "lengths": [3], "per_sample": True}))]
)
"""(case, network, tuning); case number = place in this list, the seed of what is drawn for it is 4000 + number."""

MERGED = ("plain_lora_qv", "plain_lora_packed", "plain_ssf")


def site_width(a: vit.Architecture, site: str) -> int:
    """Length of what a module gives: patch_embed, norm, or a site of a block."""
    return {"qkv": 3 * a.width, "fc1": a.hidden}.get(site.rsplit(".", 1)[-1], a.width)


def draw(a: vit.Architecture, tuning: Tuning, batch: int, seed: int) -> dict[str, torch.Tensor]:
    """The learnable tensors, none of them where training would begin: everything is to show."""
    random, s, made = np.random.RandomState(seed), tuning.settings, {}
    normal = lambda scale, *shape: torch.from_numpy((scale * random.standard_normal(shape)).astype(np.float32))  # noqa: E731
    blocks, d = [f"blocks.{i}" for i in range(a.depth)], a.width
    if tuning.kind == "adapter":  # rows of the residual stream are about 0.04 long an entry
        r, reads = s["rank"], 3.0 if s["adapted"] == "parallel" else 5.0
        for b in blocks:
            made |= {f"{b}.adapter.down.weight": normal(reads / d**0.5, r, d), f"{b}.adapter.down.bias": normal(0.05, r),
                     f"{b}.adapter.up.weight": normal(4.0 / r**0.5, d, r), f"{b}.adapter.up.bias": normal(0.2, d)}
    elif tuning.kind == "lora":
        for b in blocks:
            for target in s["targets"]:
                layer, which = target.rsplit(".", 1)
                rows, columns = site_width(a, layer) if which == "lora" else d, a.hidden if layer.endswith("fc2") else d
                size = 0.03 if layer.endswith("fc2") else 0.5  # beside weights as small as those of fc2
                made |= {f"{b}.{target}.a": normal(columns**-0.5, s["rank"], columns),
                         f"{b}.{target}.b": normal(size * s["rank"]**-0.5, rows, s["rank"])}
    elif tuning.kind == "ssf":
        for site in ["patch_embed", *(f"{b}.{part}" for b in blocks for part in modules.SSF_SITES), "norm"]:
            stream = site == "patch_embed" or site.endswith(("proj", "fc2"))
            made |= {f"{site}.ssf.scale": 1 + normal(0.3, site_width(a, site)),
                     f"{site}.ssf.shift": normal(0.01 if stream else 0.2, site_width(a, site))}
    elif tuning.kind == "vpt":
        made["prompts"] = normal(0.03, a.depth if s["deep"] else 1, s["length"], d)
    elif tuning.kind == "prefix":
        for i, length in zip(s["blocks"], s["lengths"]):
            rows = batch if s["per_sample"] else 1
            made |= {f"blocks.{i}.prefix.key": normal(1.6, rows, length, d), f"blocks.{i}.prefix.value": normal(1.0, rows, length, d)}
    return made


def merged(p: dict, learnable: dict, lora_scale: float = 1.0) -> dict:
    """The weights with LoRA added and SSF folded in; what cannot go into weights is left out."""
    p = dict(p)
    for name, value in learnable.items():
        owner, _, part = name.rpartition(".")
        if part == "a":
            layer, _, which = owner.rpartition(".")
            change = lora_scale * learnable[f"{owner}.b"] @ value
            if which != "lora":
                change = torch.cat([change if which[-1] == third else torch.zeros_like(change) for third in "qkv"])
            p[f"{layer}.weight"] = p[f"{layer}.weight"] + change
        elif part == "scale":
            site = owner.removesuffix(".ssf")
            layer = {"patch_embed": "patch_embed.proj", "norm": "norm" if "norm.weight" in p else "fc_norm"}.get(site, site)
            weight = p[f"{layer}.weight"]
            p[f"{layer}.weight"] = value.reshape(-1, *[1] * (weight.dim() - 1)) * weight
            p[f"{layer}.bias"] = value * p[f"{layer}.bias"] + learnable[f"{owner}.shift"]
    return p


def run(p: dict, a: vit.Architecture, x: torch.Tensor, learnable: dict, adapted: str = "", adapter_scale: float = 0.1,
        lora_scale: float = 1.0) -> torch.Tensor:
    """The features by reference/vit.py, in the type of `p`."""
    weights = merged(p, learnable, lora_scale) | learnable
    batch, prompts = len(x), learnable.get("prompts")
    tokens = vit.embed(weights, a, vit.patch_embed(weights, a, x))
    length = tokens.shape[1]
    for i in range(a.depth):
        if prompts is not None and i < len(prompts):
            tokens = torch.cat([tokens[:, :length] if len(prompts) > 1 else tokens, prompts[i].expand(batch, -1, -1)], 1)
        key = learnable.get(f"blocks.{i}.prefix.key")
        prefix = None if key is None else tuple(
            rows.expand(batch, -1, -1) for rows in (key, learnable[f"blocks.{i}.prefix.value"]))
        tokens = vit.block(weights, a, i, tokens, prefix, adapted=adapted, adapter_scale=adapter_scale)
    return vit.pool(weights, a, tokens[:, :length])


def backward(features: torch.Tensor, probe: tuple, target: torch.Tensor, leaves: dict) -> dict[str, torch.Tensor]:
    """Everything of a case that is a result: the probe is a linear classifier on the features."""
    weight, bias = (part.double().requires_grad_() for part in probe)
    features.retain_grad()
    logits = features @ weight.T + bias
    loss = torch.nn.functional.cross_entropy(logits, target)
    loss.backward()
    return ({"features": features, "logits": logits, "loss": loss, "grad.features": features.grad,
             "grad.probe.weight": weight.grad, "grad.probe.bias": bias.grad}
            | {f"grad.{name}": leaf.grad for name, leaf in leaves.items()})


def leaves_of(tensors: dict) -> dict[str, torch.Tensor]:
    return {name: value.double().requires_grad_() for name, value in tensors.items()}


def by_timm(a: vit.Architecture, p: dict, x, learnable: dict, tuning: Tuning, probe, target) -> dict:
    model = build_timm(a, p)
    if tuning.kind == "full":
        leaves = {name: value for name, value in model.named_parameters() if not name.startswith("head")}
    else:
        model.requires_grad_(False)
        leaves = leaves_of(learnable)
        modules.attach(model, leaves, **tuning.options())
    features = model.forward_head(model.forward_features(x.double()), pre_logits=True)
    return backward(features, probe, target, leaves)


def by_specs(a: vit.Architecture, p: dict, x, learnable: dict, tuning: Tuning, probe, target) -> dict:
    p = {name: value for name, value in vit.double(p).items() if not name.startswith("head")}
    leaves = leaves_of(p if tuning.kind == "full" else learnable)
    if tuning.kind == "full":
        return backward(run(leaves, a, x.double(), {}), probe, target, leaves)
    return backward(run(p, a, x.double(), leaves, **tuning.options()), probe, target, leaves)


def agree(one: dict, other: dict, where: str) -> None:
    assert one.keys() == other.keys(), (where, one.keys() ^ other.keys())
    for name, value in one.items():
        error = relative_error(value, other[name])
        assert error < 1e-10, f"{where}: {name} of timm and of reference/vit.py differ by {error}"


def sensitive(a: vit.Architecture, p: dict, x, learnable: dict, tuning: Tuning, where: str) -> None:
    """Leaving out any one learnable tensor, or any one row of a prompt, moves the features."""
    x, p = x.double(), vit.double(p)
    leaves = vit.double(learnable)
    features = run(p, a, x, leaves, **tuning.options())
    for name, value in leaves.items():
        neutral = torch.ones_like(value) if name.endswith("ssf.scale") else torch.zeros_like(value)
        change = relative_error(run(p, a, x, leaves | {name: neutral}, **tuning.options()), features)
        assert change > 2e-4, f"{where}: without {name} the features move by {change} only"


def case(folder: Path, number: int, name: str, network: str, tuning: Tuning) -> dict:
    a, seed = TIMM[network], 4000 + number
    files = {part: f"vit/{network}.{part}.safetensors" for part in ("weights", "expected")}
    _, p, x = drawn(network)
    random = np.random.RandomState(seed)
    probe = (torch.from_numpy((random.standard_normal((CLASSES, a.width)) / a.width**0.5).astype(np.float32)),
             torch.from_numpy((0.1 * random.standard_normal(CLASSES)).astype(np.float32)))
    target = torch.from_numpy(random.permutation(CLASSES)[: len(x)])
    learnable = draw(a, tuning, len(x), seed)
    results = by_timm(a, p, x, learnable, tuning, probe, target)
    agree(by_specs(a, p, x, learnable, tuning, probe, target), results, name)
    sensitive(a, p, x, learnable, tuning, name)
    config = {"case": name, "architecture": a.as_json(), "tuning": tuning.as_json(), "seed": seed,
              "weights": files["weights"], "input": files["expected"], "loss": "mean cross-entropy of the probe's logits"}
    listed = {"case": name, "file": f"training/{name}.safetensors"} | {key: config[key] for key in ("weights", "input", "architecture", "tuning")}
    if name in MERGED:
        listed["merged"] = f"training/{name}.merged.safetensors"
        results["merged.logits"] = merge(folder.parent / listed["merged"], a, p, x, learnable, tuning)
    save(folder / f"{name}.safetensors",
         {"target": target, "probe.weight": probe[0], "probe.bias": probe[1]}
         | {f"param.{key}": value for key, value in learnable.items()} | results, config)
    return listed


@torch.no_grad()
def merge(path: Path, a: vit.Architecture, p: dict, x, learnable: dict, tuning: Tuning) -> torch.Tensor:
    """Writes a checkpoint of the plain architecture that does what the tuned network does, rounded once to float32.
    Returns the logits of the tuned, unmerged network by the head in its file."""
    weights = merged(vit.double(p), vit.double(learnable), tuning.settings.get("lora_scale", 1.0))
    tuned, untuned, rounded = build_timm(a, p), build_timm(a, p), build_timm(a, {name: value.float() for name, value in weights.items()})
    modules.attach(tuned, vit.double(learnable), **tuning.options())
    untuned.load_state_dict(weights)
    logits = tuned(x.double())
    assert relative_error(untuned(x.double()), logits) < 1e-12, path.name
    assert relative_error(rounded(x.double()), logits) < 1e-6, path.name
    save(path, {name: value.float() for name, value in weights.items()})
    return logits


def generate(root: Path) -> None:
    folder = root / "training"
    save_json(folder / "cases.json", [case(folder, number, *entry) for number, entry in enumerate(CASES)])
