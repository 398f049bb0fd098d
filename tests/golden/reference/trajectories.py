"""training/trajectory_<case>.safetensors: seventeen epochs of SGD on 24 pictures, the plain network tuned in each way.

No augmentation, no dropout, batches in file order: everything a step does is determined. Computed by timm and
torch.optim in float64, by reference/vit.py and the update written out, which must agree, and by timm in float32,
whose losses say how far rounding alone leads.
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
MOMENTUM, DECAY = 0.9, 5e-4
A = TIMM["plain"]
WHOLE = 3000  # entries; of a longer tensor only the distance it went is stored


@dataclass(frozen=True)
class Trajectory:
    tuning: Tuning
    head: str  # cosine: sigma cos(f, w), sigma from 1; linear: W f + b
    rate: float
    trunk: float = 1.0  # rate of the network over that of the head
    milestones: tuple[int, ...] = ()  # a tenth of the rate from these epochs on; none: cosine to 0

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


def by_timm(case: Trajectory, p: dict, start: dict, x, labels, probe, kind: torch.dtype) -> dict:
    model = build_timm(A, p).to(kind)
    leaves = {name: value.to(kind, copy=True).requires_grad_() for name, value in start.items()}  # or float32 would learn in `start` itself
    learnable = trunk_of(leaves)
    if case.tuning.kind == "full":
        learnable = trunk_of(dict(model.named_parameters()))
    else:
        model.requires_grad_(False)
        modules.attach(model, learnable, **case.tuning.options())
    read = lambda images: model.forward_head(model.forward_features(images.to(kind)), pre_logits=True)  # noqa: E731
    head = {name: value for name, value in leaves.items() if name.startswith("head")}
    optimiser = torch.optim.SGD([{"params": list(head.values())}, {"params": list(learnable.values())}],
                                lr=case.rate, momentum=MOMENTUM, weight_decay=DECAY)
    rates, losses = case.rates(), []
    for step, images, target in batches(x, labels):
        for group, factor in zip(optimiser.param_groups, (1.0, case.trunk)):
            group["lr"] = float(rates[step]) * factor
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits_of(case, read(images), leaves), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    with torch.no_grad():
        return {"losses": torch.stack(losses), "features": read(probe)} | {
            f"final.{name}": value.detach() for name, value in (learnable | head).items()}


def by_specs(case: Trajectory, p: dict, start: dict, x, labels, probe) -> dict:
    frozen = trunk_of(vit.double(p))
    leaves = vit.double(start) | (frozen if case.tuning.kind == "full" else {})
    leaves = {name: value.clone().requires_grad_() for name, value in leaves.items()}
    tuned = trunk_of(leaves)
    if case.tuning.kind == "full":
        read = lambda images: run(tuned, A, images.double(), {})  # noqa: E731
    else:
        read = lambda images: run(frozen, A, images.double(), tuned, **case.tuning.options())  # noqa: E731
    velocity, rates, losses = {}, case.rates(), []
    for step, images, target in batches(x, labels):
        z = logits_of(case, read(images), leaves)
        loss = (torch.logsumexp(z, 1) - z.gather(1, target[:, None])[:, 0]).mean()
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        with torch.no_grad():
            for (name, value), gradient in zip(leaves.items(), gradients):
                gradient = gradient + DECAY * value
                velocity[name] = MOMENTUM * velocity[name] + gradient if name in velocity else gradient
                value -= rates[step] * (1.0 if name.startswith("head") else case.trunk) * velocity[name]
        losses.append(loss.detach())
    with torch.no_grad():
        return {"losses": torch.stack(losses), "features": read(probe)} | {f"final.{name}": value for name, value in leaves.items()}


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
          "float32": {key.rstrip("."): float(f"{value:.0e}") for key, value in rounding.items()}})


def generate(root: Path) -> None:
    folder = root / "training"
    pixels, labels = pictures()
    save(folder / "trajectories.data.safetensors", {"images": pixels, "labels": labels},
         {"seed": SEED, "normalised": "(x - 128) / 64"})
    for number, (name, case) in enumerate(TRAJECTORIES.items()):
        one(folder, number, name, case, pixels, labels)
