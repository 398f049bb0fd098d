"""What the training comparisons share: timm's network with parameter-efficient modules where a method starts them.

The modules are those the golden gradients are computed with (tests/golden/reference/modules.py). Adapter: 64 hidden
units in parallel to the MLP, scale 0.1; LoRA: rank 8 on q, k and v of every block, alpha / r = 1; SSF: every site;
VPT: five tokens, appended. Initial values are the published ones; prompts from zeros.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "golden"))

ADAPTER = {"rank": 64, "adapter_scale": 0.1, "dropout": 0.1}
LORA = {"rank": 8, "lora_scale": 1.0}
TOKENS = 5
TUNINGS = ("full", "adapter", "lora", "ssf", "vpt-shallow", "vpt-deep")


def start(model, tuning: str, random) -> dict:
    """The learnable tensors outside the network; `random` is torch's generator."""
    import torch
    from reference.modules import SSF_SITES

    width, depth = model.embed_dim, len(model.blocks)
    uniform = lambda *shape: (2 * torch.rand(shape, generator=random) - 1) * shape[-1] ** -0.5  # noqa: E731
    made = {}
    if tuning == "adapter":
        for i in range(depth):
            made |= {f"blocks.{i}.adapter.down.weight": uniform(ADAPTER["rank"], width), f"blocks.{i}.adapter.down.bias": torch.zeros(ADAPTER["rank"]),
                     f"blocks.{i}.adapter.up.weight": torch.zeros(width, ADAPTER["rank"]), f"blocks.{i}.adapter.up.bias": torch.zeros(width)}
    elif tuning == "lora":
        for i in range(depth):
            for part in "qkv":
                made |= {f"blocks.{i}.attn.qkv.lora_{part}.a": uniform(LORA["rank"], width),
                         f"blocks.{i}.attn.qkv.lora_{part}.b": torch.zeros(width, LORA["rank"])}
    elif tuning == "ssf":
        sites = {"patch_embed": width, "norm": width} | {
            f"blocks.{i}.{site}": getattr(model.blocks[i].get_submodule(site), "out_features", width) for i in range(depth) for site in SSF_SITES}
        for site, size in sites.items():
            made |= {f"{site}.ssf.scale": 1 + 0.02 * torch.randn(size, generator=random),
                     f"{site}.ssf.shift": 0.02 * torch.randn(size, generator=random)}
    elif tuning.startswith("vpt"):
        made["prompts"] = torch.zeros(depth if tuning == "vpt-deep" else 1, TOKENS, width)
    return {name: torch.nn.Parameter(value) for name, value in made.items()}


def tune(model, tuning: str, random) -> dict:
    """Makes `model` learn as `tuning` says; returns what an optimiser is to be given. Everything else is frozen."""
    from reference.modules import attach

    if tuning == "full":
        return dict(model.named_parameters())
    model.requires_grad_(False)
    learnable = start(model, tuning, random)
    attach(model, learnable, adapter_scale=ADAPTER["adapter_scale"], lora_scale=LORA["lora_scale"], dropout=ADAPTER["dropout"])
    return learnable


class CosineHead:
    """sigma cos(f, w), sigma from 1"""

    def __init__(self, width: int, classes: int, random):
        import torch

        self.torch = torch
        self.weight = torch.nn.Parameter((2 * torch.rand(classes, width, generator=random) - 1) * width**-0.5)
        self.sigma = torch.nn.Parameter(torch.ones(()))

    def parameters(self) -> list:
        return [self.weight, self.sigma]

    def __call__(self, features):
        normalize = self.torch.nn.functional.normalize
        return self.sigma * normalize(features, dim=-1) @ normalize(self.weight, dim=-1).T
