"""protocol.json: class orders, increments, and the metrics of one accuracy matrix. Pure numpy."""

from pathlib import Path

import numpy as np

from .store import save_json


def increments(total: int, first: int, step: int) -> list[int]:
    sizes = [first]
    while sum(sizes) + step < total:
        sizes.append(step)
    return sizes + ([total - sum(sizes)] if total > sum(sizes) else [])


def metrics(hits: np.ndarray, counts: np.ndarray, baseline: np.ndarray) -> dict:
    """`hits[t][j]` of `counts[j]` test images of task j right after stage t (j > t: before the task was learned).
    All in percent, unrounded; `toolbox_*` rounds each accuracy to two decimals first, as PILOT does."""
    stages = len(counts)
    matrix = 100.0 * hits / counts
    stage = [100.0 * hits[t, : t + 1].sum() / counts[: t + 1].sum() for t in range(stages)]
    seen = np.tril(np.ones((stages, stages), bool))
    known = np.where(seen, matrix, -np.inf)  # the plain definition: stages at which the task exists
    with_zero = np.where(seen, matrix, 0.0)  # the toolbox: 0 before that, last stage included
    rounded = np.round(with_zero, 2)
    last = stages - 1
    gained = [matrix[j - 1, j] - baseline[j] for j in range(1, stages)]
    moved = [matrix[last, j] - matrix[j, j] for j in range(last)]
    return {
        "accuracy_matrix": matrix.tolist(),
        "stage_accuracy": stage,
        "last_accuracy": stage[-1],
        "average_incremental_accuracy": float(np.mean(stage)),
        "forgetting": float(np.mean([known[:last, j].max() - matrix[last, j] for j in range(last)])),
        "forgetting_toolbox": float(np.mean([with_zero[:, j].max() - matrix[last, j] for j in range(last)])),
        "backward_transfer": float(np.mean(moved)),
        "backward_transfer_over_all_tasks": float(np.sum(moved) / stages),
        "forward_transfer": float(np.mean(gained)),
        "forward_transfer_over_all_tasks": float(np.sum(gained) / stages),
        "toolbox_stage_accuracy": np.round(stage, 2).tolist(),
        "toolbox_average_incremental_accuracy": float(np.mean(np.round(stage, 2))),
        "toolbox_forgetting": float(np.mean([rounded[:, j].max() - rounded[last, j] for j in range(last)])),
    }


def top_k(random) -> dict:
    """Scores with ties, which go to the lowest class; `hits[k]` counts labels among the k best."""
    scores = random.randint(-3, 4, (12, 7)) / 2.0
    labels = random.randint(0, 7, 12)
    order = np.argsort(-scores, axis=1, kind="stable")
    labels[::3] = order[::3, 0]
    return {"scores": scores.tolist(), "labels": labels.tolist(), "order": order.tolist(),
            "hits": {k: int(sum(labels[i] in order[i, :k] for i in range(12))) for k in (1, 2, 5, 7)}}


def generate(root: Path) -> None:
    seeds, sizes = (0, 1, 42, 1993, 1996), (10, 50, 100, 200, 300)
    random = np.random.RandomState(6000)
    counts = np.array([40, 25, 60, 35, 7])
    hits = np.array([[random.randint(0, c + 1) for c in counts] for _ in counts])
    hits[-1, 1] = counts[1]  # a task that is best in the end: the two definitions of forgetting part
    baseline = np.round(random.uniform(0, 30, len(counts)), 1)
    save_json(root / "protocol.json", {
        "about": "class orders: RandomState(seed).permutation(n); increments: (total, first, step) -> sizes",
        "words": [{"seed": s, "first": [int(w) for w in np.random.RandomState(s).randint(0, 2**32, 6, dtype=np.uint64)]} for s in seeds],
        "orders": [{"seed": s, "n": n, "order": np.random.RandomState(s).permutation(n).tolist()} for s in seeds for n in sizes],
        "increments": [{"total": t, "first": f, "step": s, "sizes": increments(t, f, s)} for t, f, s in (
            (100, 50, 10), (100, 10, 10), (100, 10, 7), (10, 4, 4), (50, 5, 5), (10, 10, 3), (7, 1, 1), (9, 2, 100), (200, 100, 33), (1, 1, 1))],
        "matrix": {"hits": hits.tolist(), "counts": counts.tolist(), "baseline": baseline.tolist()},
        "metrics": metrics(hits, counts, baseline),
        "top_k": top_k(random)})
