"""Whole experiments of the representation methods in PyTorch: the numbers our programs must meet.

Data, class order and network as in cifar.py; training images are flipped at random and nothing else. Two protocols:

    S   ten tasks of five classes, at most 5 epochs
    L   25 classes, then five tasks of five; 10 epochs; the rate is the one of RATES under which the head of the first
        task is right most often on a tenth of its images held out, the smallest of equals. With --rate it is that one: a
        tenth holds 250 pictures, so that two programs may well choose differently

Settings of every method are in METHODS below, batch and epochs scaled down from the published ones. A seed decides on
initial values, the order of the images, flips, dropout, alignment samples and RanPAC's projection; never on the classes.

    python methods.py DATA WEIGHTS [--methods aper-adapter,...] [--protocol S|L [--rate R]] [--seeds 1,2,3]
                      [--json FILE] [--compare result.json ...]
"""

import argparse
import copy
import json
import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from cifar import RanPac, extract, load_network, percent, scheme, unit  # noqa: E402
from common import machine  # noqa: E402
from tunings import ADAPTER, TOKENS, CosineHead, tune  # noqa: E402


@dataclass(frozen=True)
class Method:
    """The settings of one method. SGD with momentum 0.9; the decay is on everything that learns."""

    tuning: str
    classifier: str  # concatenated: prototypes over [frozen, tuned]; ridge: RanPAC; linear: one block a task
    every_task: bool = False  # learns in every task, or in the first alone
    rate: float = 0.01  # of the head and of everything but `trunk`
    trunk: float = 1.0  # rate of the network over that of the head
    batch: int = 48
    decay: float = 5e-4
    milestone: float | None = None  # a tenth of the rate from this part of the epochs on; none: cosine to 0
    alignment: int = 0  # epochs of it, in every task but the first
    temperature: float = 0.1  # of the alignment's loss
    samples: int = 256  # a class and epoch of the alignment, and its batch
    alignment_rate: float = 0.01
    projection: int = 2000  # columns, of RanPAC


METHODS = {
    "aper-adapter": Method("adapter", "concatenated"),
    "aper-ssf": Method("ssf", "concatenated"),
    "aper-vpt-shallow": Method("vpt-shallow", "concatenated"),
    "aper-vpt-deep": Method("vpt-deep", "concatenated"),
    "aper-finetune": Method("full", "concatenated", batch=64),
    "ranpac-adapter": Method("adapter", "ridge"),
    "slca": Method("full", "linear", every_task=True, trunk=0.01, batch=64, milestone=0.9, alignment=5),
    "finetune": Method("full", "linear", every_task=True, batch=64),
}
PROTOCOLS = {"S": {"sizes": [5] * 10, "epochs": 5}, "L": {"sizes": [25] + [5] * 5, "epochs": 10}}
RATES = (0.003, 0.01, 0.03, 0.1)
BLOCK_DEVIATION = 0.02  # initial weights of a linear block
RIDGE_SEED = 0  # rows of RanPAC's hold-out, as in cifar.py


class Rows:
    """Training images on the way to the network: shuffled, flipped, normalised."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, random):
        import torch

        self.torch, self.random = torch, random
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)

    def __call__(self, batch: int):
        order = self.torch.randperm(len(self.labels), generator=self.random)
        for rows in order.split(batch):
            x = self.images[rows].float() / 127.5 - 1
            flipped = self.torch.rand(len(rows), generator=self.random) < 0.5
            yield self.torch.where(flipped[:, None, None, None], x.flip(-1), x), self.labels[rows]


def factor(method: Method, epoch: int, epochs: int) -> float:
    if method.milestone is None:
        return (1 + math.cos(math.pi * epoch / epochs)) / 2
    return 1.0 if epoch < math.floor(method.milestone * epochs) else 0.1


def train(model, learnable: dict, head, rows: Rows, method: Method, epochs: int, rate: float) -> list[float]:
    """Mean loss of each epoch. Labels are those of the head's own classes."""
    import torch

    groups = [{"params": list(head.parameters()), "base": rate}, {"params": list(learnable.values()), "base": rate * method.trunk}]
    optimiser = torch.optim.SGD(groups, lr=rate, momentum=0.9, weight_decay=method.decay)
    losses = []
    model.train()
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * factor(method, epoch, epochs)
        total = 0.0
        for x, y in rows(method.batch):
            optimiser.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(head(model(x)), y)
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(y)
        losses.append(total / len(rows.labels))
    model.eval()
    return losses


