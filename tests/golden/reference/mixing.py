"""Model mixtures on timm's vision transformer: LAE, CoFiMA and ESN, and the rules by which they merge and vote.

A method is an aggregate of settings; what it learns is a dict of tensors, r the rank, L the length, C classes:

    Lae         blocks.<i>.attn.adapter.down.weight [r, D] and .bias [r], .up.weight [D, r] and .bias [D], .scale [1];
                or blocks.<i>.attn.qkv.lora_{k,v}.a [r, D], .b [D, r], .scale [1];
                or prompt.keys and prompt.values [n, L, D] of n blocks, prompt.scales [n, 2], that of the keys first;
                head.weight [C, D], head.bias [C]
    Cofima      the network in timm's names; head.weight [C, D], head.bias [C]
    Esn         prompt.tokens [1, L, D], and of each task a dict of its own: class_attention.token [D],
                class_attention.{norm1,norm2}.{weight,bias} [D], class_attention.attn.qkv.{weight,bias} [3D, D] [3D],
                class_attention.attn.proj.{weight,bias}, class_attention.mlp.fc1 [D/2, D] and .fc2 [D, D/2] with biases,
                head.weight [C, D], head.bias [C]

`random` is numpy's RandomState.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn import functional as F

from .prompting import embedded, single


# Merge rules: what is kept comes first and is changed, unless a result is said.


def ema(offline, online, alpha: float) -> None:
    offline.add_(online - offline, alpha=1 - alpha)


def ema_of_constant(offline, online, alpha: float, steps: int) -> None:
    """As many steps of `ema` while `online` rests"""
    offline.add_(online - offline, alpha=1 - alpha**steps)


def periodic_mean(mean, sample, merged: int) -> None:
    """`merged` samples are in the mean already, and what it began with"""
    mean.add_((sample - mean) / (merged + 2))


def wise(online, reference, alpha: float):
    """The result; Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022"""
    return alpha * online + (1 - alpha) * reference


def pull(online, offline, keep: float) -> None:
    online.copy_(keep * online + (1 - keep) * offline)


def fisher_mean(previous, current, fisher_previous, fisher_current, alpha: float, eps: float):
    """The result; alpha is the share of `current` where both Fishers are equal."""
    a, b = (1 - alpha) * (fisher_previous + eps), alpha * (fisher_current + eps)
    return (a * previous + b * current) / (a + b)


# Votes and energies.


def energy(z, temperature: float = 1.0):
    """[B]: LSE(z / t), without a factor t"""
    return torch.logsumexp(z / temperature, -1)


def free_energy(z, form: str = "soft-min", beta: float = 1.0):
    """[B]; "soft-min" is nearly the smallest logit, "soft-max" nearly the negative of the largest."""
    return -torch.logsumexp((-beta if form == "soft-min" else beta) * z, -1) / beta


def anchor(z, target: float, form: str = "soft-min", beta: float = 1.0):
    return ((free_energy(z, form, beta) - target) ** 2).mean()


def max_softmax(members: list):
    """[B, K], of logits [B, K] each: the largest log-probability any member gives"""
    return torch.stack([torch.log_softmax(z, -1) for z in members]).amax(0)


def first_of_largest(x):
    """Index in the last dimension; of equals the smallest, which argmax does not promise."""
    places = torch.arange(x.shape[-1], device=x.device)
    return torch.where(x == x.amax(-1, keepdim=True), places, x.shape[-1]).amin(-1)


def energies(members: list, temperature: float):
    """[B, T], of logits [B, C_k]"""
    return torch.stack([energy(z, temperature) for z in members], -1)


def energy_vote(members: list, temperatures: list[float]):
    """(task [B], class [B]) of logits [B, C_k]: one vote of every different temperature for the task of most energy."""
    votes = sum(F.one_hot(first_of_largest(energies(members, t)), len(members)) for t in sorted(set(temperatures)))
    task = first_of_largest(votes)
    local = torch.stack([first_of_largest(z) for z in members], -1)
    offsets = torch.tensor([sum(z.shape[1] for z in members[:k]) for k in range(len(members))])
    return task, offsets[task] + local.gather(1, task[:, None])[:, 0]


TEMPERATURES = (0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def recognised(members: list, temperatures=TEMPERATURES):
    """[n]: share of the rows, all of the last task, that its energy wins"""
    last = len(members) - 1
    return torch.stack([(first_of_largest(energies(members, t)) == last).double().mean() for t in temperatures])


# LAE


@dataclass(frozen=True)
class Lae:
    """Gao et al., "A Unified Continual Learning Framework with General Parameter-Efficient Tuning", ICCV 2023."""

    module: str  # adapter, lora, prefix
    blocks: tuple[int, ...] = (0, 1, 2, 3, 4)
    rank: int = 5
    length: int = 10
    compensated: bool = True
    alpha: float = 0.9999  # of the offline copy, in every step from the second task on

    def start(self, random, model) -> dict:
        d, bound, made = model.embed_dim, model.embed_dim**-0.5, {}
        down = lambda: single(random.uniform(-bound, bound, (self.rank, d)))  # noqa: E731
        if self.module == "prefix":
            rows = (len(self.blocks), self.length, d)
            return {"prompt.keys": single(random.uniform(0, 0.01, rows)), "prompt.values": single(random.uniform(0, 0.01, rows)),
                    "prompt.scales": torch.ones(len(self.blocks), 2)}
        for i in self.blocks:
            if self.module == "adapter":
                name = f"blocks.{i}.attn.adapter"
                made |= {f"{name}.down.weight": down(), f"{name}.down.bias": torch.zeros(self.rank),
                         f"{name}.up.weight": torch.zeros(d, self.rank), f"{name}.up.bias": torch.zeros(d), f"{name}.scale": torch.ones(1)}
            else:
                for name in (f"blocks.{i}.attn.qkv.lora_{part}" for part in "kv"):
                    made |= {f"{name}.a": down(), f"{name}.b": torch.zeros(d, self.rank), f"{name}.scale": torch.ones(1)}
        return made

    @staticmethod
    def head(random, classes: int, width: int) -> dict:
        return {"head.weight": single(0.001 * random.standard_normal((classes, width))), "head.bias": torch.zeros(classes)}

    def __call__(self, model, p: dict, x):
        """Features [B, D] of images"""
        tokens = embedded(model, x)
        for i, block in enumerate(model.blocks):
            tokens = self.run_block(block, p, i, tokens) if i in self.blocks else block(tokens)
        return model.norm(tokens)[:, 0]

    def run_block(self, block, p: dict, i: int, x):
        attention, prefix = block.attn, None
        split = lambda rows: rows.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)  # noqa: E731
        n = block.norm1(x)
        q, k, v = attention.qkv(n).chunk(3, -1)
        if self.module == "lora":
            low_rank = lambda at: p[f"{at}.scale"] * F.linear(F.linear(n, p[f"{at}.a"]), p[f"{at}.b"])  # noqa: E731
            k, v = (rows + low_rank(f"blocks.{i}.attn.qkv.lora_{part}") for rows, part in ((k, "k"), (v, "v")))
        elif self.module == "prefix":
            at, prefix = self.blocks.index(i), slice(1, 1 + self.length)
            scaled = (p[f"prompt.{name}"][at] * p["prompt.scales"][at, which] for which, name in enumerate(("keys", "values")))
            k, v = (torch.cat([rows[:, :1], extra.expand(len(x), -1, -1), rows[:, 1:]], 1) for rows, extra in zip((k, v), scaled))
        o = attend(split(q), split(k), split(v), prefix if self.compensated else None)
        y = attention.proj(o.transpose(1, 2).flatten(2))
        if self.module == "adapter":
            at = f"blocks.{i}.attn.adapter"
            hidden = F.gelu(F.linear(n, p[f"{at}.down.weight"], p[f"{at}.down.bias"]))
            y = y + p[f"{at}.scale"] * F.linear(hidden, p[f"{at}.up.weight"], p[f"{at}.up.bias"])
        x = x + block.ls1(y)
        return x + block.ls2(block.mlp(block.norm2(x)))


def attend(q, k, v, prefix: slice | None = None):
    """[B, H, N, d]; the weights of the rows `prefix` are divided by their sum, the others stay."""
    if prefix is None:
        return F.scaled_dot_product_attention(q, k, v)
    return compensated((q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1), prefix) @ v


def compensated(weights, prefix: slice):
    own = weights[..., prefix]
    return torch.cat([weights[..., : prefix.start], own / own.sum(-1, keepdim=True).clamp_min(1e-12), weights[..., prefix.stop :]], -1)


class LaeLearning:
    """One task of LAE: Adam of its own over head and module, and from the second task on the offline copy behind every step."""

    def __init__(self, method: Lae, p: dict, offline: dict | None, rate: float):
        self.method, self.p, self.offline = method, p, offline
        self.optimiser = torch.optim.Adam([value.requires_grad_() for value in p.values()], lr=rate)

    def module(self) -> dict:
        return module_of(self.p)

    def frozen(self, yes: bool) -> None:
        """While frozen, the module has no gradient, and Adam no moments and no count of steps for it."""
        for value in self.module().values():
            value.requires_grad_(not yes)

    def step(self, loss) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        if self.offline is not None:
            with torch.no_grad():
                for name, value in self.module().items():
                    ema(self.offline[name], value, self.method.alpha)


def module_of(p: dict) -> dict:
    return {name: value for name, value in p.items() if not name.startswith("head")}


def copied(p: dict) -> dict:
    """Values, not views: a copy that shares memory makes every merge the identity."""
    return {name: value.detach().clone() for name, value in p.items()}


def slice_loss(features, p: dict, labels, past: int, seen: int):
    """Cross-entropy among the columns of one task alone; `labels` count over all classes."""
    return F.cross_entropy(F.linear(features, p["head.weight"][past:seen], p["head.bias"][past:seen]), labels - past)


# CoFiMA


@dataclass(frozen=True)
class Cofima:
    """Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners", ECCV 2024."""

    alpha: float = 0.5  # of the new weights where both Fishers are equal
    cap: float = 1e-4  # of a Fisher entry
    eps: float = 1e-20


