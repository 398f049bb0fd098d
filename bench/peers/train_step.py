"""One training step, ours beside PyTorch's: forward, loss, backward, update, on one batch of made-up pictures.

Both get the same weights and learn the same tensors (tunings.py) under a cosine classifier of 100 classes, with SGD,
momentum 0.9, decay 5e-4. The prompt methods, by their own names, are the first task of ten under a linear classifier of
100 classes, in their published sizes: query without prompts, prompted forward, cross-entropy of ten columns and pull of
the keys, backward, clip, Adam. LAE is its second task of ten, where the average follows every step: forward, cross-entropy
of ten columns, backward, Adam, average. Every round starts a fresh process for each, in turn, so that the largest
resident memory is that of the one job, and what slows the machine down slows all of them down. `at start` is what of that
memory PyTorch takes before there is a network.

    python train_step.py [--models vit_tiny_patch16_224,...] [--tunings full,adapter,...] [--rounds 3] [--without-ours]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import machine, program, summary  # noqa: E402
from features import MODELS as SHAPES  # noqa: E402
from features import build  # noqa: E402
from tunings import ADAPTER, LORA, TOKENS, CosineHead, tune  # noqa: E402

MODELS = {"vit_tiny_patch16_224": 16, "vit_base_patch16_224": 8}  # batch
TUNINGS = ("full", "adapter", "lora", "ssf", "vpt-deep")
PROMPTS = ("l2p", "dualprompt", "coda-prompt", "dap")
MIXTURES = ("lae-adapter", "lae-lora", "lae-prefix")
PRECISIONS = ("float32", "bfloat16")
CLASSES, PAUSE = 100, 0.5


def resident() -> int:
    """Largest so far, in bytes. Not getrusage: what it tells includes the process that started this one."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def pictures(options, model, random):
    import torch

    return torch.randn(options.batch, 3, *model.patch_embed.img_size, generator=random)


