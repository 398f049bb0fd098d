"""One RanPAC task: the published procedure in PyTorch float32 beside ours, from features to weights.

The published procedure: H = relu(F W), G = H'H, Q = H'Y; for each of 17 ridge values one LU solve of the M x M
system of the first 80 % of the rows, judged on the rest; one more solve with all rows. Seventeen solves of 10 000 x
10 000 take minutes, all of them alike: --solves k times k of them and counts the others as their mean.

    python ranpac.py [--solves 17] [--projection 10000] [--samples 5000] [--classes 100] [--without-ours] [--json FILE]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import machine, program  # noqa: E402

LAMBDAS = [10.0**k for k in range(-8, 9)]


def draw(options):
    """Features as a ViT gives them: a common mean, a mean for each class, noise."""
    import torch

    random = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, generator=random)  # noqa: E731
    labels = torch.arange(options.samples) % options.classes
    features = 0.5 * normal(1, options.width) + normal(options.classes, options.width)[labels] + normal(options.samples, options.width)
    return features, labels, normal(options.width, options.projection)


class Clock:
    def __init__(self):
        self.seconds = {}

    def __call__(self, what, function):
        start = time.perf_counter()
        result = function()
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - start
        return result


def published(features, labels, projection, classes: int, solves: int) -> dict:
    import torch

    clock = Clock()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    h = clock("projection", lambda: torch.relu(features @ projection))
    y = torch.nn.functional.one_hot(labels, classes).float()
    g, q = clock("gram", lambda: (h.T @ h, h.T @ y))
    fit = int(0.8 * len(h))
    order = torch.randperm(len(h), generator=torch.Generator().manual_seed(0))
    h, y = h[order], y[order]
    g_fit, q_fit = clock("gram_fit", lambda: (h[:fit].T @ h[:fit], h[:fit].T @ y[:fit]))

    def solve(gram, sums, ridge):
        return torch.linalg.solve(gram + ridge * torch.eye(len(gram)), sums)

    losses = {}
    # Spread over the range, the usual answer 1e6 first: a shortened run still chooses among values that work.
    for ridge in sorted(LAMBDAS, key=lambda v: abs(v - 1e6))[:solves]:
        w = clock("selection", lambda: solve(g_fit, q_fit, ridge))
        losses[ridge] = clock("selection", lambda: torch.mean((h[fit:] @ w - y[fit:]) ** 2).item())
    best = min(losses, key=losses.get)
    del g_fit, q_fit
    clock("solve", lambda: solve(g, q, best))
    measured = sum(clock.seconds.values())
    whole = measured + clock.seconds["selection"] * (len(LAMBDAS) / solves - 1)
    return {"seconds": whole, "seconds_measured": measured, "solves_timed": solves, "extrapolated": solves < len(LAMBDAS),
            "phases": clock.seconds, "ridge": best, "losses": {f"{k:g}": v for k, v in sorted(losses.items())},
            "peak_extra_bytes": 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)}


def ours(executable: Path, features, labels, options) -> dict:
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.safetensors"
        save_file({"features": features, "labels": labels}, path)
        out = subprocess.run([executable, "--features", path, "--projection", str(options.projection), "--threads", str(options.threads)],
                             check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("projection", 10000), ("width", 768), ("samples", 5000), ("classes", 100), ("threads", 2), ("solves", 17)):
        arguments.add_argument(f"--{name}", type=int, default=value)
    arguments.add_argument("--build", type=Path, default=Path("build/release"), help="where our programs were built")
    arguments.add_argument("--without-ours", action="store_true")
    arguments.add_argument("--json", type=Path, default=None)
    options = arguments.parse_args()
    if not 1 <= options.solves <= len(LAMBDAS):
        arguments.error(f"--solves takes 1 to {len(LAMBDAS)}")
    executable = program(options.build, "accrete_bench_ranpac")
    if not options.without_ours and not executable:
        arguments.error(f"accrete_bench_ranpac is not below {options.build}; build it or give --without-ours")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    features, labels, projection = draw(options)
    report = {"machine": machine(), "torch": torch.__version__, "task": {k: getattr(options, k) for k in (
        "projection", "width", "samples", "classes", "threads")}}
    # Ours first: its process is gone, and its memory returned, before the other one starts.
    if not options.without_ours:
        report["accrete"] = ours(executable, features, labels, options)
    report["published"] = theirs = published(features, labels, projection, options.classes, options.solves)

    print(f"RanPAC, N {options.samples}, D {options.width}, M {options.projection}, C {options.classes}, {options.threads} threads")
    note = f" (extrapolated: {options.solves} of {len(LAMBDAS)} ridge values timed)" if theirs["extrapolated"] else ""
    print(f"published, PyTorch float32  {theirs['seconds']:9.2f} s  {theirs['peak_extra_bytes'] / 1e9:6.2f} GB  ridge {theirs['ridge']:g}{note}")
    print("   " + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in theirs["phases"].items()))
    if "accrete" in report:
        mine = report["accrete"]
        print(f"accrete                     {mine['seconds']:9.2f} s  {mine['peak_extra_bytes'] / 1e9:6.2f} GB  ridge {mine['ridge']:g}")
        report["ratio"] = theirs["seconds"] / mine["seconds"]
        print(f"ratio {report['ratio']:.1f}")
    path = options.json or options.build.parent / "peers" / "ranpac.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
