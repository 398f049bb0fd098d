"""Whole experiments of the mixture methods in PyTorch: the numbers our programs must meet.

Data, class order, network, flips and protocols as in methods.py; the methods are those the golden trajectories are
computed with (tests/golden/reference/mixing.py). The settings in METHODS are the published ones but for the epochs,
which are the protocol's, and the batches of CoFiMA and ESN: their 128 would leave four steps an epoch. LAE's modules
rest in three fifths of the epochs of a task, as published. Rates are the published ones in both protocols, and every
task has a fresh optimiser. Memory is none; CoFiMA's alignment draws from a mean and a covariance of each class.

    python mixture_methods.py DATA WEIGHTS [--methods lae-adapter,...] [--protocol S|L] [--seeds 1,2,3] [--json FILE]
                              [--batch N] [--rate R] [--epochs E] [--length L] [--compare result.json ...]
"""

import copy
import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "golden"))
import common  # noqa: E402, F401  no __pycache__ in the sources
import methods  # noqa: E402
from cifar import extract, load_network, scheme  # noqa: E402
from methods import PROTOCOLS, Alignment, LinearBlocks, Rows, complete, parsed, parser  # noqa: E402
from reference import mixing  # noqa: E402
from reference.mixing import Cofima, Esn, Lae, LaeLearning  # noqa: E402
from reference.prompting import Task  # noqa: E402


@dataclass(frozen=True)
class Method:
    mixture: object
    rate: float  # of the head and of everything but `trunk`
    batch: int
    drop_last: bool = False  # the last batch of an epoch, if it is not full
    resting: float = 0.0  # LAE: part of the epochs of a task in which the module rests; never in the first task
    trunk: float = 1.0  # CoFiMA: rate of the network over that of the head
    milestone: float | None = None  # CoFiMA: a tenth of the rate from this part of the epochs on
    decay: float = 0.0
    alignment: int = 0  # epochs of it, in every task but the first


LAE_RATE = 0.03 * 24 / 256
METHODS = {f"lae-{module}": Method(Lae(module), rate=LAE_RATE, batch=24, drop_last=True, resting=0.6) for module in ("adapter", "lora", "prefix")}
METHODS |= {
    "cofima": Method(Cofima(alpha=0.5, cap=1e-4), rate=0.01, batch=64, trunk=0.01, milestone=0.9, decay=5e-4, alignment=5),
    "esn": Method(Esn(length=100), rate=0.01, batch=32, decay=5e-4),
}
MOMENTUM = 0.9  # of CoFiMA and ESN
TEST_BATCH = 250


def pictures(images: np.ndarray):
    import torch

    return torch.from_numpy(images).float() / 127.5 - 1


class LaeRun:
    """One module learns, a slow copy of it follows, and both vote."""

    def __init__(self, method: Method, model, random: np.random.RandomState, shuffle, classes: int):
        self.method, self.model, self.offline = method, model, None
        model.requires_grad_(False)
        self.online = method.mixture.start(random, model) | method.mixture.head(random, classes, model.embed_dim)

    def learn(self, task: Task, images: np.ndarray, labels: np.ndarray, shuffle, epochs: int) -> dict:
        m, losses = self.method, []
        if task.index == 1:
            self.offline = mixing.copied(mixing.module_of(self.online))
        learning, rows = LaeLearning(m.mixture, self.online, self.offline, m.rate), Rows(images, labels, shuffle)
        for epoch in range(epochs):
            learning.frozen(task.index > 0 and epoch < math.floor(m.resting * epochs))
            total, count = 0.0, 0
            for x, y in rows(m.batch):
                if m.drop_last and len(y) < m.batch:
                    continue
                loss = mixing.slice_loss(m.mixture(self.model, self.online, x), self.online, y, task.past, task.seen)
                learning.step(loss)
                total, count = total + float(loss.detach()) * len(y), count + len(y)
            losses.append(total / count)
        return {"losses": losses}

    def answers(self, images: np.ndarray, labels: np.ndarray, tasks: list[Task]) -> tuple[np.ndarray, dict]:
        """(class of every image, shares right of each voter)"""
        import torch

        seen, parts = tasks[-1].seen, []
        modules = [self.online] if self.offline is None else [self.online, self.offline]
        with torch.inference_mode():
            for part in np.split(images, range(TEST_BATCH, len(images), TEST_BATCH)):
                features = [self.method.mixture(self.model, module, pictures(part)) for module in modules]
                members = [f @ self.online["head.weight"][:seen].T + self.online["head.bias"][:seen] for f in features]
                parts.append(torch.stack([mixing.max_softmax(members).argmax(1), *(z.argmax(1) for z in members)]))
        found = torch.cat(parts, 1).numpy()
        return found[0], {name: 100.0 * float((row == labels).mean()) for name, row in zip(("online", "offline"), found[1:])}


