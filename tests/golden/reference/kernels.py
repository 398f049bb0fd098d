"""kernels.safetensors: single kernels, float32 in and float64 out. Pure numpy, but for erf."""

from math import erf, exp, pi, sqrt
from pathlib import Path

import numpy as np

from .store import save

wide = lambda x: np.asarray(x, np.float64)  # noqa: E731


def layer_norm(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdims=True)
    return weight * centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) + bias


def layer_norm_gradient(x, weight, eps, dy):
    """(dx, dweight, dbias) for a gradient dy of the result."""
    rs = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
    xhat, g = (x - x.mean(-1, keepdims=True)) * rs, weight * dy
    return rs * (g - g.mean(-1, keepdims=True) - xhat * (g * xhat).mean(-1, keepdims=True)), (dy * xhat).sum(0), dy.sum(0)


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def activations(u):
    phi, Phi = np.vectorize(lambda v: exp(-v * v / 2) / sqrt(2 * pi)), np.vectorize(lambda v: (1 + erf(v / sqrt(2))) / 2)
    s = 1 / (1 + np.exp(-1.702 * u))
    c = sqrt(2 / pi)
    t = np.tanh(c * (u + 0.044715 * u**3))
    return {"gelu": (u * Phi(u), Phi(u) + u * phi(u)),
            "quick_gelu": (u * s, s * (1 + 1.702 * u * (1 - s))),
            "gelu_tanh": (u * (1 + t) / 2, (1 + t) / 2 + u / 2 * (1 - t**2) * c * (1 + 0.134145 * u**2))}


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def generate(root: Path) -> None:
    random = np.random.RandomState(7000)
    normal = lambda *shape, scale=1.0, shift=0.0: (shift + scale * random.standard_normal(shape)).astype(np.float32)  # noqa: E731
    out: dict[str, np.ndarray] = {}

    # Width 20 fills no vector register evenly; constant rows have width 16, where every way to divide is exact.
    groups = {"layer_norm": np.concatenate([normal(3, 20), normal(2, 20, scale=0.02), normal(1, 20, shift=3.0)]),
              "layer_norm_shifted": normal(3, 20, shift=1000.0),
              "layer_norm_constant": np.stack([np.full(16, 3.25), np.full(16, -0.001), np.zeros(16)]).astype(np.float32)}
    groups["layer_norm"][5, 4] = 50.0
    for group, x in groups.items():
        weight, bias, dy = normal(x.shape[1], scale=0.3, shift=1.0), normal(x.shape[1], scale=0.2), normal(*x.shape)
        out |= {f"{group}.input": x, f"{group}.weight": weight, f"{group}.bias": bias}
        for label, eps in (("1e-5", 1e-5), ("1e-6", 1e-6), ("1e-12", 1e-12)):
            out[f"{group}.output.eps{label}"] = layer_norm(wide(x), wide(weight), wide(bias), eps)
            if group == "layer_norm":  # a constant row has a gradient of the size of 1/sqrt(eps)
                out[f"{group}.output_gradient"] = dy
                for name, value in zip(("input", "weight", "bias"), layer_norm_gradient(wide(x), wide(weight), eps, wide(dy))):
                    out[f"{group}.{name}_gradient.eps{label}"] = value

    u = np.concatenate([np.linspace(-12, 12, 193), [-1e-4, 1e-4, -1e-8, 1e-8, -0.7517915, 100.0, -100.0]]).astype(np.float32)
    out["activation.input"] = u
    for name, (value, slope) in activations(wide(u)).items():
        out |= {f"activation.{name}": value, f"activation.{name}.slope": slope}

    s = np.concatenate([normal(4, 13, scale=3.0), normal(1, 13, shift=1e4), np.full((1, 13), -7.5, np.float32), normal(1, 13, scale=200.0)])
    out |= {"softmax.input": s, "softmax.output": softmax(wide(s))}

    q, k, v = normal(2, 3, 7, 5, scale=1.6), normal(2, 3, 7, 5, scale=1.6), normal(2, 3, 7, 5)
    pk, pv, do = normal(2, 3, 4, 5, scale=1.6), normal(2, 3, 4, 5), normal(2, 3, 7, 5)
    out |= {"attention.q": q, "attention.k": k, "attention.v": v, "attention.prefix_k": pk, "attention.prefix_v": pv,
            "attention.output_gradient": do}
    for name, keys, values in (("attention", k, v), ("attention_prefix", np.concatenate([pk, k], 2), np.concatenate([pv, v], 2))):
        scale = 5**-0.5
        weights = softmax(wide(q) @ wide(keys).swapaxes(-1, -2) * scale)
        o = weights @ wide(values)
        da = wide(do) @ wide(values).swapaxes(-1, -2)
        ds = weights * (da - (weights * da).sum(-1, keepdims=True))
        out |= {f"{name}.output": o, f"{name}.q_gradient": scale * ds @ wide(keys),
                f"{name}.k_gradient": scale * ds.swapaxes(-1, -2) @ wide(q), f"{name}.v_gradient": weights.swapaxes(-1, -2) @ wide(do)}

    queries, keys = normal(6, 9), normal(8, 9, scale=30.0)
    queries[2], keys[5], queries[4] = 0, 0, 3 * queries[3]  # nothing matches a zero; scale does not matter
    out |= {"cosine.queries": queries, "cosine.keys": keys, "cosine.scores": unit(wide(queries)) @ unit(wide(keys)).T}

    scores = (random.randint(-4, 5, (6, 11)) / 2.0).astype(np.float32)  # many ties: the lower index first
    scores[0] = 1.5
    order = np.argsort(-scores, axis=1, kind="stable")
    out |= {"top_k.scores": scores, "top_k.index": order.astype(np.int64), "top_k.value": np.take_along_axis(scores, order, 1)}
    save(root / "kernels.safetensors", out, {"seed": 7000, "top_k": "whole order, best first; the first k columns are the answer for k"})