def batch_fisher(loss_of, parameters: dict, batches, cap: float | None) -> dict:
    """Mean over the batches of the square of the gradient of a batch's mean loss, whatever the size of the batch."""
    sums, count = {name: torch.zeros_like(value) for name, value in parameters.items()}, 0
    for batch in batches:
        gradients = torch.autograd.grad(loss_of(*batch), list(parameters.values()))
        for total, g in zip(sums.values(), gradients):
            total.addcmul_(g, g)
        count += 1
    return {name: (total / count).clamp_max(cap) if cap is not None else total / count for name, total in sums.items()}


@torch.no_grad()
def merge_by_fisher(method: Cofima, parameters: dict, previous: dict, fisher_previous: dict, fisher_current: dict) -> None:
    """`parameters` become the mean of themselves and `previous`."""
    for name, value in parameters.items():
        value.copy_(fisher_mean(previous[name], value, fisher_previous[name], fisher_current[name], method.alpha, method.eps))


# ESN


class Answer(NamedTuple):
    features: torch.Tensor  # [B, D]
    logits: torch.Tensor  # [B, C]


@dataclass(frozen=True)
class Esn:
    """Wang et al., "Isolation and Impartial Aggregation: A Paradigm of Incremental Learning without Interference", AAAI 2023."""

    length: int = 100
    weight: float = 0.1  # of the energy's squared distance from `target`
    target: float = -10.0
    form: str = "soft-min"
    eps = 1e-5

    def start(self, random, model) -> dict:
        bound = model.embed_dim**-0.5
        return {"prompt.tokens": single(random.uniform(-bound, bound, (1, self.length, model.embed_dim)))}

    @staticmethod
    def classifier(random, model, classes: int) -> dict:
        """Fresh, of one task; 0.02 is so far from the truncation at 2 that it is none."""
        d, made = model.embed_dim, {"class_attention.token": model.cls_token.detach().reshape(-1).float().clone()}
        for name in ("norm1", "norm2"):
            made |= {f"class_attention.{name}.weight": torch.ones(d), f"class_attention.{name}.bias": torch.zeros(d)}
        for name, rows, columns in (("attn.qkv", 3 * d, d), ("attn.proj", d, d), ("mlp.fc1", d // 2, d), ("mlp.fc2", d, d // 2)):
            made |= {f"class_attention.{name}.weight": single(0.02 * random.standard_normal((rows, columns))),
                     f"class_attention.{name}.bias": torch.zeros(rows)}
        bound = d**-0.5
        return made | {"head.weight": single(random.uniform(-bound, bound, (classes, d))), "head.bias": single(random.uniform(-bound, bound, classes))}

    @staticmethod
    def trunk(model, p: dict, x):
        """[B, 1 + L + patches, D]: the prompt behind the class token, without positions; no norm behind the blocks"""
        tokens, prompt = embedded(model, x), p["prompt.tokens"].expand(len(x), -1, -1)
        return model.blocks(torch.cat([tokens[:, :1], prompt, tokens[:, 1:]], 1))

    def answer(self, tokens, c: dict, heads: int) -> Answer:
        w, d = (lambda name: c[f"class_attention.{name}"]), tokens.shape[-1]  # noqa: E731
        linear = lambda x, name: F.linear(x, w(f"{name}.weight"), w(f"{name}.bias"))  # noqa: E731
        norm = lambda x, name: F.layer_norm(x, (d,), w(f"{name}.weight"), w(f"{name}.bias"), self.eps)  # noqa: E731
        split = lambda rows: rows.unflatten(-1, (heads, -1)).transpose(1, 2)  # noqa: E731
        token = w("token").expand(len(tokens), 1, -1)
        n = norm(torch.cat([token, tokens], 1), "norm1")
        q = F.linear(n[:, :1], w("attn.qkv.weight")[:d], w("attn.qkv.bias")[:d])
        k, v = F.linear(n, w("attn.qkv.weight")[d:], w("attn.qkv.bias")[d:]).chunk(2, -1)
        o = F.scaled_dot_product_attention(split(q), split(k), split(v))
        x = token + linear(o.transpose(1, 2).flatten(2), "attn.proj")
        x = (x + linear(F.gelu(linear(norm(x, "norm2"), "mlp.fc1")), "mlp.fc2"))[:, 0]
        return Answer(x, F.linear(x, c["head.weight"], c["head.bias"]))

    def loss(self, z, labels):
        """`labels` count from the first class of the task"""
        return F.cross_entropy(z, labels) + self.weight * anchor(z, self.target, self.form)
