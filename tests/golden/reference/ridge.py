"""ridge.safetensors: RanPAC and SimpleCIL on three small tasks, in float64 numpy, from the formulas alone.

Nothing here is solved the way a library would: every ridge problem goes through the singular values of H, where
(H'H + lambda I)^-1 H' = V diag(s / (s^2 + lambda)) U' stays accurate down to lambda = 1e-8 although H'H is singular.
"""

from pathlib import Path

import numpy as np

from .store import save

LAMBDAS = 10.0 ** np.arange(-8, 9)
D, M, CLASSES, PER_TASK = 16, 64, 9, (60, 57, 64)


class Ridge:
    """(H'H + lambda I)^-1 H'Y for every lambda, from one factorisation."""

    def __init__(self, h: np.ndarray, y: np.ndarray):
        self.h, self.y = h, y
        self.u, self.s, self.vt = np.linalg.svd(h, full_matrices=False)

    def weights(self, lam: float) -> np.ndarray:
        return self.vt.T @ ((self.s / (self.s**2 + lam))[:, None] * (self.u.T @ self.y))

    def residual(self, lam: float) -> np.ndarray:
        """Y - H W without cancellation: the part outside the range of H, and lambda / (s^2 + lambda) of the rest."""
        inside = self.u.T @ self.y
        outside = self.y - self.u @ inside if self.u.shape[0] > self.u.shape[1] else 0.0
        return outside + self.u @ ((lam / (self.s**2 + lam))[:, None] * inside)

    def slack(self, lam: float) -> np.ndarray:
        """1 - h_i' (H'H + lambda I)^-1 h_i for every row: what its own label leaves to the others."""
        if self.u.shape[0] > self.u.shape[1]:
            return 1 - (self.u**2 * (self.s**2 / (self.s**2 + lam))).sum(1)
        return (self.u**2 * (lam / (self.s**2 + lam))).sum(1)

    def gcv(self, lam: float) -> float:
        n = len(self.h)
        return (self.residual(lam) ** 2).sum() / n / (self.slack(lam).sum() / n) ** 2

    def leave_one_out(self, lam: float) -> float:
        """mean over the rows of |y_i - prediction of the model that never saw row i|^2."""
        return ((self.residual(lam) / self.slack(lam)[:, None]) ** 2).sum(1).mean()


def draw_tasks(random) -> list[tuple[np.ndarray, np.ndarray]]:
    """Three classes a task, unequal in number, close enough to be confused."""
    centres = random.standard_normal((CLASSES, D))
    tasks = []
    for t, n in enumerate(PER_TASK):
        labels = 3 * t + random.choice(3, n, p=(0.5, 0.3, 0.2))
        tasks.append(((centres[labels] + (0.7 + 0.4 * t) * random.standard_normal((n, D))).astype(np.float32), labels))
    return tasks


def unit(x, axis=-1):
    return x / np.maximum(np.linalg.norm(x, axis=axis, keepdims=True), 1e-12)


def generate(root: Path) -> None:
    random = np.random.RandomState(9000)
    tasks = draw_tasks(random)
    projection = random.standard_normal((D, M)).astype(np.float32)
    queries = np.concatenate([f[:5] for f, _ in tasks]) + 0.3 * random.standard_normal((15, D))
    queries = np.concatenate([queries, np.zeros((1, D))]).astype(np.float32)
    lift = lambda f: np.maximum(f.astype(np.float64) @ projection.astype(np.float64), 0)  # noqa: E731
    one_hot = lambda labels, n=CLASSES: np.eye(n)[labels]  # noqa: E731
    out = {"projection": projection, "lambdas": LAMBDAS, "queries": queries}
    chosen = []

    h_all, y_all, f_all, label_all = np.zeros((0, M)), np.zeros((0, CLASSES)), np.zeros((0, D)), np.zeros(0, int)
    for t, (f, labels) in enumerate(tasks):
        h, y, seen = lift(f), one_hot(labels), 3 * (t + 1)
        order = random.permutation(len(f))
        fit = int(0.8 * len(f))
        split = Ridge(h[order[:fit]], y[order[:fit]])
        held_h, held_y = h[order[fit:]], y[order[fit:]]
        loss = np.array([((held_h @ split.weights(lam) - held_y) ** 2).mean() for lam in LAMBDAS])
        lam = LAMBDAS[int(np.argmin(loss))]
        best = np.sort(loss)
        assert best[1] > 1.0001 * best[0], "the choice must not hang on the last digits"
        chosen.append(float(lam))

        h_all, y_all = np.concatenate([h_all, h]), np.concatenate([y_all, y])
        f_all, label_all = np.concatenate([f_all, f.astype(np.float64)]), np.concatenate([label_all, labels])
        joint, alone = Ridge(h_all, y_all), Ridge(h, y)
        g, q, w = h_all.T @ h_all, (h_all.T @ y_all)[:, :seen], joint.weights(lam)[:, :seen]
        assert np.abs((g + lam * np.eye(M)) @ w - q).max() < 1e-9 * np.abs(q).max()
        hq = lift(queries)
        prototypes = np.stack([f_all[label_all == c].mean(0) for c in range(seen)])
        # Prospective leave-one-out: the accumulated model, judged by the rows of the current task.
        recent = slice(len(h_all) - len(h), None)
        prospective = [((joint.residual(v)[recent] / joint.slack(v)[recent, None]) ** 2).sum(1).mean() for v in LAMBDAS]
        here = f"task{t}."
        out |= {f"{here}features": f, f"{here}labels": labels.astype(np.int64), f"{here}order": order.astype(np.int64),
                f"{here}validation_loss": loss, f"{here}gcv": np.array([joint.gcv(v) for v in LAMBDAS]),
                f"{here}leave_one_out": np.array([alone.leave_one_out(v) for v in LAMBDAS]),
                f"{here}prospective_leave_one_out": np.array(prospective),
                f"{here}gram": g, f"{here}class_sums": q, f"{here}weights": w, f"{here}counts": y_all.sum(0)[:seen].astype(np.int64),
                f"{here}linear_scores": hq @ w, f"{here}cosine_scores": unit(hq) @ unit(w, 0),
                f"{here}prototypes": prototypes, f"{here}prototype_scores": unit(queries.astype(np.float64)) @ unit(prototypes).T}
    save(root / "ridge.safetensors", out, {
        "seed": 9000, "lambda": chosen, "width": D, "projection": M, "classes": CLASSES, "fit_fraction": 0.8,
        "validation_loss": "mean over validation rows and all 9 columns; the fit part is order[:floor(0.8 n)]",
        "gcv": "all rows so far", "leave_one_out": "rows of the task alone", "prospective_leave_one_out": "rows of the task, model of all"})
    check_worked_example()


def check_worked_example() -> None:
    """The numbers of the specification, by this code."""
    small = Ridge(np.array([[1.0, 0], [0, 1], [1, 1]]), np.eye(2)[[0, 1, 1]])
    assert np.allclose(small.weights(1.0), [[0.375, 0.125], [-0.125, 0.625]])
    assert np.isclose(small.leave_one_out(1.0), 2 * 0.3233333333)  # the specification averages over the two columns as well
    assert np.isclose(small.gcv(1.0), 0.6734693878)
