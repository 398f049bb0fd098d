"""Whole experiments of the prompt methods in PyTorch: the numbers our programs must meet.

Data, class order, network, flips and protocol S as in methods.py; the methods are those the golden trajectories are
computed with (tests/golden/reference/prompting.py), one linear head of all classes, of which only the current task's
columns learn. The settings in METHODS are the published ones but for the epochs, five, and CODA's batch: its 128 would
leave three steps an epoch. Every task has a fresh optimiser.

Each sample selects for itself, and only slots and classes of tasks seen so far compete. `-batch-vote` is the published
evaluation instead: all samples of a batch take the slots that most of them ask for (L2P in training too), and the test
batches are of one task each, so that a vote nearly names the task. Nobody should compare the two. `dualprompt-pilot` votes as
well, with PILOT's numbers and its mixed-up keys and values.

    python prompt_methods.py DATA WEIGHTS [--methods l2p,...] [--seeds 1,2,3] [--json FILE] [--batch N] [--rate R]
                             [--epochs E] [--compare result.json ...]
"""

import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "golden"))
import common  # noqa: E402, F401  no __pycache__ in the sources
from cifar import extract, load_network, scheme  # noqa: E402
from methods import PROTOCOLS, Rows, complete, parsed, parser  # noqa: E402
from reference.prompting import Coda, Dap, DualPrompt, L2P, Learning, PilotDualPrompt, Task, coda_factor, objective, predicted  # noqa: E402


@dataclass(frozen=True)
class Method:
    prompts: object
    rate: float
    batch: int
    falling: bool = False  # CODA's cosine over the epochs; constant otherwise
    drop_last: bool = False  # the last batch of an epoch, if it is not full


METHODS = {
    "l2p": Method(L2P(slots=10, length=10, selected=4), rate=0.03 * 16 / 256, batch=16),
    "dualprompt": Method(DualPrompt(slots=10, general_length=5, expert_length=5, general_blocks=(0, 1), expert_blocks=(2, 3, 4)), rate=0.03 * 24 / 256, batch=24),
    "coda-prompt": Method(Coda(slots=100, tasks=10, length=8, blocks=(0, 1, 2, 3, 4)), rate=1e-3, batch=32, falling=True, drop_last=True),
    "dap": Method(Dap(slots=10, length=10, embedding=16, pull=0.1), rate=0.01, batch=32),
}
METHODS["dualprompt-pilot"] = Method(PilotDualPrompt(), rate=0.001, batch=24)
METHODS |= {f"{name}-batch-vote": replace(METHODS[name], prompts=replace(METHODS[name].prompts, vote=True)) for name in ("l2p", "dualprompt")}
TEST_BATCH = 250  # where it decides nothing


class Frozen:
    """The network and its query of every test image: the same for every run."""

    def __init__(self, weights: Path, test_images: np.ndarray):
        import torch

        self.model = load_network(weights).requires_grad_(False)
        self.test_queries = torch.from_numpy(extract(self.model, test_images)).float()


def train(model, method: Method, p: dict, rows: Rows, task: Task, epochs: int) -> list[float]:
    """Mean loss of each epoch, the pull of the keys in it"""
    learning, losses = Learning(method.prompts, p, task.index, method.rate), []
    for epoch in range(epochs):
        rate, total, count = method.rate * (coda_factor(epoch, epochs) if method.falling else 1.0), 0.0, 0
        for x, y in rows(method.batch):
            if method.drop_last and len(y) < method.batch:
                continue
            o = objective(method.prompts, model, p, x, y, task)
            learning.step(o.loss, rate)
            total, count = total + float(o.loss.detach()) * len(y), count + len(y)
        losses.append(total / count)
    return losses


def answers(frozen: Frozen, method: Method, p: dict, images: np.ndarray, labels: np.ndarray, tasks: list[Task]) -> tuple[np.ndarray, np.ndarray | None]:
    """(class of every image of `tasks` that the last of them answers, -1 elsewhere; slots it selected [N, k])"""
    import torch

    vote = getattr(method.prompts, "vote", False)
    found, slots = np.full(len(labels), -1), None
    for task in tasks:  # a batch never has two tasks; only a vote can tell
        mine = np.flatnonzero((labels >= task.past) & (labels < task.seen))
        for part in np.split(mine, range(method.batch if vote else TEST_BATCH, len(mine), method.batch if vote else TEST_BATCH)):
            x = torch.from_numpy(images[part]).float() / 127.5 - 1
            logits, answer = predicted(method.prompts, frozen.model, p, x, tasks[-1], frozen.test_queries[part])
            found[part] = logits.argmax(1).numpy()
            if answer.selected is not None:
                slots = np.full((len(labels), answer.selected.shape[1]), -1) if slots is None else slots
                slots[part] = answer.selected.numpy()
    return found, slots


