"""SimpleCIL and RanPAC on the fifty held-out classes of CIFAR-100, in PyTorch: the numbers our tool must meet.

Class order: the first 50 of numpy's RandomState(1993).permutation(100), ten tasks of five; the first 100 training
images of each class in file order; input x / 127.5 - 1; the class token is the feature. RanPAC: one projection, the
ridge value chosen on a fifth of each task, linear scores; everything behind the features in float64.

    python cifar.py DATA WEIGHTS [--projection FILE] [--ridge 1e5[,1e5,...]] [--compare result.json] [--json FILE]

`--projection` reads the tensor `projection` [D, M]; without it, it is drawn from N(0, 1) by default_rng(1993), M 2000.
The hold-out rows are default_rng(0)'s. Another shuffle chose another ridge value in the close races of the first and
the last task, worth up to 2 points in the first; another projection moved the others by up to 1. So a comparison to
the digit gives both: the projection of the run it compares with, and by `--ridge` its ridge values.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

LAMBDAS = [10.0**k for k in range(-8, 9)]
TASKS, PER_TASK, PER_CLASS, RECORD = 10, 5, 100, 3074


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(images [N, 3, 32, 32] of bytes, fine labels [N])"""
    rows = np.fromfile(path, np.uint8).reshape(-1, RECORD)
    return rows[:, 2:].reshape(-1, 3, 32, 32), rows[:, 1].astype(int)


def scheme(data: Path, per_class: int = PER_CLASS, classes: int = TASKS * PER_TASK) -> tuple[np.ndarray, ...]:
    """(class order, images, labels, test images, test labels): the first `per_class` training images of each class in
    file order, and all test images of these classes; a label is the place of the class in the order."""
    order = np.random.RandomState(1993).permutation(100)[:classes]
    position = {int(c): i for i, c in enumerate(order)}
    (images, fine), (test_images, test_fine) = read(data / "train.bin"), read(data / "test.bin")
    chosen = np.sort(np.concatenate([np.flatnonzero(fine == c)[:per_class] for c in order]))
    known = np.isin(test_fine, order)
    place = lambda labels: np.array([position[int(c)] for c in labels])  # noqa: E731
    return order, images[chosen], place(fine[chosen]), test_images[known], place(test_fine[known])


def load_network(path: Path):
    """The network, read off the shapes of the file; heads are 64 wide."""
    from safetensors.torch import load_file
    from timm.models.vision_transformer import VisionTransformer

    p = {name: value.float() for name, value in load_file(path).items() if not name.startswith("head.")}
    width, _, patch, _ = p["patch_embed.proj.weight"].shape
    grid = round((p["pos_embed"].shape[1] - 1) ** 0.5)
    model = VisionTransformer(img_size=grid * patch, patch_size=patch, embed_dim=width, num_heads=width // 64, num_classes=0,
                              depth=1 + max(int(n.split(".")[1]) for n in p if n.startswith("blocks.")))
    model.load_state_dict(p)
    return model.eval()


def extract(model, images: np.ndarray, batch: int = 250) -> np.ndarray:
    import torch

    with torch.inference_mode():
        parts = [model(torch.from_numpy(images[i:i + batch]).float() / 127.5 - 1).double().numpy() for i in range(0, len(images), batch)]
    return np.concatenate(parts)


def percent(scores: np.ndarray, labels: np.ndarray) -> float:
    return 100.0 * float((scores.argmax(1) == labels).mean())


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


class RanPac:
    """Everything in float64 and in torch. The fit part has fewer rows than the projection has columns, so
    (G_fit + lambda I)^-1 Q_fit is taken as H'(K + lambda I)^-1 Y with K = HH': the same matrix, but solvable at 1e-8."""

    def __init__(self, projection: np.ndarray, classes: int):
        import torch

        self.torch, self.projection = torch, torch.from_numpy(projection).double()
        size = projection.shape[1]
        self.gram, self.sums = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, classes, dtype=torch.float64)

    def lift(self, features: np.ndarray):
        return self.torch.relu(self.torch.from_numpy(features) @ self.projection)

    def learn(self, features: np.ndarray, labels: np.ndarray, order: np.ndarray, ridge: float | None = None) -> dict:
        torch = self.torch
        h = self.lift(features)
        y = torch.nn.functional.one_hot(torch.from_numpy(labels), self.sums.shape[1]).double()
        self.gram += h.T @ h
        self.sums += h.T @ y
        fit = int(0.8 * len(order))
        rows, held = order[:fit], order[fit:]
        kernel, cross = h[rows] @ h[rows].T, h[held] @ h[rows].T
        identity = torch.eye(fit, dtype=torch.float64)
        losses = [float(((cross @ torch.linalg.solve(kernel + v * identity, y[rows]) - y[held]) ** 2).mean()) for v in LAMBDAS]
        ridge = ridge or LAMBDAS[int(np.argmin(losses))]
        self.weights = torch.linalg.solve(self.gram + ridge * torch.eye(len(self.gram), dtype=torch.float64), self.sums)
        return {"ridge": ridge, "losses": losses}

    def scores(self, features: np.ndarray, seen: int) -> np.ndarray:
        return (self.lift(features) @ self.weights[:, :seen]).numpy()