class CofimaRun:
    """The whole network learns and is then averaged with what it was, weighted by both Fishers."""

    def __init__(self, method: Method, model, random: np.random.RandomState, shuffle, classes: int):
        self.method, self.model, self.fisher = method, model, None
        self.sgd = methods.Method("full", "linear", every_task=True, rate=method.rate, trunk=method.trunk, batch=method.batch, decay=method.decay,
                                  milestone=method.milestone, alignment=method.alignment)
        self.blocks, self.alignment = LinearBlocks(model.embed_dim, shuffle), Alignment(self.sgd, shuffle)
        self.aligned = None

    def learn(self, task: Task, images: np.ndarray, labels: np.ndarray, shuffle, epochs: int) -> dict:
        from torch.nn import functional as F

        m, network = self.method, dict(self.model.named_parameters())
        head, previous = self.blocks.append(task.seen - task.past), mixing.copied(network)
        losses = methods.train(self.model, network, head, Rows(images, labels - task.past, shuffle), self.sgd, epochs, m.rate)
        entry = {"losses": losses}
        loss_of, cap = lambda x, y: F.cross_entropy(self.blocks(self.model(x)), y), m.mixture.cap  # noqa: E731  all classes so far
        fisher = mixing.batch_fisher(loss_of, network, Rows(images, labels, shuffle)(m.batch), cap)
        entry["at_cap"] = sum(int((f >= cap).sum()) for f in fisher.values()) / sum(f.numel() for f in fisher.values())
        if task.index > 0:
            mixing.merge_by_fisher(m.mixture, network, previous, self.fisher, fisher)
            entry["moved"] = sum(float(((value.detach() - previous[name]) ** 2).sum()) for name, value in network.items()) ** 0.5
        self.fisher = fisher
        self.alignment.remember(extract(self.model, images), labels, range(task.past, task.seen), task.index)
        self.aligned = copy.deepcopy(self.blocks)  # for this evaluation alone; the next task begins with what this one learned
        if task.index > 0:
            self.alignment.run(self.aligned, task.index)
        return entry

    def answers(self, images: np.ndarray, labels: np.ndarray, tasks: list[Task]) -> tuple[np.ndarray, dict]:
        features = extract(self.model, images)
        plain = self.blocks.scores(features).argmax(1)
        return self.aligned.scores(features).argmax(1), {"unaligned": 100.0 * float((plain == labels).mean())}


class EsnRun:
    """A prompt of the first task, then a classifier of its own for every task; energies say which one answers."""

    def __init__(self, method: Method, model, random: np.random.RandomState, shuffle, classes: int):
        self.method, self.model, self.random = method, model, random
        model.requires_grad_(False)
        self.heads, self.prompt = model.blocks[0].attn.num_heads, method.mixture.start(random, model)
        self.classifiers, self.temperatures = [], []

    def learn(self, task: Task, images: np.ndarray, labels: np.ndarray, shuffle, epochs: int) -> dict:
        import torch

        m, esn, losses = self.method, self.method.mixture, []
        own = esn.classifier(self.random, self.model, task.seen - task.past)
        self.prompt["prompt.tokens"].requires_grad_(task.index == 0)
        learned = [value.requires_grad_() for value in own.values()] + (list(self.prompt.values()) if task.index == 0 else [])
        optimiser, rows = torch.optim.SGD(learned, lr=m.rate, momentum=MOMENTUM, weight_decay=m.decay), Rows(images, labels - task.past, shuffle)
        for epoch in range(epochs):
            for group in optimiser.param_groups:
                group["lr"] = m.rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
            total, count = 0.0, 0
            for x, y in rows(m.batch):
                optimiser.zero_grad(set_to_none=True)
                loss = esn.loss(esn.answer(esn.trunk(self.model, self.prompt, x), own, self.heads).logits, y)
                loss.backward()
                optimiser.step()
                total, count = total + float(loss.detach()) * len(y), count + len(y)
            losses.append(total / count)
        self.classifiers.append(own)
        if task.index == 0:
            self.temperatures.append(mixing.TEMPERATURES[0])
            return {"losses": losses, "temperature": self.temperatures[-1]}
        share = mixing.recognised(self.logits(images))
        self.temperatures.append(mixing.TEMPERATURES[int(mixing.first_of_largest(share))])
        return {"losses": losses, "temperature": self.temperatures[-1], "recognised": share.tolist()}

    def logits(self, images: np.ndarray) -> list:
        """[N, C_k] of every classifier, of one pass through the network"""
        import torch

        parts = []
        with torch.inference_mode():
            for part in np.split(images, range(TEST_BATCH, len(images), TEST_BATCH)):
                tokens = self.method.mixture.trunk(self.model, self.prompt, pictures(part))
                parts.append([self.method.mixture.answer(tokens, c, self.heads).logits for c in self.classifiers])
        return [torch.cat(rows) for rows in zip(*parts)]

    def settled(self, images: np.ndarray) -> None:
        """A classifier never changes after its task, so that one pass at the end answers for every task."""
        self.scores = self.logits(images)

    def answers(self, rows: np.ndarray, labels: np.ndarray, tasks: list[Task]) -> tuple[np.ndarray, dict]:
        """`rows` are those of what `settled` was given."""
        members = [z[rows] for z in self.scores[: len(tasks)]]
        task, found = (part.numpy() for part in mixing.energy_vote(members, self.temperatures[: len(tasks)]))
        own = np.searchsorted([t.seen for t in tasks], labels, side="right")
        return found, {"right_task": 100.0 * float((task == own).mean()),
                       "given_task": 100.0 * float(np.mean([tasks[k].past + int(members[k][i].argmax()) == y for i, (k, y) in enumerate(zip(own, labels))]))}


