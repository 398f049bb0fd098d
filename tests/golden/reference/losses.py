"""losses.safetensors: losses on logits with their gradients, by torch's functions and automatic differentiation in float64."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .store import save

FIRST, COUNT, BLOCKS = 3, 5, (3, 5, 1, 2)
CASES = {
    "plain": {},
    "smoothed": {"smoothing": 0.1},
    "soft": {},
    "reverse": {"forward": 0.0, "reverse": 1.0},
    "symmetric": {"forward": 0.5, "reverse": 0.5},
    "normalised": {"temperature": 0.1},
}


def loss_of(name: str, z: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    options, valid, local = CASES[name], z[:, FIRST : FIRST + COUNT], labels - FIRST
    if name in ("plain", "smoothed"):
        return F.cross_entropy(valid, local, label_smoothing=options.get("smoothing", 0.0))
    if name == "soft":
        return F.cross_entropy(valid, targets)
    if name in ("reverse", "symmetric"):
        p = F.softmax(valid, 1).clamp(1e-7, 1.0)
        y = F.one_hot(local, COUNT).double().clamp(1e-4, 1.0)
        return options["forward"] * F.cross_entropy(valid, local) + options["reverse"] * -(p * y.log()).sum(1).mean()
    lengths = torch.stack([part.norm(dim=1) + 1e-7 for part in z.split(BLOCKS, 1)], 1)
    return F.cross_entropy(z / (lengths.mean(1, keepdim=True) * options["temperature"]), labels)


def generate(root: Path) -> None:
    random = np.random.RandomState(9000)
    logits = (2.0 * random.standard_normal((6, sum(BLOCKS)))).astype(np.float32)
    logits[1] *= 20.0  # probabilities below the clamp of the reverse loss
    logits[2] += 500.0  # no exponential of this is finite
    labels = FIRST + random.randint(0, COUNT, 6)
    targets = random.dirichlet(np.ones(COUNT), 6)
    targets[4] = np.eye(COUNT)[2]
    out = {"logits": logits, "labels": labels.astype(np.int64), "targets": targets}
    for name in CASES:
        z = torch.from_numpy(logits).double().requires_grad_()
        loss = loss_of(name, z, torch.from_numpy(labels), torch.from_numpy(targets))
        loss.backward()
        out |= {f"{name}.loss": loss.detach().reshape(1), f"{name}.gradient": z.grad}
    save(root / "losses.safetensors", out, {"seed": 9000, "first": FIRST, "count": COUNT, "blocks": BLOCKS, "cases": CASES})
