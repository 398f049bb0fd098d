"""Prompt methods on timm's vision transformer: L2P, DualPrompt, CODA-Prompt and DAP. The network stays frozen.

A method is an aggregate of settings; what it learns is a dict of tensors, the head among them, T tokens, C classes:

    L2P         prompt.pool [M, l, D], prompt.keys [M, D]
    DualPrompt  prompt.general [G, 2, l, D], prompt.expert [M, E, 2, l, D], prompt.keys [M, D]; of the 2, keys stand first
    Coda        prompt.components [M, n, l, D], prompt.keys [M, n, D], prompt.attention [M, n, D]; of the l, keys are the first half
    Dap         prompt.down.weight [L, N, T] and .bias [L, N], prompt.film.weight [L, 2D, E] and .bias [L, 2D],
                prompt.norm.weight and .bias [L, D], prompt.keys [M, D], prompt.embedding [M, E]
    all         head.weight [C, D], head.bias [C]

The query is the class token behind the final norm of the network without prompts. Only the columns [past, seen) of the
current task enter the cross-entropy. At test the slots of tasks to come do not compete, nor do their classes.
`random` is numpy's RandomState.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F


def embedded(model, x):
    """[B, T, D], the class token first, positions added"""
    return model.norm_pre(model._pos_embed(model.patch_embed(x)))


def run_block(block, x, prefix=None):
    """`prefix`: keys and values [B or 1, P, D], past norm and projection, before those of the tokens."""
    attention = block.attn
    split = lambda rows: rows.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)  # noqa: E731
    q, k, v = attention.qkv(block.norm1(x)).chunk(3, -1)
    if prefix is not None:
        k, v = (torch.cat([extra.to(rows.dtype).expand(len(x), -1, -1), rows], 1) for extra, rows in zip(prefix, (k, v)))
    o = F.scaled_dot_product_attention(split(q), split(k), split(v))
    x = x + block.ls1(attention.proj(o.transpose(1, 2).flatten(2)))
    return x + block.ls2(block.mlp(block.norm2(x)))


def run_blocks(model, x, prefixes: dict):
    """Behind the final norm; `prefixes` by block"""
    for i, block in enumerate(model.blocks):
        x = run_block(block, x, prefixes.get(i))
    return model.norm(x)


@torch.no_grad()
def query_of(model, tokens):
    return run_blocks(model, tokens, {})[:, 0]


def cosines(query, keys):
    """[B, M]"""
    return F.normalize(query, dim=-1, eps=1e-12) @ F.normalize(keys, dim=-1, eps=1e-12).T


def ranked(scores, k: int):
    """[B, k], best first; of equals the smaller index"""
    return scores.sort(dim=1, descending=True, stable=True).indices[:, :k]


def voted(proposed, slots: int):
    """The k slots that most of the B·k proposals name, for every sample. Lets samples tell each other their task."""
    counts = torch.bincount(proposed.flatten(), minlength=slots)
    return ranked(counts[None], proposed.shape[1]).expand(len(proposed), -1)


class Answer(NamedTuple):
    features: torch.Tensor  # [B, D]
    penalty: torch.Tensor | float  # added to the cross-entropy
    selected: torch.Tensor | None  # [B, k]
    scores: torch.Tensor | None  # [B, M] that selected; [B, n, M] weights of CODA's components


def single(x) -> torch.Tensor:
    return torch.from_numpy(np.asarray(x, np.float32))


def torch_linear(random, classes: int, width: int) -> dict:
    uniform = lambda *shape: single((2 * random.random_sample(shape) - 1) * width**-0.5)  # noqa: E731
    return {"head.weight": uniform(classes, width), "head.bias": uniform(classes)}


def zero_head(random, classes: int, width: int) -> dict:
    return {"head.weight": torch.zeros(classes, width), "head.bias": torch.zeros(classes)}


def normal_head(random, classes: int, width: int) -> dict:
    return {"head.weight": single(0.02 * random.standard_normal((classes, width))), "head.bias": torch.zeros(classes)}


def kaiming_fan_out(random, classes: int, width: int) -> dict:
    return {"head.weight": single(random.standard_normal((classes, width)) * (2 / classes) ** 0.5), "head.bias": torch.full((classes,), -np.log(99.0))}


@dataclass(frozen=True)
class L2P:
    """Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022: k·l rows before all others; the feature is their mean."""

    slots: int = 10
    length: int = 10
    selected: int = 4
    pull: float = 1.0
    vote: bool = False  # in training and at test
    clip: float | None = 1.0

    head = staticmethod(zero_head)
    optimiser = (torch.optim.Adam, {})

    def start(self, random, model) -> dict:
        uniform = lambda *shape: single(0.01 * random.random_sample(shape))  # noqa: E731
        return {"prompt.pool": uniform(self.slots, self.length, model.embed_dim), "prompt.keys": uniform(self.slots, model.embed_dim)}

    def begin(self, p: dict, task: int, random) -> None:
        pass

    def learning(self, p: dict, task: int) -> list[str]:
        return list(p)

    def __call__(self, model, p: dict, tokens, query, task: int, train: bool) -> Answer:
        scores = cosines(query, p["prompt.keys"])
        chosen = ranked(scores.detach(), self.selected)
        if self.vote:
            chosen = voted(chosen, self.slots)
        rows = p["prompt.pool"][chosen].flatten(1, 2)
        features = run_blocks(model, torch.cat([rows.to(tokens.dtype), tokens], 1), {})[:, : rows.shape[1]].mean(1)
        return Answer(features, -self.pull * scores.gather(1, chosen).sum(1).mean(), chosen, scores)


@dataclass(frozen=True)
class DualPrompt:
    """Wang et al., "DualPrompt", ECCV 2022: one prefix for all tasks in early blocks, one of each task in later ones."""

    slots: int = 10
    general_length: int = 5
    expert_length: int = 5
    general_blocks: tuple[int, ...] = (0, 1)
    expert_blocks: tuple[int, ...] = (2, 3, 4)
    pull: float = 1.0
    vote: bool = False  # at test
    clip: float | None = 1.0

    head = staticmethod(zero_head)
    optimiser = (torch.optim.Adam, {})

    def start(self, random, model) -> dict:
        uniform = lambda *shape: single(0.01 * random.random_sample(shape))  # noqa: E731
        return {"prompt.general": uniform(len(self.general_blocks), 2, self.general_length, model.embed_dim),
                "prompt.expert": uniform(self.slots, len(self.expert_blocks), 2, self.expert_length, model.embed_dim),
                "prompt.keys": uniform(self.slots, model.embed_dim)}

    @torch.no_grad()
    def begin(self, p: dict, task: int, random) -> None:
        if task > 0:
            p["prompt.expert"][task] = p["prompt.expert"][task - 1]

    def learning(self, p: dict, task: int) -> list[str]:
        return list(p)

    def placed(self, expert, count: int):
        """Keys and values [2, B, l, D] of `count` samples."""
        return expert

    def __call__(self, model, p: dict, tokens, query, task: int, train: bool) -> Answer:
        scores = cosines(query, p["prompt.keys"][: task + 1])
        chosen = torch.full((len(tokens), 1), task) if train else ranked(scores, 1)
        if self.vote and not train:
            chosen = voted(chosen, self.slots)
        expert = p["prompt.expert"][task][None] if train else p["prompt.expert"][chosen[:, 0]]
        prefixes = {}
        for i, block in enumerate(self.general_blocks):
            prefixes[block] = p["prompt.general"][i][:, None]
        for i, block in enumerate(self.expert_blocks):
            mine, shared = self.placed(expert[:, i].transpose(0, 1), len(tokens)), prefixes.get(block)
            prefixes[block] = mine if shared is None else torch.cat([shared.expand(-1, mine.shape[1], -1, -1), mine], 2)
        features = run_blocks(model, tokens, prefixes)[:, 0]
        return Answer(features, -self.pull * scores.gather(1, chosen).sum(1).mean(), chosen, scores)


@dataclass(frozen=True)
class PilotDualPrompt(DualPrompt):
    """DualPrompt with PILOT's numbers and its slip: keys and values of a batch are reshaped where they should be transposed, so that they change places."""

    pull: float = 0.1
    vote: bool = True
    clip: float | None = None

    head = staticmethod(normal_head)

    def start(self, random, model) -> dict:
        return {name: 200 * value - 1 for name, value in super().start(random, model).items()}  # of [-1, 1) instead of [0, 0.01)

    def placed(self, expert, count: int):
        return expert.expand(-1, count, -1, -1).reshape(count, 2, *expert.shape[2:]).transpose(0, 1)