RUNS = {Lae: LaeRun, Cofima: CofimaRun, Esn: EsnRun}


def experiment(options, data: tuple, name: str, seed: int) -> dict:
    import torch

    method, start, epochs = METHODS[name], time.perf_counter(), PROTOCOLS[options.protocol]["epochs"]
    order, images, labels, test_images, truth = data
    stops = np.cumsum(PROTOCOLS[options.protocol]["sizes"]).tolist()
    tasks = [Task(t, past, seen) for t, (past, seen) in enumerate(zip([0, *stops], stops))]
    report = {"method": name, "protocol": options.protocol, "seed": seed, "class_order": order.tolist(), "train_images": len(labels),
              "test_images": len(truth), "rate": method.rate, "tasks": []}
    random, shuffle = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    run = RUNS[type(method.mixture)](method, load_network(options.weights), random, shuffle, stops[-1])
    late = hasattr(run, "settled")

    def judged(task: Task) -> dict:
        seen = truth < task.seen
        found, more = run.answers(np.flatnonzero(seen) if late else test_images[seen], truth[seen], tasks[: task.index + 1])
        right, mine = found == truth[seen], truth[seen]
        return {"top1": 100.0 * float(right.mean()),
                "per_task": [100.0 * float(right[(mine >= t.past) & (mine < t.seen)].mean()) for t in tasks[: task.index + 1]]} | more

    for task in tasks:
        begin, mine = time.perf_counter(), (labels >= task.past) & (labels < task.seen)
        entry = {"classes": order[task.past : task.seen].tolist()} | run.learn(task, images[mine], labels[mine], shuffle, epochs)
        entry |= {} if late else judged(task)
        report["tasks"].append(entry | {"seconds": time.perf_counter() - begin})
    if late:
        run.settled(test_images)
        report["tasks"] = [entry | judged(task) for entry, task in zip(report["tasks"], tasks)]
    curve = [entry["top1"] for entry in report["tasks"]]
    return report | {"average": float(np.mean(curve)), "last": curve[-1], "seconds": time.perf_counter() - start}


def print_settings(options) -> None:
    protocol = PROTOCOLS[options.protocol]
    print(f"protocol {options.protocol}: tasks of {protocol['sizes']} classes, {options.per_class} images each, {protocol['epochs']} epochs")
    for name in options.methods:
        print(f"{name:12} {METHODS[name]}", flush=True)


def show(report: dict) -> None:
    curve = " ".join(f"{task['top1']:5.1f}" for task in report["tasks"])
    last = report["tasks"][-1]
    more = "  ".join(f"{name.replace('_', ' ')} {last[name]:.1f}" for name in ("online", "offline", "unaligned", "right_task", "given_task") if name in last)
    print(f"{report['method']:12} seed {report['seed']} {curve}  average {report['average']:.2f} last {report['last']:.2f}  {more}  {report['seconds']:.0f} s", flush=True)


def main() -> None:
    arguments = parser(__doc__, METHODS)
    arguments.add_argument("--batch", type=int, default=None, help="instead of every method's own; the rate stays")
    arguments.add_argument("--length", type=int, default=None, help="rows of ESN's prompt, instead of 100")
    options = parsed(arguments, METHODS)
    for name in options.methods:
        changes = {key: value for key in ("rate", "batch") if (value := getattr(options, key)) is not None}
        if options.length is not None and isinstance(METHODS[name].mixture, Esn):
            changes["mixture"] = replace(METHODS[name].mixture, length=options.length)
        METHODS[name] = replace(METHODS[name], **changes)
    import torch

    torch.set_num_threads(options.threads)
    print_settings(options)
    data = scheme(options.data, options.per_class, sum(PROTOCOLS[options.protocol]["sizes"]))
    settings = {"protocol": options.protocol, **PROTOCOLS[options.protocol], "per_class": options.per_class,
                "methods": {name: asdict(METHODS[name]) for name in options.methods}}
    complete(options, settings, lambda name, seed: experiment(options, data, name, seed), show)


if __name__ == "__main__":
    main()
