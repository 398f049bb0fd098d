"""mixtures.safetensors: merge rules, energies and votes on plain vectors, in float64.

Every result is computed by mixing.py and by numpy from another form of the formula, and the small numbers that the
papers' formulas give by hand are asked for first.
"""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from timm.layers import Mlp
from timm.models.cait import ClassAttn
from torch.nn import functional as F

from . import mixing
from .mixing import TEMPERATURES
from .store import relative_error, save

SEED, P = 7100, 37  # P is no multiple of any width of a register
STEPS, INTERVAL, SAMPLES = 12, 5, 23
MEMBERS = (3, 2, 4)  # classes of each task


def near(value, expected, within: float = 5e-7) -> None:
    value, expected = (torch.as_tensor(v, dtype=torch.float64).detach() for v in (value, expected))
    assert value.shape == expected.shape and float((value - expected).abs().max()) <= within, (value, expected)


def row(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def worked_examples() -> None:
    merge_examples()
    energy_examples()
    module_examples()
    fisher_examples()
    class_attention_example()


def merge_examples() -> None:
    offline = row(0.0)
    for _ in range(1000):
        mixing.ema(offline, row(1.0), 0.9999)
    near(offline, [0.095167])
    offline, online = row(0.3), row(0.7)
    mixing.ema_of_constant(offline, online, 0.9999, 600)
    near(offline, [0.323295])
    for alpha, expected in ((1.0, 0.3), (0.0, 0.7)):
        offline = row(0.3)
        mixing.ema(offline, online, alpha)
        near(offline, [expected], 1e-15)
    mean = row(0.0)
    for i, sample in enumerate((1.0, 2.0, 3.0)):
        mixing.periodic_mean(mean, row(sample), i)
    near(mean, [1.5])
    once = row(4.0)
    mixing.periodic_mean(once, row(8.0), 0)
    near(once, [6.0])
    mixed, plain = row(0.0), row(0.0)
    for i in range(11):  # the mean and, after each merge, a step of .98 from the start
        mixing.periodic_mean(plain, row(1.0), i)
        mixing.periodic_mean(mixed, row(1.0), i)
        mixed = mixing.wise(mixed, row(0.0), 0.98)
    near(mixed, [0.81368], 5e-6)
    near(plain, [0.9166667])
    merged = lambda f0, f1, alpha, eps=1e-20: mixing.fisher_mean(row(1.0), row(3.0), row(f0), row(f1), alpha, eps)  # noqa: E731
    near(merged(1e-4, 3e-5, 0.5), [1.461538])
    near(merged(1e-4, 3e-5, 0.4), [1.3333333])
    near(merged(2e-5, 2e-5, 0.4), [1.8])
    near(merged(0.0, 0.0, 0.4), [1.8])
    assert merged(0.0, 0.0, 0.4, 0.0).isnan().all(), "without eps nothing is divided by nothing"
    near(merged(7e-4, 21e-5, 0.4), merged(1e-4, 3e-5, 0.4), 1e-12)
    near(merged(1e-4, 3e-5, 0.0), [1.0])
    near(merged(1e-4, 3e-5, 1.0), [3.0])


def energy_examples() -> None:
    z = row(1, 2, 3)[None]
    for form, expected, term in (("soft-min", 0.592394, 11.219881), ("soft-max", -3.407606, 4.345966)):
        near(mixing.free_energy(z, form), [expected])
        near(0.1 * mixing.anchor(z, -10.0, form), term)
    z0, z1 = row(3, 0, 0)[None], row(2.6, 2.6, 2.6)[None]
    for t, expected in ((0.001, (3000, 2601.0985)), (0.1, (30.0, 27.0986)), (0.5, (6.0049, 6.2986)), (1.0, (3.0949, 3.6986))):
        near(mixing.energies([z0, z1], t)[0], expected, 2e-4)
    for temperatures in ([0.001, 0.1, 0.5], [0.001, 1.0], [0.001, 1.0, 1.0, 1.0]):  # a temperature counts once
        assert [int(part) for part in mixing.energy_vote([z0, z1], temperatures)] == [0, 0]
    assert [int(part) for part in mixing.energy_vote([z1, z0], [0.001, 1.0])] == [0, 0]  # a tie goes to the first
    assert [int(part) for part in mixing.energy_vote([z0, z1], [1.0])] == [1, 3]
    assert [int(part) for part in mixing.energy_vote([z0], [1.0])] == [0, 0]
    on, off = row(5, 4.9, 0)[None], row(0, 0, 3)[None]
    near(mixing.max_softmax([on, off]).exp()[0], (0.5231, 0.4733, 0.9094), 6e-5)
    assert int(mixing.max_softmax([on, off]).argmax()) == 2 and int(torch.maximum(on, off).argmax()) == 0
    z = row(3, 4, 0, 5)[None]  # aligned heads, two tasks of two, lengths 5 and 5
    scaled = z / ((z[:, :2].norm() + 1e-7 + z[:, 2:].norm() + 1e-7) / 2 * 0.1)
    near(scaled[0], (6, 8, 0, 10), 1e-6)
    near(F.cross_entropy(scaled, torch.tensor([3])), 0.142971)
    near([0.9 + 0.1 * (i + 1) / 5 for i in range(5)], [0.92, 0.94, 0.96, 0.98, 1.0], 1e-12)


class Bare:
    """As much of a block of timm as the modules of LAE look at, one head, two wide, with no norm and no MLP"""

    def __init__(self, qkv):
        same, nothing = (lambda x: x), torch.zeros_like
        self.norm1 = self.norm2 = self.ls1 = self.ls2 = same
        self.mlp = nothing
        self.attn = SimpleNamespace(num_heads=1, qkv=lambda n: F.linear(n, qkv), proj=same)


def module_examples() -> None:
    scores, others = row(0, np.log(2), 0).softmax(0), row(0.3, 1, -0.4).softmax(0)
    near(scores, (0.25, 0.5, 0.25))
    values = row(1, 10, 3)
    near(scores @ values, 6.0)
    levelled = mixing.compensated(scores, slice(1, 2))
    near(levelled @ values, 11.0)
    near(levelled.sum(), 1.5)
    near(mixing.compensated(others, slice(1, 2)) @ values, others[0] * 1 + others[2] * 3 + 10.0, 1e-12)

    seen = {}
    lora = mixing.Lae("lora", blocks=(0,), rank=1)
    p = {f"blocks.0.attn.qkv.lora_{part}.{what}": value for part, a, b, s in
         (("k", row(1, 2), row(1, 0), 1.0), ("v", row(0, 1), row(2, 3), 0.5))
         for what, value in (("a", a[None]), ("b", b[:, None]), ("scale", row(s)))}
    qkv, attend = torch.arange(12.0, dtype=torch.float64).reshape(6, 2), mixing.attend
    try:
        mixing.attend = lambda q, k, v, _: seen.update(q=q, k=k, v=v) or attend(q, k, v)
        lora.run_block(Bare(qkv), p, 0, row(1, 1)[None, None])
        near(torch.stack([seen[part].flatten() for part in "qkv"]), [[1, 5], [12, 13], [18, 22.5]], 1e-12)
        zero = {name: torch.zeros_like(value) if name.endswith(".b") else value for name, value in p.items()}
        lora.run_block(Bare(qkv), zero, 0, row(1, 1)[None, None])
        near(torch.stack([seen[part].flatten() for part in "qkv"]), [[1, 5], [9, 13], [17, 21]], 1e-12)
    finally:
        mixing.attend = attend

    adapter = mixing.Lae("adapter", blocks=(0,), rank=1)
    name, n = "blocks.0.attn.adapter", row(1, 0.5)[None, None]
    p = {f"{name}.down.weight": row(1, 1)[None], f"{name}.down.bias": row(0.0), f"{name}.up.weight": row(2, -1)[:, None],
         f"{name}.up.bias": row(0.0, 0.0), f"{name}.scale": row(1.0)}
    without = p | {f"{name}.scale": row(0.0)}
    added = adapter.run_block(Bare(qkv), p, 0, n) - adapter.run_block(Bare(qkv), without, 0, n)
    near(added.flatten(), (2.799578, -1.399789))


def fisher_examples() -> None:
    x, y = torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64), torch.tensor([0, 1])
    w = {"w": torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)}
    loss = lambda rows, labels: F.cross_entropy(F.linear(rows, w["w"]), labels)  # noqa: E731
    near(mixing.batch_fisher(loss, w, [(x, y)], None)["w"], [[0.25, 0.5625]] * 2, 1e-12)
    near(mixing.batch_fisher(loss, w, [(x[i : i + 1], y[i : i + 1]) for i in range(2)], None)["w"], [[1.25, 0.625]] * 2, 1e-12)
    near(mixing.batch_fisher(loss, w, [(x, y)], 0.3)["w"], [[0.25, 0.3]] * 2, 1e-12)