def sparsemax(z):
    ordered = z.detach().sort(-1, descending=True).values
    places = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    support = (1 + places * ordered > ordered.cumsum(-1)).sum(-1, keepdim=True)
    inside = z.detach() >= ordered.gather(-1, support - 1)
    tau = ((z * inside).sum(-1, keepdim=True) - 1) / inside.sum(-1, keepdim=True)
    return (z - tau).clamp_min(0)


def entmax15(z):
    x = (z - z.detach().amax(-1, keepdim=True)) / 2
    ordered = x.detach().sort(-1, descending=True).values
    places = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype)
    threshold = lambda mean, squares, n: mean - ((1 - (squares - n * mean**2)) / n).clamp_min(0).sqrt()  # noqa: E731
    candidates = threshold(ordered.cumsum(-1) / places, (ordered**2).cumsum(-1), places)
    support = (candidates <= ordered).sum(-1, keepdim=True)
    inside = x.detach() >= ordered.gather(-1, support - 1)
    n = inside.sum(-1, keepdim=True)
    tau = threshold((x * inside).sum(-1, keepdim=True) / n, (x**2 * inside).sum(-1, keepdim=True), n)
    return (x - tau).clamp_min(0) ** 2


def top_k_softmax(z, k: int):
    chosen = z.detach().sort(dim=-1, descending=True, stable=True).indices[..., :k]
    return torch.zeros_like(z).scatter(-1, chosen, z.gather(-1, chosen).softmax(-1))