class LinearBlocks:
    """One linear classifier a task; their logits stand side by side."""

    def __init__(self, width: int, random):
        self.width, self.random, self.blocks = width, random, []

    def append(self, classes: int):
        import torch

        block = torch.nn.Linear(self.width, classes)
        with torch.no_grad():
            block.weight.copy_(BLOCK_DEVIATION * torch.randn(classes, self.width, generator=self.random))
            block.bias.zero_()
        self.blocks.append(block)
        return block

    def __call__(self, features):
        import torch

        return torch.cat([block(features) for block in self.blocks], -1)

    def scores(self, features: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self(torch.from_numpy(features).float()).numpy()


class Alignment:
    """Every class seen remembers mean and Cholesky factor of its features; the head learns from samples of them."""

    def __init__(self, method: Method, random):
        self.method, self.random, self.means, self.factors, self.tasks = method, random, [], [], []

    def remember(self, features: np.ndarray, labels: np.ndarray, classes: range, task: int) -> None:
        import torch

        for c in classes:
            mine = torch.from_numpy(features[labels == c])
            covariance = torch.cov(mine.T) + 1e-4 * torch.eye(mine.shape[1], dtype=torch.float64)
            self.means.append(mine.mean(0))
            self.factors.append(torch.linalg.cholesky(covariance))
            self.tasks.append(task)

    def run(self, blocks: LinearBlocks, task: int) -> None:
        import torch

        m, parameters = self.method, [p for block in blocks.blocks for p in block.parameters()]
        optimiser = torch.optim.SGD(parameters, lr=m.alignment_rate, momentum=0.9, weight_decay=m.decay)
        for epoch in range(m.alignment):
            for group in optimiser.param_groups:
                group["lr"] = m.alignment_rate * (1 + math.cos(math.pi * epoch / m.alignment)) / 2
            drawn = [(0.9 + 0.1 * (since + 1) / (task + 1)) * mean
                     + torch.randn(m.samples, len(mean), generator=self.random, dtype=torch.float64) @ lower.T
                     for mean, lower, since in zip(self.means, self.factors, self.tasks)]
            x, y = torch.cat(drawn).float(), torch.arange(len(drawn)).repeat_interleave(m.samples)
            for rows in torch.randperm(len(y), generator=self.random).split(m.samples):
                parts = [block(x[rows]) for block in blocks.blocks]
                length = torch.stack([part.norm(dim=-1) + 1e-7 for part in parts], -1).mean(-1, keepdim=True)
                loss = torch.nn.functional.cross_entropy(torch.cat(parts, -1) / (length * m.temperature), y[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()


class Frozen:
    """The network before any learning and what it makes of all images: the same for every run."""

    def __init__(self, weights: Path, images: np.ndarray, test_images: np.ndarray):
        self.model = load_network(weights)
        self.features, self.test_features = extract(self.model, images), extract(self.model, test_images)


class Experiment:
    def __init__(self, options, data: tuple, frozen: Frozen, name: str, seed: int):
        import torch

        torch.manual_seed(seed)  # dropout
        self.random = torch.Generator().manual_seed(seed)
        self.options, self.method, self.name, self.seed = options, METHODS[name], name, seed
        self.protocol = PROTOCOLS[options.protocol]
        self.order, self.images, self.labels, self.test_images, self.test_labels = data
        self.frozen = frozen

    def task(self, t: int) -> range:
        first = sum(self.protocol["sizes"][:t])
        return range(first, first + self.protocol["sizes"][t])

    def of(self, classes: range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(images, labels, features of the frozen network)"""
        mine = np.isin(self.labels, classes)
        return self.images[mine], self.labels[mine], self.frozen.features[mine]

    def first_head(self, width: int, classes: int):
        return LinearBlocks(width, self.random).append(classes) if self.method.classifier == "linear" else CosineHead(width, classes, self.random)

    def choose_rate(self, images: np.ndarray, labels: np.ndarray, classes: int) -> tuple[float, dict]:
        """Protocol L: every rate from the same start, judged on a tenth of the first task."""
        import torch

        order = np.random.default_rng(self.seed).permutation(len(labels))
        held, rest = np.split(order, [len(order) // 10])
        state, right = self.random.get_state(), {}
        for rate in RATES:
            self.random.set_state(state)
            torch.manual_seed(self.seed)
            model = copy.deepcopy(self.frozen.model)
            learnable = tune(model, self.method.tuning, self.random)
            head = self.first_head(model.embed_dim, classes)
            train(model, learnable, head, Rows(images[rest], labels[rest], self.random), self.method, self.protocol["epochs"], rate)
            with torch.inference_mode():
                right[rate] = percent(head(torch.from_numpy(extract(model, images[held])).float()).numpy(), labels[held])
        self.random.set_state(state)
        torch.manual_seed(self.seed)
        return max(RATES, key=lambda rate: (right[rate], -rate)), right

    def run(self) -> dict:
        import torch

        m, start, epochs = self.method, time.perf_counter(), self.protocol["epochs"]
        model = copy.deepcopy(self.frozen.model)
        width, classes = model.embed_dim, sum(self.protocol["sizes"])
        test, truth = self.test_images, self.test_labels
        report = {"method": self.name, "protocol": self.options.protocol, "seed": self.seed, "class_order": self.order.tolist(),
                  "train_images": len(self.labels), "test_images": len(truth), "tasks": []}
        images, labels, _ = self.of(self.task(0))
        chooses = self.options.protocol == "L" and self.options.rate is None
        rate, report["held_out"] = self.choose_rate(images, labels, len(self.task(0))) if chooses else (m.rate, {})
        report["rate"] = rate
        learnable = tune(model, m.tuning, self.random)
        frozen_test, tuned_test = self.frozen.test_features, None
        blocks, alignment = LinearBlocks(width, self.random), Alignment(m, self.random)
        prototypes = np.zeros((0, 2 * width))
        for t in range(len(self.protocol["sizes"])):
            begin, now = time.perf_counter(), self.task(t)
            images, labels, frozen_features = self.of(now)
            seen = truth < now.stop
            entry = {"classes": self.order[now.start:now.stop].tolist()}
            if t == 0 or m.every_task:
                head = blocks.append(len(now)) if m.classifier == "linear" else CosineHead(width, len(now), self.random)
                rows = Rows(images, labels - now.start, self.random)
                entry["losses"] = train(model, learnable, head, rows, m, epochs, rate)
                tuned_test = np.full_like(frozen_test, np.nan)  # of every test image, or of those asked for before the next change
                needed = seen if m.every_task else slice(None)
                tuned_test[needed] = extract(model, test[needed])
            if m.classifier == "linear":
                kept = [copy.deepcopy(block.state_dict()) for block in blocks.blocks]
                if m.alignment:
                    alignment.remember(extract(model, images), labels, now, t)
                    if t > 0:
                        alignment.run(blocks, t)
                scores = blocks.scores(tuned_test[seen])
                for block, state in zip(blocks.blocks, kept):
                    block.load_state_dict(state)
            elif m.classifier == "concatenated":
                both = np.concatenate([frozen_features, extract(model, images)], 1)
                prototypes = np.concatenate([prototypes, [both[labels == c].mean(0) for c in now]])
                scores = unit(np.concatenate([frozen_test[seen], tuned_test[seen]], 1)) @ unit(prototypes).T
            else:
                if t == 0:
                    ranpac = RanPac(torch.randn(width, m.projection, generator=self.random).numpy(), classes)
                    shuffle = np.random.default_rng(RIDGE_SEED)
                entry["ridge"] = ranpac.learn(extract(model, images), labels, shuffle.permutation(len(labels)))["ridge"]
                scores = ranpac.scores(tuned_test[seen], now.stop)
            right = scores.argmax(1) == truth[seen]
            entry["top1"] = 100.0 * float(right.mean())
            entry["per_task"] = [100.0 * float(right[np.isin(truth[seen], self.task(j))].mean()) for j in range(t + 1)]
            report["tasks"].append(entry | {"seconds": time.perf_counter() - begin})
        change = np.linalg.norm(tuned_test - frozen_test, axis=1) / np.linalg.norm(frozen_test, axis=1)
        curve = [entry["top1"] for entry in report["tasks"]]
        return report | {"average": float(np.mean(curve)), "last": curve[-1], "feature_change": float(change.mean()),
                         "seconds": time.perf_counter() - start}


def print_settings(options) -> None:
    protocol = PROTOCOLS[options.protocol]
    print(f"protocol {options.protocol}: tasks of {protocol['sizes']} classes, {options.per_class} images each, {protocol['epochs']} epochs; "
          f"rate {'as below' if options.protocol == 'S' else f'one of {RATES}' if options.rate is None else options.rate}; adapter {ADAPTER}, {TOKENS} prompt tokens from zeros")
    fields = [f for f in asdict(METHODS["slca"])]
    table = [["method", *fields]] + [[name, *("-" if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in asdict(METHODS[name]).values())]
                                     for name in options.methods]
    widths = [max(map(len, column)) for column in zip(*table)]
    print("\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths)) for row in table), flush=True)


def show(report: dict) -> None:
    curve = " ".join(f"{task['top1']:5.1f}" for task in report["tasks"])
    print(f"{report['method']:16} seed {report['seed']} rate {report['rate']:<5g} {curve}  average {report['average']:.2f} last {report['last']:.2f} "
          f"features moved {report['feature_change']:.3f}  {report['seconds']:.0f} s", flush=True)


def compare(reports: list[dict], paths: list[Path]) -> list[dict]:
    """Each result.json of ours beside the mean over our seeds here: differences in points, theirs minus these."""
    rows = []
    for path in paths:
        result = json.loads(path.read_text())
        mine = [r for r in reports if r["method"] == result["method"]]
        if not mine:
            raise SystemExit(f"{path} is of {result['method']}; here are {', '.join(sorted({r['method'] for r in reports}))}")
        if result["class_order"][: len(mine[0]["class_order"])] != mine[0]["class_order"]:
            raise SystemExit(f"{path} has another class order")
        here = np.mean([[task["top1"] for task in r["tasks"]] for r in mine], 0)
        there = np.array([task["top1"] for task in result["tasks"]])
        averages = [r["average"] for r in mine]
        rows.append({"file": str(path), "method": result["method"], "difference": (there - here).tolist(),
                     "average": float(there.mean() - here.mean()), "last": float(there[-1] - here[-1]),
                     "seeds": len(mine), "spread": float(max(averages) - min(averages))})
        print(f"{rows[-1]['method']:16} {' '.join(f'{d:+5.1f}' for d in rows[-1]['difference'])}  average {rows[-1]['average']:+.2f} "
              f"last {rows[-1]['last']:+.2f}; {len(mine)} seeds here spread over {rows[-1]['spread']:.2f}")
    return rows


def parser(doc: str, methods) -> argparse.ArgumentParser:
    """What this script and prompt_methods.py are told in the same words."""
    arguments = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path, help="folder with train.bin and test.bin in CIFAR-100's binary layout")
    arguments.add_argument("weights", type=Path, help="a ViT in safetensors, timm's names")
    arguments.add_argument("--methods", type=lambda text: text.split(","), default=list(methods))
    arguments.add_argument("--protocol", choices=PROTOCOLS, default="S")
    arguments.add_argument("--seeds", type=lambda text: [int(v) for v in text.split(",")], default=[1, 2, 3])
    arguments.add_argument("--per-class", type=int, default=100, help="training images of a class")
    arguments.add_argument("--rate", type=float, default=None, help="instead of every method's own, and of choosing one in protocol L")
    arguments.add_argument("--epochs", type=int, default=None, help="instead of the protocol's")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--compare", type=Path, nargs="+", default=[], metavar="result.json")
    arguments.add_argument("--json", type=Path, default=None, help="written after every run; runs it already has are kept")
    return arguments


def parsed(arguments: argparse.ArgumentParser, methods):
    options = arguments.parse_args()
    if unknown := set(options.methods) - set(methods):
        arguments.error(f"no method {', '.join(sorted(unknown))}; there are {', '.join(methods)}")
    if options.epochs:
        PROTOCOLS[options.protocol]["epochs"] = options.epochs
    return options


def complete(options, settings: dict, run, show) -> None:
    """Every method with every seed by `run(name, seed)`, but for what options.json already has."""
    import timm
    import torch

    settings, reports = json.loads(json.dumps(settings)), []
    if options.json and options.json.is_file():
        before = json.loads(options.json.read_text())
        if before["settings"] != settings:
            raise SystemExit(f"{options.json} has runs of other settings")
        reports = before["runs"]
    done = {(r["method"], r["seed"]) for r in reports}
    written = {"machine": machine(), "versions": {m.__name__: m.__version__ for m in (torch, timm)}, "settings": settings, "runs": reports}
    for report in reports:
        show(report)
    for seed in options.seeds:
        for name in options.methods:
            if (name, seed) in done:
                continue
            reports.append(run(name, seed))
            show(reports[-1])
            if options.json:
                options.json.parent.mkdir(parents=True, exist_ok=True)
                options.json.write_text(json.dumps(written, indent=1) + "\n")
    if options.compare:
        written["comparison"] = compare(reports, options.compare)
        if options.json:
            options.json.write_text(json.dumps(written, indent=1) + "\n")


def main() -> None:
    options = parsed(parser(__doc__, METHODS), METHODS)
    if options.rate:
        METHODS.update({name: replace(METHODS[name], rate=options.rate) for name in options.methods})
    import torch

    torch.set_num_threads(options.threads)
    print_settings(options)
    data = scheme(options.data, options.per_class, sum(PROTOCOLS[options.protocol]["sizes"]))
    settings = {"protocol": options.protocol, **PROTOCOLS[options.protocol], "per_class": options.per_class,
                "methods": {name: asdict(METHODS[name]) for name in options.methods}}
    frozen = Frozen(options.weights, data[1], data[3])
    complete(options, settings, lambda name, seed: Experiment(options, data, frozen, name, seed).run(), show)


if __name__ == "__main__":
    main()