def class_attention_example() -> None:
    """The literal block of timm's CaiT, which has its queries, keys and values apart"""
    random = np.random.RandomState(SEED)
    d, heads = 12, 3
    model = SimpleNamespace(embed_dim=d, cls_token=torch.from_numpy(random.standard_normal((1, 1, d))))
    c = {name: value.double() + torch.from_numpy(0.4 * random.standard_normal(tuple(value.shape)))
         for name, value in mixing.Esn.classifier(random, model, 4).items()}
    x, w = torch.from_numpy(random.standard_normal((3, 5, d))), (lambda name: c[f"class_attention.{name}"])
    attention, mlp = ClassAttn(d, heads, qkv_bias=True).double(), Mlp(d, d // 2).double()
    third = lambda part, i: part[i * d : (i + 1) * d]  # noqa: E731
    attention.load_state_dict({f"{name}.{part}": third(w(f"attn.qkv.{part}"), i) for i, name in enumerate("qkv") for part in ("weight", "bias")}
                              | {f"proj.{part}": w(f"attn.proj.{part}") for part in ("weight", "bias")})
    mlp.load_state_dict({f"{name}.{part}": w(f"mlp.{name}.{part}") for name in ("fc1", "fc2") for part in ("weight", "bias")})
    norm = lambda rows, name: F.layer_norm(rows, (d,), w(f"{name}.weight"), w(f"{name}.bias"), 1e-5)  # noqa: E731
    token = w("token").expand(3, 1, d)
    after = token + attention(norm(torch.cat([token, x], 1), "norm1"))
    after = (after + mlp(norm(after, "norm2")))[:, 0]
    found = mixing.Esn().answer(x, c, heads)
    near(found.features, after, 1e-12)
    near(found.logits, after @ c["head.weight"].T + c["head.bias"], 1e-12)
    published = {name: value.numel() for name, value in mixing.Esn.classifier(
        random, SimpleNamespace(embed_dim=768, cls_token=torch.zeros(1, 1, 768)), 10).items()}
    assert sum(n for name, n in published.items() if name.startswith("class_attention") and not name.endswith("token")) == 2_956_416


def drawn_vectors(random) -> dict[str, torch.Tensor]:
    """Everything a test puts in, float32. Of the Fishers, entries 0 and 1 are both zero, 2 is zero in the past alone and
    3 in the present alone; some exceed the cap, and some are smaller than anything a float32 product would keep."""
    single = mixing.single
    f0, f1 = (10.0 ** random.uniform(-12, -3, P) for _ in range(2))
    f0[:3], f1[[0, 1, 3]] = 0.0, 0.0
    f0[4] = f1[4] = 1e-30
    f0[5], f1[5] = 3e-4, 2e-3
    return {"online": single(random.standard_normal((STEPS, P))), "offline": single(random.standard_normal(P)),
            "samples": single(random.standard_normal((SAMPLES, P))), "fisher.previous": single(f0), "fisher.current": single(f1)}


def exact_mean(rows) -> np.ndarray:
    """Rational arithmetic: no order of summation"""
    return np.array([float(sum((Fraction(float(v)) for v in column), Fraction(0)) / len(column)) for column in rows.T])


def merges(given: dict) -> tuple[dict, dict]:
    """(results, settings)"""
    online, offline, samples = (given[name].double() for name in ("online", "offline", "samples"))
    f0, f1 = (given[f"fisher.{name}"].double() for name in ("previous", "current"))
    out, check, settings = {}, {}, {}
    for name, alpha in (("ema", 0.9), ("ema_slow", 0.9999), ("ema_still", 1.0), ("ema_at_once", 0.0)):
        kept, settings[name] = offline.clone(), {"alpha": alpha}
        for row in online:
            mixing.ema(kept, row, alpha)
        out[name] = kept
        powers = alpha ** np.arange(STEPS - 1, -1, -1.0)
        check[name] = alpha**STEPS * offline.numpy() + (1 - alpha) * powers @ online.numpy()
    kept, settings["ema_constant"] = offline.clone(), {"alpha": 0.9999, "steps": 600, "online": "row 0"}
    mixing.ema_of_constant(kept, online[0], 0.9999, 600)
    out["ema_constant"], one = kept, offline.numpy().copy()
    for _ in range(600):
        one = 0.9999 * one + 0.0001 * online[0].numpy()
    check["ema_constant"] = one
    for name, interval in (("periodic_mean", INTERVAL), ("periodic_mean_once", 100)):
        kept, merged, settings[name] = offline.clone(), 0, {"interval": interval, "iterations": SAMPLES, "first": 0}
        for i, sample in enumerate(samples):
            if i % interval == 0:
                mixing.periodic_mean(kept, sample, merged)
                merged += 1
        out[name], settings[name]["merged"] = kept, merged
        check[name] = exact_mean(np.concatenate([offline[None].numpy(), samples[::interval].numpy()]))
    settings |= {"wise": {"alpha": 0.8}, "pull": {"keep": 0.999}}
    out["wise"], check["wise"] = mixing.wise(online[0], offline, 0.8), offline.numpy() + 0.8 * (online[0] - offline).numpy()
    kept = online[0].clone()
    mixing.pull(kept, offline, 0.999)
    out["pull"], check["pull"] = kept, (online[0] + 0.001 * (offline - online[0])).numpy()
    for name, alpha, cap, eps in (("fisher_mean", 0.4, None, 1e-20), ("fisher_mean_capped", 0.4, 1e-4, 1e-20), ("fisher_mean_half", 0.5, 1e-4, 1e-20),
                                  ("fisher_mean_floor", 0.4, 1e-4, 1e-8), ("fisher_mean_old", 0.0, None, 1e-20), ("fisher_mean_new", 1.0, None, 1e-20)):
        least = lambda f: f if cap is None else f.clamp_max(cap)  # noqa: B023, E731
        out[name] = mixing.fisher_mean(offline, online[0], least(f0), least(f1), alpha, eps)
        settings[name] = {"alpha": alpha, "cap": cap, "eps": eps}
        share = [Fraction(alpha) * (Fraction(float(b)) + Fraction(eps)) / (
            Fraction(alpha) * (Fraction(float(b)) + Fraction(eps)) + (1 - Fraction(alpha)) * (Fraction(float(a)) + Fraction(eps)))
            for a, b in zip(least(f0), least(f1))]
        check[name] = np.array([float(Fraction(float(x)) + s * (Fraction(float(y)) - Fraction(float(x)))) for x, y, s in zip(offline, online[0], share)])
        low, high = torch.minimum(offline, online[0]), torch.maximum(offline, online[0])
        assert ((out[name] >= low - 1e-12) & (out[name] <= high + 1e-12)).all(), name
    agree(out, check)
    return {f"merge.{name}": value for name, value in out.items()}, settings


def agree(out: dict, check: dict) -> None:
    assert out.keys() == check.keys(), out.keys() ^ check.keys()
    for name, value in out.items():
        error = relative_error(check[name], value)
        assert error < 1e-13, f"{name} by another form differs by {error}"


def votes(random) -> dict[str, torch.Tensor]:
    """Logits of two models over the same classes, and of members with classes of their own"""
    rows, classes = 16, sum(MEMBERS)
    online, offline = (mixing.single(2.5 * random.standard_normal((rows, classes))) for _ in range(2))
    offline[:3] += torch.tensor([[40.0], [-700.0], [1000.0]])  # changes nothing, unless an exponential is taken first
    members = [mixing.single(2.0 * random.standard_normal((rows, n)) + level) for n, level in zip(MEMBERS, (0.0, 0.9, -0.5))]
    members[1][0] += 50.0
    given = {"online": online, "offline": offline} | {f"member.{k}": z for k, z in enumerate(members)}
    doubles = [z.double() for z in members]
    temperatures = [0.001, 0.6, 0.2, 0.6, 1.0, 0.6]
    task, chosen = mixing.energy_vote(doubles, temperatures)
    score = mixing.max_softmax([online.double(), offline.double()])
    table = torch.stack([mixing.energies(doubles, t) for t in TEMPERATURES])
    own = {}
    for form in ("soft-min", "soft-max"):
        z = doubles[2].clone().requires_grad_()
        loss = mixing.anchor(z, -10.0, form)
        loss.backward()
        own |= {f"{form}.energy": mixing.free_energy(z, form).detach(), f"{form}.anchor": loss.detach().reshape(1), f"{form}.gradient": z.grad}
    share = mixing.recognised(doubles)
    out = {"max_softmax": score, "max_softmax.class": mixing.first_of_largest(score), "energies": table, "temperatures": torch.tensor(temperatures, dtype=torch.float64),
           "energy.task": task, "energy.class": chosen, "candidates": torch.tensor(TEMPERATURES, dtype=torch.float64), "recognised": share,
           "calibrated": row(TEMPERATURES[int(mixing.first_of_largest(share))])} | own
    check_votes(given, out, temperatures)
    return {f"vote.{name}": value for name, value in (given | out).items()}


def softmax(z) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def check_votes(given: dict, out: dict, temperatures: list[float]) -> None:
    """By numpy and counting; no result hangs on a last digit."""
    z = {name: value.double().numpy() for name, value in given.items()}
    p = np.maximum(softmax(z["online"]), softmax(z["offline"]))
    assert relative_error(p, out["max_softmax"].exp()) < 1e-13
    best = np.sort(p, 1)
    assert (best[:, -1] - best[:, -2]).min() > 1e-3 and (p.argmax(1) == out["max_softmax.class"].numpy()).all()
    raw = np.maximum(z["online"], z["offline"]).argmax(1)
    assert (raw != p.argmax(1)).any() and all((z[name].argmax(1) != p.argmax(1)).any() for name in ("online", "offline"))
    members = [z[f"member.{k}"] for k in range(len(MEMBERS))]
    lse = lambda part, t: part.max(1) / t + np.log(np.exp((part - part.max(1, keepdims=True)) / t).sum(1))  # noqa: E731
    table = np.stack([np.stack([lse(part, t) for part in members], 1) for t in TEMPERATURES])
    assert relative_error(table, out["energies"]) < 1e-13
    ordered = np.sort(table, 2)
    assert (ordered[..., -1] - ordered[..., -2]).min() > 1e-3
    winners = dict(zip(TEMPERATURES, table.argmax(2)))
    ties = 0
    for b in range(len(members[0])):
        counts = [sum(winners[t][b] == k for t in set(temperatures)) for k in range(len(MEMBERS))]
        with_all = [sum(winners[t][b] == k for t in temperatures) for k in range(len(MEMBERS))]
        ties += sorted(counts)[-1] == sorted(counts)[-2] and np.argmax(with_all) != np.argmax(counts)
        k = int(np.argmax(counts))
        assert k == int(out["energy.task"][b]) and sum(MEMBERS[:k]) + int(members[k][b].argmax()) == int(out["energy.class"][b])
    assert ties > 0, "no tie tells whether a temperature counts once"
    share = np.array([(winners[t] == len(MEMBERS) - 1).mean() for t in TEMPERATURES])
    assert np.array_equal(share, out["recognised"].numpy()) and (share == share.max()).sum() > 1 and share.argmax() > 0
    for form, sign in (("soft-min", -1.0), ("soft-max", 1.0)):
        f = -lse(sign * members[-1], 1.0)
        slope = 2 * (f + 10.0)[:, None] * (-sign) * softmax(sign * members[-1]) / len(f)
        assert relative_error(slope, out[f"{form}.gradient"]) < 1e-13 and relative_error(f, out[f"{form}.energy"]) < 1e-13


def generate(root: Path) -> None:
    worked_examples()
    random = np.random.RandomState(SEED)
    given = drawn_vectors(random)
    merged, settings = merges(given)
    save(root / "mixtures.safetensors", given | merged | votes(random),
         {"seed": SEED, "merges": settings, "members": MEMBERS, "target": -10.0, "beta": 1.0})