@dataclass(frozen=True)
class WeightMap:
    """What becomes of CODA's cosines: gain · map(cosine / temperature), row by row; `cosine` leaves them as they are."""

    kind: str = "cosine"  # cosine, softmax, top_k_softmax, sparsemax, entmax15
    temperature: float = 1.0
    gain: float = 1.0
    keep: int = 0  # of top_k_softmax

    def __call__(self, alpha):
        if self.kind == "cosine":
            return alpha
        maps = {"softmax": lambda z: z.softmax(-1), "top_k_softmax": lambda z: top_k_softmax(z, self.keep), "sparsemax": sparsemax, "entmax15": entmax15}
        return self.gain * maps[self.kind](alpha / self.temperature)


def orthonormal_beside(old, drawn):
    """[r, n] orthonormal rows from `drawn` [r, n], orthogonal to the rows of `old` [s, n]; float64. Projecting twice
    leaves nothing of what rounding lets through once."""
    if len(old) + len(drawn) > drawn.shape[1]:
        raise ValueError(f"no {len(old) + len(drawn)} directions are orthogonal in {drawn.shape[1]} dimensions")
    basis = torch.linalg.qr(old.double().T).Q
    for row in drawn.double():
        for _ in range(2):
            row = row - basis @ (basis.T @ row)
        basis = torch.cat([basis, (row / row.norm())[:, None]], 1)
    return basis[:, len(old):].T


def coda_factor(epoch: int, epochs: int) -> float:
    """Of the rate. The first two epochs have all of it: the published scheduler starts one late."""
    return float(np.cos(99 * np.pi * max(epoch - 1, 0) / (200 * (epochs - 1)))) if epochs > 1 else 1.0