def tuning_step(options, model, random):
    import torch

    learnable = tune(model, options.tuning, random)
    head = CosineHead(model.embed_dim, CLASSES, random)
    optimiser = torch.optim.SGD([*learnable.values(), *head.parameters()], lr=0.01, momentum=0.9, weight_decay=5e-4)
    x, y = pictures(options, model, random), torch.arange(options.batch) % CLASSES

    def step() -> float:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
            loss = torch.nn.functional.cross_entropy(head(model(x)), y)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def prompt_step(options, model, random):
    import numpy as np
    import torch
    from prompt_methods import METHODS
    from reference.prompting import Learning, Task, objective

    settings, task, draw = METHODS[options.tuning], Task(0, 0, CLASSES // 10), np.random.RandomState(1)
    model.requires_grad_(False)
    p = settings.prompts.start(draw, model) | settings.prompts.head(draw, CLASSES, model.embed_dim)
    settings.prompts.begin(p, task.index, draw)
    learning = Learning(settings.prompts, p, task.index, settings.rate)
    x, y = pictures(options, model, random), torch.arange(options.batch) % task.seen

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
            o = objective(settings.prompts, model, p, x, y, task)
        learning.step(o.loss)
        return float(o.loss.detach())

    return step


def lae_step(options, model, random):
    import numpy as np
    import torch
    from mixture_methods import METHODS
    from reference import mixing

    settings, draw, of_task = METHODS[options.tuning], np.random.RandomState(1), CLASSES // 10
    model.requires_grad_(False)
    p = settings.mixture.start(draw, model) | settings.mixture.head(draw, CLASSES, model.embed_dim)
    learning = mixing.LaeLearning(settings.mixture, p, mixing.copied(mixing.module_of(p)), settings.rate)
    x, y = pictures(options, model, random), of_task + torch.arange(options.batch) % of_task

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
            loss = mixing.slice_loss(settings.mixture(model, p, x), p, y, of_task, 2 * of_task)
        learning.step(loss)
        return float(loss.detach())

    return step


STEPS = dict.fromkeys(TUNINGS, tuning_step) | dict.fromkeys(PROMPTS, prompt_step) | dict.fromkeys(MIXTURES, lae_step)


def pytorch(options) -> dict:
    """What a child does: the steps of one case."""
    import torch
    from cifar import load_network

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    before = resident()
    random = torch.Generator().manual_seed(1)
    model = load_network(options.backbone).train()
    step = STEPS[options.tuning](options, model, random)

    seconds, losses = [], []
    for k in range(options.warmup + options.steps):
        start = time.perf_counter()
        losses.append(step())
        if k >= options.warmup:
            seconds.append(time.perf_counter() - start)
    return {"tuning": options.tuning, "seconds_per_step": seconds, "peak_rss_bytes": resident(), "rss_before_bytes": before, "loss": losses}


def ask(command: list) -> dict:
    """The one JSON line a child prints."""
    time.sleep(PAUSE)
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{Path(str(command[0])).name} ended with {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(name: str, tuning: str, weights: Path, options) -> dict:
    case = ["--backbone", weights, "--tuning", tuning, "--batch", MODELS[name], "--threads", options.threads,
            "--steps", options.steps, "--warmup", options.warmup]
    who = {"PyTorch": [sys.executable, __file__, "--child"]} | ({} if options.without_ours else {"accrete": [options.executable]})
    runs = {(maker, precision): [] for precision in PRECISIONS for maker in who}
    for _ in range(options.rounds):
        for maker, precision in runs:
            runs[maker, precision].append(ask([*who[maker], *case, "--precision", precision]))
    rows = []
    for (maker, precision), answers in runs.items():
        rows.append({"who": maker, "precision": precision, "seconds": summary([s for a in answers for s in a["seconds_per_step"]]),
                     "peak_rss_bytes": max(a["peak_rss_bytes"] for a in answers),
                     "rss_before_bytes": max(a.get("rss_before_bytes", 0) for a in answers), "loss": answers[0]["loss"]})
    ours = {row["precision"]: row for row in rows if row["who"] == "accrete"}
    for row in rows:
        against = ours.get(row["precision"], rows[0])
        row["time_ratio"] = row["seconds"]["median"] / against["seconds"]["median"]
        row["memory_ratio"] = row["peak_rss_bytes"] / against["peak_rss_bytes"]
    return {"model": name, "tuning": tuning, "batch": MODELS[name], "rows": rows}


def show(result: dict, options) -> None:
    basis = "PyTorch's float32" if options.without_ours else "ours in the same precision"
    print(f"\n{result['model']}, {result['tuning']}, batch {result['batch']}, {options.threads} threads, "
          f"{options.rounds} rounds of {options.steps} steps; time and memory are against {basis}")
    print(f"{'':10} {'':9} {'seconds':>9} {'middle half':>19} {'best':>9} {'time':>7} {'peak MB':>9} {'memory':>7} {'at start':>9}   loss, first and last")
    for row in result["rows"]:
        s = row["seconds"]
        print(f"{row['who']:10} {row['precision']:9} {s['median']:9.4f} {s['low']:9.4f} {s['high']:9.4f} {s['best']:9.4f} "
              f"{row['time_ratio']:6.2f}x {row['peak_rss_bytes'] / 1e6:9.0f} {row['memory_ratio']:6.2f}x {row['rss_before_bytes'] / 1e6:9.0f}   {row['loss'][0]:.4f} {row['loss'][-1]:.4f}")


def settings_of(tunings: str) -> dict:
    """Of the methods among them"""
    import mixture_methods
    import prompt_methods

    names = tunings.split(",")
    return {name: asdict(prompt_methods.METHODS[name].prompts) for name in names if name in PROMPTS} | {
        name: asdict(mixture_methods.METHODS[name].mixture) for name in names if name in MIXTURES}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--models", default=",".join(MODELS))
    arguments.add_argument("--tunings", default=",".join(TUNINGS), help="of " + ", ".join(STEPS))
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=5, help="timed steps of a process")
    arguments.add_argument("--warmup", type=int, default=2, help="steps before them")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--build", type=Path, default=Path("build/release"), help="where our programs were built")
    arguments.add_argument("--without-ours", action="store_true", help="PyTorch alone")
    arguments.add_argument("--json", type=Path, default=None)
    child = arguments.add_argument_group("one case in this process, as the script calls itself")
    child.add_argument("--child", action="store_true")
    child.add_argument("--backbone", type=Path)
    child.add_argument("--tuning", choices=list(STEPS))
    child.add_argument("--batch", type=int)
    child.add_argument("--precision", choices=PRECISIONS)
    options = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.child:
        print(json.dumps(pytorch(options)))
        return
    for given, known in ((options.models, MODELS), (options.tunings, STEPS)):
        if unknown := set(given.split(",")) - set(known):
            arguments.error(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    options.executable = program(options.build, "accrete_bench_training")
    if not options.without_ours and not options.executable:
        arguments.error(f"accrete_bench_training is not below {options.build}; build it or give --without-ours")

    import timm
    import torch
    from safetensors.torch import save_file

    report = {"machine": machine(), "threads": options.threads, "rounds": options.rounds, "steps": options.steps, "warmup": options.warmup,
              "adapter": ADAPTER, "lora": LORA | {"targets": "q, k, v"}, "vpt_tokens": TOKENS, "methods": settings_of(options.tunings), "results": [],
              "versions": {m.__name__: m.__version__ for m in (torch, timm)}}
    print(f"adapter {ADAPTER}, LoRA on q, k, v {LORA}, {TOKENS} prompt tokens")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models.split(","):
            weights = Path(folder) / f"{name}.safetensors"
            save_file(build(SHAPES[name][1]).state_dict(), weights)
            for tuning in options.tunings.split(","):
                report["results"].append(measure(name, tuning, weights, options))
                show(report["results"][-1], options)
    path = options.json or options.build.parent / "peers" / "train_step.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()
