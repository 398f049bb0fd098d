"""Writing golden files so that two runs give the same bytes."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file


def tensor(value) -> torch.Tensor:
    """`value` (numpy or torch) as a contiguous tensor of its own, in its own type."""
    if isinstance(value, torch.Tensor):
        return value.detach().contiguous().clone()
    return torch.from_numpy(np.array(value, order="C"))  # not ascontiguousarray: that turns a scalar into one element


def save(path: Path, tensors: dict, config: dict | None = None) -> None:
    """One safetensors file. The configuration is one JSON string under the single metadata key `config`:
    the writer keeps metadata in a hash map, and only one key has only one order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"format": "pt"} if config is None else {"config": json.dumps(config, sort_keys=True)}
    save_file({name: tensor(value) for name, value in tensors.items()}, path, metadata)
    path.chmod(0o644)


def save_json(path: Path, value) -> None:
    """JSON with one top-level entry a line: short diffs without one number a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, dict):
        body = ",\n".join(f" {json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items())
        path.write_text("{\n" + body + "\n}\n")
    else:
        body = ",\n".join(" " + json.dumps(entry) for entry in value)
        path.write_text("[\n" + body + "\n]\n")


def relative_error(a, b) -> float:
    """Largest difference, relative to the largest magnitude of `b`: the measure every tolerance here is stated in."""
    a, b = (np.asarray(tensor(x).double().numpy()) for x in (a, b))
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300))
