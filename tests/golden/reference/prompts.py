"""prompts.expected.safetensors: the plain network bent by prefixes and prompt tokens, with the gradients of each.

The loss of every gradient is sum(probe * features); `probe` is stored. Prefixes and tokens are drawn as large as
what they stand beside: keys and values as the projections make them, tokens as the residual stream has them.
"""

from pathlib import Path

import numpy as np
import torch

from . import vit
from .networks import TIMM
from .store import save

SEED = 3000


def run(p: dict, a: vit.Architecture, x: torch.Tensor, prefixes: dict | None = None, compensated: bool = False,
        shallow: torch.Tensor | None = None, deep: torch.Tensor | None = None) -> torch.Tensor:
    """`prefixes` block -> (keys, values) [B or 1, P, D]; `shallow` [B or 1, P, D]; `deep` [L, P, D]. Tokens stand
    right behind the class token and have no position."""
    batch = x.shape[0]
    widen = lambda rows: rows.expand(batch, -1, -1)  # noqa: E731
    tokens = vit.embed(p, a, vit.patch_embed(p, a, x))
    if shallow is not None:
        tokens = torch.cat([tokens[:, :1], widen(shallow), tokens[:, 1:]], 1)
    for i in range(a.depth):
        if deep is not None:
            rest = tokens[:, 1:] if i == 0 else tokens[:, 1 + deep.shape[1]:]  # what the last block made of them goes
            tokens = torch.cat([tokens[:, :1], widen(deep[i][None]), rest], 1)
        prefix = tuple(widen(part) for part in prefixes[i]) if prefixes and i in prefixes else None
        tokens = vit.block(p, a, i, tokens, prefix, compensated)
    return vit.pool(p, a, tokens)


def run_l2p(p: dict, a: vit.Architecture, x: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Prompt rows behind the class token, each with the class token's position; the feature is the mean of the
    prompt rows after the final norm."""
    embedded = vit.embed(p, a, vit.patch_embed(p, a, x))
    rows = torch.cat([embedded[:, :1], tokens + p["pos_embed"][:, :1], embedded[:, 1:]], 1)
    for i in range(a.depth):
        rows = vit.block(p, a, i, rows)
    return vit.layer_norm(rows, p["norm.weight"], p["norm.bias"], a.eps)[:, 1 : 1 + tokens.shape[1]].mean(1)


def generate(root: Path) -> None:
    a, batch = TIMM["plain"], 3
    p, x = vit.double(vit.draw(a, 1000)), vit.images(a, batch, 2000)
    random = np.random.RandomState(SEED)
    draw = lambda scale, *shape: torch.from_numpy((scale * random.standard_normal(shape)).astype(np.float32))  # noqa: E731
    d = a.width
    leaves = {
        "prefix.block0.key": draw(1.6, batch, 5, d), "prefix.block0.value": draw(1.0, batch, 5, d),
        "prefix.block2.key": draw(1.6, batch, 4, d), "prefix.block2.value": draw(1.0, batch, 4, d),
        "prefix_shared.block1.key": draw(1.6, 6, d), "prefix_shared.block1.value": draw(1.0, 6, d),
        "prefix_compensated.block0.key": draw(1.6, 10, d), "prefix_compensated.block0.value": draw(1.0, 10, d),
        "prefix_compensated.block1.key": draw(1.6, 10, d), "prefix_compensated.block1.value": draw(1.0, 10, d),
        "deep.tokens": draw(0.03, a.depth, 5, d),
        "shallow.tokens": draw(0.03, 4, d),
        "shallow_per_sample.tokens": draw(0.03, batch, 3, d),
        "l2p.tokens": draw(0.03, batch, 6, d),
    }
    probe = draw(1.0, batch, d)
    one = {name: value.double().requires_grad_() for name, value in leaves.items()}
    pair = lambda case, i: (one[f"{case}.block{i}.key"], one[f"{case}.block{i}.value"])  # noqa: E731
    shared = lambda case, i: tuple(part[None] for part in pair(case, i))  # noqa: E731
    images = x.double()
    features = {
        "prefix": run(p, a, images, prefixes={0: pair("prefix", 0), 2: pair("prefix", 2)}),
        "prefix_shared": run(p, a, images, prefixes={1: shared("prefix_shared", 1)}),
        "prefix_compensated": run(p, a, images, compensated=True,
                                  prefixes={i: shared("prefix_compensated", i) for i in (0, 1)}),
        "deep": run(p, a, images, deep=one["deep.tokens"]),
        "shallow": run(p, a, images, shallow=one["shallow.tokens"][None]),
        "shallow_per_sample": run(p, a, images, shallow=one["shallow_per_sample.tokens"]),
        "l2p": run_l2p(p, a, images, one["l2p.tokens"]),
    }
    sum((value * probe.double()).sum() for value in features.values()).backward()
    save(root / "prompts.expected.safetensors",
         {"probe": probe} | leaves
         | {f"{case}.features": value for case, value in features.items()}
         | {f"{name}.gradient": value.grad for name, value in one.items()},
         {"architecture": a.as_json(), "weights": "vit/plain.weights.safetensors", "input": "vit/plain.expected.safetensors",
          "seed": SEED, "loss": "sum(probe * features)"})