@dataclass(frozen=True)
class Coda:
    """Smith et al., "CODA-Prompt", CVPR 2023: the prefix of a sample is a weighted sum of components, new ones in each task."""

    slots: int = 100
    tasks: int = 10
    length: int = 8  # keys and values together
    blocks: tuple[int, ...] = (0, 1, 2, 3, 4)
    weights: WeightMap = field(default_factory=WeightMap)
    clip: float | None = None

    head = staticmethod(torch_linear)
    optimiser = (torch.optim.Adam, {})

    def rows(self, task: int) -> range:
        """Components that learn in `task`; those before are constants, those behind do not exist yet."""
        each = self.slots // self.tasks
        if each == 0:
            raise ValueError(f"{self.slots} components give none to each of {self.tasks} tasks")
        return range(task * each, (task + 1) * each)

    def start(self, random, model) -> dict:
        n, d = len(self.blocks), model.embed_dim
        return {"prompt.components": torch.zeros(self.slots, n, self.length, d), "prompt.keys": torch.zeros(self.slots, n, d),
                "prompt.attention": torch.zeros(self.slots, n, d)}

    @torch.no_grad()
    def begin(self, p: dict, task: int, random) -> None:
        new = self.rows(task)
        for name in ("prompt.keys", "prompt.attention", "prompt.components"):
            for i in range(len(self.blocks)):
                table = p[name][:, i].flatten(1)
                drawn = torch.from_numpy(random.standard_normal((len(new), table.shape[1])))
                p[name][new.start : new.stop, i] = orthonormal_beside(table[: new.start], drawn).to(table.dtype).reshape(len(new), *p[name].shape[2:])

    def learning(self, p: dict, task: int) -> list[str]:
        return list(p)

    def combined(self, query, components, keys, attention):
        """(weights [B, n, f], prompts [n, B, l, D]): cos(q o A_m, K_m) by two products, without a tensor [B, M, D]"""
        long = torch.einsum("bd,mid->bim", query, attention * F.normalize(keys, dim=-1, eps=1e-12))
        alpha = long / torch.einsum("bd,mid->bim", query**2, attention**2).sqrt().clamp_min(1e-12)
        weights = self.weights(alpha)
        return weights, torch.einsum("bim,mild->ibld", weights, components)

    def __call__(self, model, p: dict, tokens, query, task: int, train: bool) -> Answer:
        new = self.rows(task)
        components, keys, attention = (torch.cat([p[name][: new.start].detach(), p[name][new.start : new.stop]])
                                       for name in ("prompt.components", "prompt.keys", "prompt.attention"))
        weights, prompts = self.combined(query, components, keys, attention)
        half = self.length // 2
        prefixes = {block: (prompts[i][:, :half], prompts[i][:, half:]) for i, block in enumerate(self.blocks)}
        return Answer(run_blocks(model, tokens, prefixes)[:, 0], 0.0, None, weights)


