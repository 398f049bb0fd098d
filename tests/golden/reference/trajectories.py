"""training/trajectory_<case>.safetensors: seventeen epochs of SGD on 24 pictures, the plain network tuned in each way.

No augmentation, no dropout, batches in file order: everything a step does is determined. Computed by timm and
torch.optim in float64, by reference/vit.py and the update written out, which must agree, and by timm in float32,
whose losses say how far rounding alone leads.

mos: an earlier task is taken to have ended where this one begins, and its classes to have the features of the first
three pictures as means. slca_plus_plus: norms, biases and the class token learn beside the low-rank parts.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import modules, vit
from .networks import TIMM, build_timm, drawn
from .store import relative_error, save
from .training import THIRD, Tuning, draw, lora, run

SEED, IMAGES, BATCH, EPOCHS, CLASSES = 5000, 24, 8, 17, 4
MEANS = 3  # pictures whose features stand for earlier classes
MOMENTUM, DECAY = 0.9, 5e-4
TEMPERATURE = 0.8  # of the products of features
LEAST_PREDICTION, LEAST_LABEL = 1e-7, 1e-4  # of the reverse cross-entropy
A = TIMM["plain"]
WHOLE = 3000  # entries; of a longer tensor only the distance it went is stored


@dataclass(frozen=True)
class Trajectory:
    tuning: Tuning
    head: str  # cosine: sigma cos(f, w), sigma from 1; linear: W f + b
    rate: float
    trunk: float = 1.0  # rate of the network over that of the head
    milestones: tuple[int, ...] = ()  # a tenth of the rate from these epochs on; none: cosine to 0
    apart: float = 0.0  # weight of the term that pushes features apart, from each other and from the means
    pull: float = 0.0  # after each step, towards where the tuning began
    reverse: float = 0.0  # weight of the reverse cross-entropy
    small: bool = False  # norms, biases and the class token learn as well

    def rates(self) -> torch.Tensor:
        """[steps], of the head; constant within an epoch"""
        epoch = np.arange(EPOCHS)
        if self.milestones:
            factor = 0.1 ** (epoch[:, None] >= np.array(self.milestones)).sum(1)
        else:
            factor = (1 + np.cos(np.pi * epoch / EPOCHS)) / 2
        return torch.from_numpy(np.repeat(self.rate * factor, IMAGES // BATCH))


TRAJECTORIES = {
    "full": Trajectory(Tuning("full"), "cosine", 0.0003),
    "adapter": Trajectory(Tuning("adapter", {"adapted": "parallel", "rank": 8, "adapter_scale": 0.1}), "cosine", 0.3),
    "lora": Trajectory(lora([THIRD["q"], THIRD["k"], THIRD["v"]], 4, 1.0), "cosine", 0.2),
    "ssf": Trajectory(Tuning("ssf"), "cosine", 0.004),
    "vpt_shallow": Trajectory(Tuning("vpt", {"deep": False, "length": 3}), "cosine", 0.3),
    "vpt_deep": Trajectory(Tuning("vpt", {"deep": True, "length": 3}), "cosine", 0.2),
    "finetune": Trajectory(Tuning("full"), "linear", 0.0003),
    "slca": Trajectory(Tuning("full"), "linear", 0.004, trunk=0.01, milestones=(13,)),
    "mos": Trajectory(Tuning("adapter", {"adapted": "parallel", "rank": 8, "adapter_scale": 0.1}), "linear", 0.05, trunk=6.0, apart=0.1, pull=0.1),
    "slca_plus_plus": Trajectory(lora(["attn.qkv.lora", "mlp.fc1.lora", "mlp.fc2.lora"], 4, 0.8), "linear", 0.008, trunk=0.1, reverse=0.1, small=True),
}
"""Rates at which much is learned and yet a change of 1e-7 at the start stays below 3e-5 at the end: more is not a test
of an implementation. Case number = place in this list; what a case draws has the seed SEED + 1 + number."""


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """(bytes [N, 3, H, W], labels [N]): a pattern for each class under noise"""
    random = np.random.RandomState(SEED)
    labels = np.arange(IMAGES) % CLASSES
    patterns = random.standard_normal((CLASSES, 3, *A.image))
    x = 128 + 40 * (0.7 * patterns[labels] + random.standard_normal((IMAGES, 3, *A.image)))
    return torch.from_numpy(np.clip(np.rint(x), 0, 255).astype(np.uint8)), torch.from_numpy(labels)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels.float() - 128) / 64  # exact in float32, whatever the order of the operations


def beginning(case: Trajectory, seed: int) -> dict[str, torch.Tensor]:
    """The learnable tensors outside the network where a method starts them; prompts, which start from zeros there
    and then stay equal to each other, are drawn instead, and long: the norm of a short row turns with its last digit."""
    random = np.random.RandomState(seed)
    single = lambda x: torch.from_numpy(np.asarray(x, np.float32))  # noqa: E731
    made = draw(A, case.tuning, 0, seed)
    for name, value in made.items():
        if name.endswith(("down.weight", ".a")):
            bound = value.shape[1] ** -0.5
            made[name] = single(random.uniform(-bound, bound, value.shape))
        elif name.endswith("ssf.scale"):
            made[name] = single(1 + 0.02 * random.standard_normal(value.shape))
        elif name.endswith("ssf.shift"):
            made[name] = single(0.02 * random.standard_normal(value.shape))
        else:
            made[name] = 8 * value if name == "prompts" else torch.zeros_like(value)
    if case.head == "cosine":
        bound = A.width**-0.5
        made |= {"head.weight": single(random.uniform(-bound, bound, (CLASSES, A.width))), "head.sigma": torch.ones(())}
    else:
        made |= {"head.weight": single(0.02 * random.standard_normal((CLASSES, A.width))), "head.bias": torch.zeros(CLASSES)}
    return made


def logits_of(case: Trajectory, features: torch.Tensor, p: dict) -> torch.Tensor:
    if case.head == "linear":
        return features @ p["head.weight"].T + p["head.bias"]
    unit = lambda x: x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)  # noqa: E731
    return p["head.sigma"] * unit(features) @ unit(p["head.weight"]).T


def batches(x: torch.Tensor, labels: torch.Tensor):
    for step in range(EPOCHS * IMAGES // BATCH):
        rows = slice(step * BATCH % IMAGES, step * BATCH % IMAGES + BATCH)
        yield step, x[rows], labels[rows]


def trunk_of(p: dict) -> dict:
    return {name: value for name, value in p.items() if not name.startswith("head")}


def small_ones(names) -> list[str]:
    return [name for name in names if "norm" in name or name.endswith(".bias") or name == "cls_token"]


def by_timm(case: Trajectory, p: dict, start: dict, x, labels, probe, kind: torch.dtype) -> dict:
    model = build_timm(A, p).to(kind)
    leaves = {name: value.to(kind, copy=True).requires_grad_() for name, value in start.items()}  # or float32 would learn in `start` itself
    learnable = trunk_of(leaves)
    if case.tuning.kind == "full":
        learnable = trunk_of(dict(model.named_parameters()))
    else:
        model.requires_grad_(False)
        modules.attach(model, learnable, **case.tuning.options())
    if case.small:
        named = trunk_of(dict(model.named_parameters()))
        learnable = learnable | {name: named[name].requires_grad_() for name in small_ones(named)}
    read = lambda images: model.forward_head(model.forward_features(images.to(kind)), pre_logits=True)  # noqa: E731
    head = {name: value for name, value in leaves.items() if name.startswith("head")}
    optimiser = torch.optim.SGD([{"params": list(head.values())}, {"params": list(learnable.values())}],
                                lr=case.rate, momentum=MOMENTUM, weight_decay=DECAY)
    rates, losses = case.rates(), []
    began = {name: value.detach().clone() for name, value in learnable.items()}
    with torch.no_grad():
        means = read(x[:MEANS])
    for step, images, target in batches(x, labels):
        for group, factor in zip(optimiser.param_groups, (1.0, case.trunk)):
            group["lr"] = float(rates[step]) * factor
        optimiser.zero_grad()
        features = read(images)
        logits = logits_of(case, features, leaves)
        loss = torch.nn.functional.cross_entropy(logits, target)
        if case.apart:
            rows = torch.cat([means, features])
            loss = loss + case.apart * torch.nn.functional.cross_entropy(rows @ rows.T / TEMPERATURE, torch.arange(len(rows)))
        if case.reverse:
            certain = torch.nn.functional.one_hot(target, CLASSES).to(kind).clamp(LEAST_LABEL, 1)
            loss = loss - case.reverse * (logits.softmax(1).clamp(LEAST_PREDICTION, 1) * certain.log()).sum(1).mean()
        loss.backward()
        optimiser.step()
        if case.pull:
            with torch.no_grad():
                for name, value in learnable.items():
                    value.lerp_(began[name], case.pull)
        losses.append(loss.detach())
    with torch.no_grad():
        return {"losses": torch.stack(losses), "features": read(probe)} | ({"means": means} if case.apart else {}) | {
            f"final.{name}": value.detach() for name, value in (learnable | head).items()}


def by_specs(case: Trajectory, p: dict, start: dict, x, labels, probe) -> dict:
    frozen = trunk_of(vit.double(p))
    learned = frozen if case.tuning.kind == "full" else {name: frozen[name] for name in small_ones(frozen)} if case.small else {}
    leaves = vit.double(start) | learned
    leaves = {name: value.clone().requires_grad_() for name, value in leaves.items()}
    tuned = trunk_of(leaves)
    if case.tuning.kind == "full":
        read = lambda images: run(tuned, A, images.double(), {})  # noqa: E731
    else:
        read = lambda images: run(frozen | {name: tuned[name] for name in learned}, A, images.double(), tuned, **case.tuning.options())  # noqa: E731
    began = {name: value.detach().clone() for name, value in tuned.items()}
    means = read(x[:MEANS]).detach()
    velocity, rates, losses = {}, case.rates(), []
    for step, images, target in batches(x, labels):
        features = read(images)
        z = logits_of(case, features, leaves)
        loss = (torch.logsumexp(z, 1) - z.gather(1, target[:, None])[:, 0]).mean()
        if case.apart:
            m = torch.cat([means, features])
            products = m @ m.T / TEMPERATURE
            loss = loss + case.apart * (torch.logsumexp(products, 1) - products.diagonal()).mean()
        if case.reverse:
            wrong = torch.softmax(z, 1).clamp(LEAST_PREDICTION, 1).scatter(1, target[:, None], 0.0)
            loss = loss - case.reverse * float(np.log(LEAST_LABEL)) * wrong.sum(1).mean()
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        with torch.no_grad():
            for (name, value), gradient in zip(leaves.items(), gradients):
                gradient = gradient + DECAY * value
                velocity[name] = MOMENTUM * velocity[name] + gradient if name in velocity else gradient
                value -= rates[step] * (1.0 if name.startswith("head") else case.trunk) * velocity[name]
                if case.pull and name in began:
                    value.copy_(began[name] + (1 - case.pull) * (value - began[name]))
        losses.append(loss.detach())
    with torch.no_grad():
        return {"losses": torch.stack(losses), "features": read(probe)} | ({"means": means} if case.apart else {}) | {f"final.{name}": value for name, value in leaves.items()}


def one(folder: Path, number: int, name: str, case: Trajectory, pixels: torch.Tensor, labels: torch.Tensor) -> None:
    _, p, probe = drawn("plain")
    seed, x = SEED + 1 + number, normalised(pixels)
    start = beginning(case, seed)
    results = by_timm(case, p, start, x, labels, probe, torch.float64)
    check = by_specs(case, p, start, x, labels, probe)
    single = by_timm(case, p, start, x, labels, probe, torch.float32)
    assert results.keys() == check.keys() == single.keys()
    for key, value in check.items():
        error = relative_error(value, results[key])
        assert error < 1e-8, f"{name}: {key} of timm and of reference/vit.py differ by {error}"  # 51 steps magnify 1e-15
    losses = results["losses"]
    assert losses[-3:].mean() < 0.85 * losses[:3].mean(), f"{name} learns nothing: {losses}"
    moved = {key.replace("final", "moved", 1): (value - (p | start)[key.removeprefix("final.")].double()).norm()
             for key, value in results.items() if key.startswith("final.")}
    rounding = {part: max(relative_error(value, results[key]) for key, value in single.items() if key.startswith(part))
                for part in ("losses", "features", "final.")}
    assert max(rounding.values()) < 3e-5, (name, rounding)
    kept = {key: value for key, value in results.items() if not key.startswith("final.") or value.numel() <= WHOLE}
    save(folder / f"trajectory_{name}.safetensors",
         {f"param.{key}": value for key, value in start.items()} | kept | moved
         | {"rates": case.rates(), "losses.float32": single["losses"]},
         {"case": name, "weights": "vit/plain.weights.safetensors", "input": "vit/plain.expected.safetensors",
          "data": "training/trajectories.data.safetensors", "architecture": A.as_json(), "tuning": case.tuning.as_json(),
          "head": case.head, "rate": case.rate, "trunk": case.trunk, "milestones": case.milestones, "momentum": MOMENTUM,
          "weight_decay": DECAY, "epochs": EPOCHS, "batch": BATCH, "seed": seed,
          "float32": {key.rstrip("."): float(f"{value:.0e}") for key, value in rounding.items()}}
         | ({"apart": case.apart, "temperature": TEMPERATURE, "pull": case.pull} if case.apart else {})
         | ({"reverse": case.reverse} if case.reverse else {}))


def generate(root: Path) -> None:
    folder = root / "training"
    pixels, labels = pictures()
    save(folder / "trajectories.data.safetensors", {"images": pixels, "labels": labels},
         {"seed": SEED, "normalised": "(x - 128) / 64"})
    for number, (name, case) in enumerate(TRAJECTORIES.items()):
        one(folder, number, name, case, pixels, labels)
