"""optimisers.safetensors: fifty steps of each optimiser on fixed gradients, and the rates of each schedule, as torch makes them."""

from math import cos, pi
from pathlib import Path

import numpy as np
import torch

from .store import save

STEPS = 50
KEPT = (1, 2, 3, 10, 25, 50)  # after how many steps the weights are kept
SECOND_WITHOUT_GRADIENT = (0, 1, 7, 30)  # steps in which the second parameter receives none

OPTIMISERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.05}),
    "sgd_decay": (torch.optim.SGD, {"lr": 0.05, "weight_decay": 0.02}),
    "sgd_momentum": (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}),
    "sgd_dampening": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.8, "dampening": 0.3}),
    "sgd_nesterov": (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adam": (torch.optim.Adam, {"lr": 1e-2}),
    "adam_decay": (torch.optim.Adam, {"lr": 1e-2, "betas": (0.85, 0.99), "eps": 1e-3, "weight_decay": 0.1}),
    "adam_amsgrad": (torch.optim.Adam, {"lr": 1e-2, "amsgrad": True}),
    "adamw": (torch.optim.AdamW, {"lr": 1e-2, "weight_decay": 0.1}),
    "adamw_amsgrad": (torch.optim.AdamW, {"lr": 1e-2, "weight_decay": 0.1, "amsgrad": True}),
}


def trajectory(kind, options, start, gradients, dtype) -> np.ndarray:
    """Weights [len(KEPT), P] of two parameters side by side; the rate falls by a cosine, one step of it after each step."""
    parameters = [torch.nn.Parameter(torch.from_numpy(w.copy()).to(dtype)) for w in start]
    optimiser = kind(parameters, foreach=False, **options)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS, eta_min=1e-4)
    kept = []
    for step in range(STEPS):
        for place, parameter in enumerate(parameters):
            absent = place == 1 and step in SECOND_WITHOUT_GRADIENT
            parameter.grad = None if absent else torch.from_numpy(gradients[place][step]).to(dtype)
        optimiser.step()
        schedule.step()
        if step + 1 in KEPT:
            kept.append(torch.cat([p.detach().reshape(-1) for p in parameters]).numpy().copy())
    return np.stack(kept)


def rates(make, steps, base=0.02) -> np.ndarray:
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    schedule = make(optimiser)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return np.array(found)


def schedules() -> dict[str, np.ndarray]:
    from torch.optim import lr_scheduler as s

    warm = lambda o: s.LinearLR(o, start_factor=0.1, end_factor=1.0, total_iters=5)  # noqa: E731
    return {
        "constant": rates(lambda o: s.LambdaLR(o, lambda t: 1.0), 4),
        "cosine": rates(lambda o: s.CosineAnnealingLR(o, 20, eta_min=1e-3), 30),
        "multistep": rates(lambda o: s.MultiStepLR(o, [3, 7, 7], gamma=0.1), 10),
        "warmup": rates(warm, 9),
        "warmup_cosine": rates(lambda o: s.SequentialLR(o, [warm(o), s.CosineAnnealingLR(o, 15, eta_min=1e-3)], [5]), 22),
        "linear": rates(lambda o: s.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=8), 11),
        "coda": np.array([0.02 * cos(99 * pi * max(epoch - 1, 0) / (200 * (12 - 1))) for epoch in range(12)]),
    }


def clipped(gradients, most):
    parameters = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in gradients]
    for parameter, g in zip(parameters, gradients):
        parameter.grad = torch.from_numpy(g).double()
    norm = torch.nn.utils.clip_grad_norm_(parameters, most)
    return norm.reshape(1).numpy(), torch.cat([p.grad.reshape(-1) for p in parameters]).numpy()


def generate(root: Path) -> None:
    random = np.random.RandomState(8000)
    normal = lambda *shape, scale=1.0: (scale * random.standard_normal(shape)).astype(np.float32)  # noqa: E731
    start = [normal(2, 3), normal(5, scale=0.3)]
    gradients = [normal(STEPS, 2, 3), normal(STEPS, 5, scale=0.01)]
    gradients[0][4] = 0.0  # a gradient of zeros is not an absent one
    gradients[0][:, 0, 0] = 0.0  # one weight never has any
    gradients[1][10] *= 300.0

    out: dict[str, np.ndarray] = {"first.start": start[0], "second.start": start[1], "first.gradient": gradients[0], "second.gradient": gradients[1]}
    for name, (kind, options) in OPTIMISERS.items():
        out[f"{name}.float64"] = trajectory(kind, options, start, gradients, torch.float64)
        out[f"{name}.float32"] = trajectory(kind, options, start, gradients, torch.float32)
    out |= {f"rate.{name}": value for name, value in schedules().items()}
    for name, most in (("short", 100.0), ("long", 0.5)):
        norm, values = clipped([g[3] for g in gradients], most)
        out |= {f"clip.{name}.norm": norm, f"clip.{name}.gradient": values}
    save(root / "optimisers.safetensors", out,
         {"seed": 8000, "steps": STEPS, "kept": KEPT, "second_without_gradient": SECOND_WITHOUT_GRADIENT, "optimisers": {name: options for name, (_, options) in OPTIMISERS.items()}})