@dataclass(frozen=True)
class Dap:
    """Jung et al., "Generating Instance-level Prompts for Rehearsal-free Continual Learning", ICCV 2023: every block's
    prompts are a linear map over its own tokens, scaled and shifted by what the embedding of the task says."""

    slots: int = 10
    length: int = 10
    embedding: int = 16
    pull: float = 0.1  # of the sum over 128 samples, as published; here 128 times the mean
    vote: bool = False  # at test
    clip: float | None = 1.0

    head = staticmethod(kaiming_fan_out)
    optimiser = (torch.optim.Adam, {"betas": (0.9, 0.9), "amsgrad": True})
    eps = 1e-6

    def start(self, random, model) -> dict:
        d, depth, patch = model.embed_dim, len(model.blocks), model.patch_embed.patch_size[0]
        tokens = model.pos_embed.shape[1]
        uniform = lambda bound, *shape: single(bound * (2 * random.random_sample(shape) - 1))  # noqa: E731
        return {"prompt.down.weight": torch.zeros(depth, self.length, tokens), "prompt.down.bias": torch.zeros(depth, self.length),
                "prompt.film.weight": uniform(self.embedding**-0.5, depth, 2 * d, self.embedding),
                "prompt.film.bias": uniform(self.embedding**-0.5, depth, 2 * d),
                "prompt.norm.weight": torch.ones(depth, d), "prompt.norm.bias": torch.zeros(depth, d),
                "prompt.keys": uniform((6 / (3 * patch**2 + d)) ** 0.5, self.slots, d),
                "prompt.embedding": single(random.standard_normal((self.slots, self.embedding)))}

    def begin(self, p: dict, task: int, random) -> None:
        pass

    def learning(self, p: dict, task: int) -> list[str]:
        return [name for name in p if task == 0 or not name.startswith("prompt.down")]

    @staticmethod
    def mixed(normed, weight, bias, film):
        """[B, N, D] from tokens [B, T, D]; `film` [B or 1, 2D], whose two lengths are constants to the gradient."""
        rows = torch.einsum("btd,nt->bnd", normed, weight) + bias[:, None]
        gamma, beta = (part / part.detach().norm(dim=-1, keepdim=True) for part in film[:, None].chunk(2, -1))
        return gamma * rows + beta

    def generated(self, p: dict, i: int, x, embedding):
        """[B, N, D] from the tokens [B, T, D] before block i; `embedding` [B or 1, E]"""
        normed = F.layer_norm(x, x.shape[-1:], p["prompt.norm.weight"][i], p["prompt.norm.bias"][i], self.eps)
        film = F.linear(embedding, p["prompt.film.weight"][i], p["prompt.film.bias"][i])
        return self.mixed(normed, p["prompt.down.weight"][i], p["prompt.down.bias"][i], film)

    def __call__(self, model, p: dict, tokens, query, task: int, train: bool) -> Answer:
        scores = cosines(query, p["prompt.keys"][: task + 1])
        chosen = torch.full((len(tokens), 1), task) if train else ranked(scores, 1)
        if self.vote and not train:
            chosen = voted(chosen, self.slots)
        embedding = p["prompt.embedding"][task][None] if train else p["prompt.embedding"][chosen[:, 0]]
        x = tokens
        for i, block in enumerate(model.blocks):
            rows = self.generated(p, i, x, embedding).to(x.dtype)
            x = run_block(block, torch.cat([x[:, :1], rows, x[:, 1:]], 1))
            x = torch.cat([x[:, :1], x[:, 1 + self.length :]], 1)
        return Answer(model.norm(x)[:, 0], -128 * self.pull * scores.gather(1, chosen).mean(), chosen, scores)


class Task(NamedTuple):
    """Classes [past, seen) are those of task number `index`."""

    index: int
    past: int
    seen: int


class Objective(NamedTuple):
    loss: torch.Tensor
    cross_entropy: torch.Tensor
    answer: Answer


def objective(method, model, p: dict, x, labels, task: Task) -> Objective:
    """`labels` count over all classes."""
    with torch.no_grad():
        tokens = embedded(model, x)
    answer = method(model, p, tokens, query_of(model, tokens), task.index, True)
    logits = F.linear(answer.features, p["head.weight"][task.past : task.seen], p["head.bias"][task.past : task.seen])
    cross_entropy = F.cross_entropy(logits.to(p["head.weight"].dtype), labels - task.past)
    return Objective(cross_entropy + answer.penalty, cross_entropy, answer)


@torch.no_grad()
def predicted(method, model, p: dict, x, task: Task, query=None) -> tuple[torch.Tensor, Answer]:
    """(logits [B, seen], what led to them), after `task`; `query` [B, D] if it is known already"""
    tokens = embedded(model, x)
    answer = method(model, p, tokens, query_of(model, tokens) if query is None else query, task.index, False)
    return F.linear(answer.features, p["head.weight"][: task.seen], p["head.bias"][: task.seen]), answer


class Learning:
    """The optimiser of one task, fresh, over what learns in it."""

    def __init__(self, method, p: dict, task: int, rate: float):
        names = method.learning(p, task)
        for name, value in p.items():
            value.requires_grad_(name in names)
        self.method, self.learned = method, {name: p[name] for name in names}
        kind, settings = method.optimiser
        self.optimiser = kind(list(self.learned.values()), lr=rate, **settings)

    def gradients(self) -> dict:
        return {name: value.grad.clone() for name, value in self.learned.items()}

    def step(self, loss, rate: float | None = None, seen=None) -> None:
        """`seen` is given the gradients before they are clipped."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if seen is not None:
            seen(self.gradients())
        if rate is not None:
            for group in self.optimiser.param_groups:
                group["lr"] = rate
        if self.method.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.learned.values(), self.method.clip)
        self.optimiser.step()
