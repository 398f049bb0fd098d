"""Writes the golden files beside this script, or with --check writes them elsewhere and compares.

    python generate.py [--check] [--only networks,prompts,...]

Two runs on one machine give the same bytes. On another machine the last digits of float64 results may differ;
--check therefore asks for equal integers and float32 inputs, and for 1e-12 where a result is float64; `allowed` lists
what may differ by more.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

PARTS = ("networks", "prompts", "pictures", "images", "protocol", "kernels", "ridge", "casts", "optimisers", "losses", "augment", "training", "trajectories", "prompt_trajectories", "mixtures", "mixture_trajectories")


def generate(root: Path, parts: list[str]) -> None:
    import torch

    torch.set_num_threads(1)  # one order of summation
    for part in parts:
        importlib.import_module(f"reference.{part}").generate(root)


def allowed(file: str) -> dict[str, float]:
    """Largest difference between two machines, relative to the largest magnitude, for each type of tensor."""
    if file.startswith("trajectory_"):  # fifty steps magnify the last digit
        return {"torch.float64": 1e-8, "torch.float32": 1e-4}
    if ".merged." in file:  # rounded from float64
        return {"torch.float32": 2e-7}
    return {"torch.float64": 1e-12}


def same(a: Path, b: Path) -> bool:
    """Equal bytes, or equal up to what is `allowed`."""
    if a.read_bytes() == b.read_bytes():
        return True
    if a.suffix != ".safetensors":
        return False
    import torch
    from reference.store import relative_error
    from safetensors.torch import load_file

    x, y = load_file(a), load_file(b)
    if {k: (v.shape, v.dtype) for k, v in x.items()} != {k: (v.shape, v.dtype) for k, v in y.items()}:
        return False
    within = allowed(a.name)
    return all(torch.equal(x[k], y[k]) or relative_error(x[k], y[k]) < (1e-6 if k.endswith(".float32") else within.get(str(x[k].dtype), 0.0)) for k in x)


def check(committed: Path, fresh: Path) -> list[str]:
    files = [path.relative_to(fresh) for path in sorted(fresh.rglob("*")) if path.is_file()]
    return [str(f) for f in files if not (committed / f).is_file() or not same(committed / f, fresh / f)]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    arguments.add_argument("--only", default=",".join(PARTS), help="parts, comma between: " + ", ".join(PARTS))
    options = arguments.parse_args()
    parts = options.only.split(",")
    if unknown := set(parts) - set(PARTS):
        arguments.error(f"no part {', '.join(sorted(unknown))}")
    here = Path(__file__).resolve().parent
    if not options.check:
        generate(here, parts)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch), parts)
        differing = check(here, Path(scratch))
    print("\n".join(f"differs: {name}" for name in differing) or "all golden files are what the references compute")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