def experiment(options) -> dict:
    from safetensors.numpy import load_file, save_file

    order, images, labels, test_images, test_labels = scheme(options.data)
    start = time.perf_counter()
    model = load_network(options.weights)
    features, test_features = extract(model, images), extract(model, test_images)
    seconds = {"features": time.perf_counter() - start}
    width = features.shape[1]
    if options.projection:
        projection = load_file(options.projection)["projection"]
        assert projection.shape[0] == width, f"projection {projection.shape} for features of width {width}"
    else:
        projection = np.random.default_rng(1993).standard_normal((width, 2000)).astype(np.float32)
    if options.save_projection:
        save_file({"projection": projection}, options.save_projection)

    ridges = options.ridge * TASKS if len(options.ridge) == 1 else options.ridge
    assert len(ridges) == TASKS, f"--ridge has {len(ridges)} values for {TASKS} tasks"
    start = time.perf_counter()
    shuffle, ranpac = np.random.default_rng(0), RanPac(projection, TASKS * PER_TASK)
    prototypes, tasks = np.zeros((0, width)), []
    for t in range(TASKS):
        seen = (t + 1) * PER_TASK
        now = labels // PER_TASK == t
        known = test_labels < seen
        prototypes = np.concatenate([prototypes, [features[labels == c].mean(0) for c in range(seen - PER_TASK, seen)]])
        details = ranpac.learn(features[now], labels[now], shuffle.permutation(int(now.sum())), ridges[t])
        mine, truth = test_features[known], test_labels[known]
        simple, random_projection = unit(mine) @ unit(prototypes).T, ranpac.scores(mine, seen)
        of_task = lambda scores: [percent(scores[truth // PER_TASK == j], truth[truth // PER_TASK == j]) for j in range(t + 1)]  # noqa: E731
        tasks.append({"classes": order[seen - PER_TASK:seen].tolist(),
                      "simplecil": percent(simple, truth), "simplecil_per_task": of_task(simple),
                      "ranpac": percent(random_projection, truth), "ranpac_per_task": of_task(random_projection)} | details)
    seconds["learning"] = time.perf_counter() - start
    average = lambda method: float(np.mean([task[method] for task in tasks]))  # noqa: E731
    return {"class_order": order.tolist(), "train_images": len(images), "test_images": len(test_images), "projection": list(projection.shape),
            "tasks": tasks, "average_accuracy": {m: average(m) for m in ("simplecil", "ranpac")},
            "last_accuracy": {m: tasks[-1][m] for m in ("simplecil", "ranpac")}, "seconds": seconds}


def compare(report: dict, result: dict) -> dict:
    """Our tool's result.json against this one: top-1 after each task, in points."""
    method = result["method"]
    if method not in report["average_accuracy"]:
        raise SystemExit(f"result.json is of {method}; this script computes {', '.join(report['average_accuracy'])}")
    rows = [{"task": t, "here": here[method], "there": there["top1"], "difference": there["top1"] - here[method]}
            for t, (here, there) in enumerate(zip(report["tasks"], result["tasks"], strict=True))]
    return {"method": method, "same_class_order": result["class_order"][: len(report["class_order"])] == report["class_order"],
            "rows": rows, "largest_difference": max(abs(row["difference"]) for row in rows)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path, help="folder with train.bin and test.bin in CIFAR-100's binary layout")
    arguments.add_argument("weights", type=Path, help="a ViT in safetensors, timm's names")
    arguments.add_argument("--projection", type=Path)
    arguments.add_argument("--save-projection", type=Path)
    arguments.add_argument("--ridge", type=lambda text: [float(v) for v in text.split(",")], default=[None],
                           help="one value, or one a task, instead of the choice on held-out rows")
    arguments.add_argument("--compare", type=Path, metavar="result.json", help="exit 1 if an accuracy differs by more than --within")
    arguments.add_argument("--within", type=float, default=0.5, help="points")
    arguments.add_argument("--json", type=Path, help="write here instead of printing")
    options = arguments.parse_args()
    import torch

    torch.set_num_threads(2)
    report = experiment(options)
    if options.compare:
        report["comparison"] = compare(report, json.loads(options.compare.read_text()))
    text = json.dumps(report, indent=1)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n")
    else:
        print(text)
    if options.compare and not (report["comparison"]["same_class_order"] and report["comparison"]["largest_difference"] <= options.within):
        sys.exit(1)


if __name__ == "__main__":
    main()