def experiment(options, data: tuple, frozen: Frozen, name: str, seed: int) -> dict:
    import torch

    method, start, epochs = METHODS[name], time.perf_counter(), PROTOCOLS[options.protocol]["epochs"]
    order, images, labels, test_images, truth = data
    stops = np.cumsum(PROTOCOLS[options.protocol]["sizes"]).tolist()
    tasks = [Task(t, past, seen) for t, (past, seen) in enumerate(zip([0, *stops], stops))]
    report = {"method": name, "protocol": options.protocol, "seed": seed, "class_order": order.tolist(), "train_images": len(labels),
              "test_images": len(truth), "rate": method.rate, "batch_vote": getattr(method.prompts, "vote", False), "tasks": []}
    random, shuffle = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    p = method.prompts.start(random, frozen.model) | method.prompts.head(random, stops[-1], frozen.model.embed_dim)
    for task in tasks:
        begin, mine, seen = time.perf_counter(), (labels >= task.past) & (labels < task.seen), truth < task.seen
        method.prompts.begin(p, task.index, random)
        losses = train(frozen.model, method, p, Rows(images[mine], labels[mine], shuffle), task, epochs)
        found, slots = answers(frozen, method, p, test_images, truth, tasks[: task.index + 1])
        right = found == truth
        entry = {"classes": order[task.past : task.seen].tolist(), "losses": losses, "top1": 100.0 * float(right[seen].mean()),
                 "per_task": [100.0 * float(right[(truth >= t.past) & (truth < t.seen)].mean()) for t in tasks[: task.index + 1]]}
        if slots is not None:
            entry["slots"] = np.bincount(slots[seen].ravel(), minlength=method.prompts.slots).tolist()
        if slots is not None and slots.shape[1] == 1:
            entry["slot_accuracy"] = 100.0 * float((slots[seen, 0] == np.searchsorted(stops, truth[seen], side="right")).mean())
        report["tasks"].append(entry | {"seconds": time.perf_counter() - begin})
    curve = [entry["top1"] for entry in report["tasks"]]
    return report | {"average": float(np.mean(curve)), "last": curve[-1], "seconds": time.perf_counter() - start}


def print_settings(options) -> None:
    protocol = PROTOCOLS[options.protocol]
    print(f"protocol {options.protocol}: tasks of {protocol['sizes']} classes, {options.per_class} images each, {protocol['epochs']} epochs")
    for name in options.methods:
        m = METHODS[name]
        print(f"{name:22} rate {m.rate:g}{' falling' if m.falling else ''}, batch {m.batch}{', full ones alone' if m.drop_last else ''}, {m.prompts}", flush=True)


def show(report: dict) -> None:
    curve = " ".join(f"{task['top1']:5.1f}" for task in report["tasks"])
    last = report["tasks"][-1]
    slots = f"right slot {last['slot_accuracy']:.1f}  " if "slot_accuracy" in last else ""
    print(f"{report['method']:22} seed {report['seed']} {curve}  average {report['average']:.2f} last {report['last']:.2f}  {slots}{report['seconds']:.0f} s", flush=True)


def main() -> None:
    arguments = parser(__doc__, METHODS)
    arguments.add_argument("--batch", type=int, default=None, help="instead of every method's own; the rate stays")
    arguments.add_argument("--keep-last", action="store_true", help="the last batch of an epoch is never dropped")
    options = parsed(arguments, METHODS)
    for name, value in (("rate", options.rate), ("batch", options.batch), ("drop_last", False if options.keep_last else None)):
        if value is not None:
            METHODS.update({method: replace(METHODS[method], **{name: value}) for method in options.methods})
    import torch

    torch.set_num_threads(options.threads)
    print_settings(options)
    data = scheme(options.data, options.per_class, sum(PROTOCOLS[options.protocol]["sizes"]))
    settings = {"protocol": options.protocol, **PROTOCOLS[options.protocol], "per_class": options.per_class,
                "methods": {name: asdict(METHODS[name]) for name in options.methods}}
    frozen = Frozen(options.weights, data[3])
    complete(options, settings, lambda name, seed: experiment(options, data, frozen, name, seed), show)


if __name__ == "__main__":
    main()
