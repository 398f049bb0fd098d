"""training/trajectory_{l2p,dualprompt,coda_prompt,coda_entmax,dap}.safetensors: two tasks of 25 steps on the plain network.

Task 0 has the pictures of classes 0 and 1 of trajectories.data, task 1 those of 2 and 3, six a step in file order.
Computed by prompting.py (timm, torch.optim) in float64, by reference/vit.py one picture at a time with the updates
written out, which must agree, and by prompting.py in float32, whose losses say how far rounding alone leads.
Before that, the formulas are held against numbers that were worked out by hand.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from timm.models.vision_transformer import Block

from . import prompting, vit
from .networks import build_timm, drawn
from .prompting import Coda, Dap, DualPrompt, L2P, Learning, Task, WeightMap, single
from .store import relative_error, save
from .trajectories import A, CLASSES, IMAGES, normalised, pictures

SEED, BATCH, STEPS = 5100, 6, 25
TASKS = (Task(0, 0, 2), Task(1, 2, 4))
LEAST_MARGIN = 1e-4  # between scores of which one is chosen and the other not


@dataclass(frozen=True)
class Case:
    method: object
    rate: float
    seed: int
    falling: bool = False  # CODA's cosine, an epoch of two steps; constant otherwise

    def rates(self) -> np.ndarray:
        """[STEPS], of either task"""
        epochs = (STEPS + 1) // 2
        return np.array([self.rate * (prompting.coda_factor(step // 2, epochs) if self.falling else 1.0) for step in range(STEPS)])


CODA = {"slots": 6, "tasks": 2, "length": 4, "blocks": (0, 1)}
CASES = {
    "l2p": Case(L2P(slots=5, length=2, selected=2), 0.01, SEED),
    "dualprompt": Case(DualPrompt(slots=3, general_length=2, expert_length=3, general_blocks=(0, 1), expert_blocks=(1, 2)), 0.02, SEED + 1),
    "coda_prompt": Case(Coda(**CODA), 0.012, SEED + 2, falling=True),
    "coda_entmax": Case(Coda(**CODA, weights=WeightMap("entmax15", temperature=0.4, gain=1.5)), 0.012, SEED + 4, falling=True),
    "dap": Case(Dap(slots=3, length=2, embedding=3), 0.01, SEED + 7),
}
"""Seeds with which no two slots come closer than LEAST_MARGIN when one of them is chosen. The third slot of `dualprompt`
and `dap` stays unused; nothing of it may show."""

PREFIX, ROW, COMPONENT, MIXING = 1.0, 0.2, 20.0, 0.3  # size of an entry; of the components, the length


def beginning(case: Case, features: torch.Tensor) -> dict[str, torch.Tensor]:
    """Not where the methods start: there prompts are so short that nothing shows, and behind a head of zeros they have
    no gradient. Keys lie among the `features` of all pictures, so that the pictures choose differently."""
    random, made = np.random.RandomState(case.seed), {}
    normal = lambda scale, *shape: single(scale * random.standard_normal(shape))  # noqa: E731
    for name, value in case.method.start(random, build_timm(A, drawn("plain")[1])).items():
        if isinstance(case.method, Coda):
            made[name] = value
        elif name == "prompt.keys":
            mean = features.mean(0)
            made[name] = (mean + torch.from_numpy(random.standard_normal((len(value), IMAGES))) @ (features - mean) / IMAGES**0.5).float()
        elif name == "prompt.pool":
            made[name] = normal(ROW, *value.shape)
        elif name in ("prompt.general", "prompt.expert"):
            made[name] = normal(PREFIX, *value.shape)
        elif name.startswith("prompt.down"):
            made[name] = normal(MIXING if value.dim() == 3 else 0.1, *value.shape)
        elif name.startswith("prompt.norm"):
            made[name] = value + normal(0.1, *value.shape)
        else:
            made[name] = value
    for name, rows in newborn(case, made, 0, random).items():
        made[name][: len(rows)] = rows
    return made | prompting.torch_linear(random, CLASSES, A.width)


def newborn(case: Case, p: dict, task: int, random) -> dict[str, torch.Tensor]:
    """What a task puts into `p` before its first step. CODA's new rows are drawn, hence float32, and the components
    longer than Gram-Schmidt leaves them: beside keys and values of the network they would be a whisper."""
    after = {name: value.detach().clone() for name, value in p.items()}
    case.method.begin(after, task, random)
    if isinstance(case.method, Coda):
        rows = case.method.rows(task)
        longer = {"prompt.components": COMPONENT}
        return {name: longer.get(name, 1.0) * after[name][rows.start : rows.stop].float() for name in p if name.startswith("prompt")}
    return {"prompt.expert": after["prompt.expert"][task : task + 1]} if isinstance(case.method, DualPrompt) and task > 0 else {}


def rows_of(case: Case, task: int) -> slice:
    """Where `newborn` belongs"""
    rows = case.method.rows(task) if isinstance(case.method, Coda) else range(task, task + 1)
    return slice(rows.start, rows.stop)


def batch_rows(labels: torch.Tensor, task: Task) -> torch.Tensor:
    """[STEPS, BATCH]"""
    mine = torch.tensor([i for i, label in enumerate(labels.tolist()) if task.past <= label < task.seen])
    return mine[torch.arange(STEPS * BATCH) % len(mine)].reshape(STEPS, BATCH)


def margin(scores: torch.Tensor, k: int, among: bool = False) -> float:
    """Smallest lead of the worst slot chosen over the best one not chosen; `among`: of every one chosen over the next."""
    ordered = scores.detach().sort(1, descending=True).values
    return float((ordered[:, (0 if among else k - 1) : k] - ordered[:, (1 if among else k) : k + 1]).min())


def by_timm(case: Case, p: dict, start: dict, x, labels, kind: torch.dtype, new: dict | None = None) -> dict:
    """`new` is what task 1 starts with, made here if not given."""
    model = build_timm(A, p).to(kind).requires_grad_(False)
    values, x, result = {name: value.to(kind, copy=True) for name, value in start.items()}, x.to(kind), {}
    losses, entropies, margins = [], [], []
    for task in TASKS:
        if task.index > 0:
            new = newborn(case, values, task.index, np.random.RandomState(case.seed + 100)) if new is None else new
            with torch.no_grad():
                for name, rows in new.items():
                    values[name][rows_of(case, task.index)] = rows
            result |= {f"task1.param.{name}": rows for name, rows in new.items()}
            result |= {f"task1.start.{name}": value.detach().clone() for name, value in values.items()}
        learning = Learning(case.method, values, task.index, case.rate)
        note = lambda found: result.update({f"gradient{task.index}.{name}": value for name, value in found.items()})  # noqa: B023, E731
        for step, (rows, rate) in enumerate(zip(batch_rows(labels, task), case.rates())):
            o = prompting.objective(case.method, model, values, x[rows], labels[rows], task)
            learning.step(o.loss, float(rate), note if step == 0 else None)
            losses.append(o.loss.detach())
            entropies.append(o.cross_entropy.detach())
            if isinstance(case.method, L2P):
                margins.append(margin(o.answer.scores, case.method.selected))
    logits, answer = prompting.predicted(case.method, model, values, x, TASKS[-1])
    result |= {"losses": torch.stack(losses), "cross_entropy": torch.stack(entropies), "features": answer.features, "logits": logits}
    if answer.selected is None:
        result["weights"] = answer.scores
    else:
        margins.append(margin(answer.scores, answer.selected.shape[1], among=True))
        assert min(margins) > LEAST_MARGIN, f"two slots are as good as equal: {min(margins)}"
        result["selected"] = answer.selected
    return result | {f"final.{name}": value.detach() for name, value in values.items()}


class BySpecs:
    """The methods from their formulas, one picture at a time; `tape` keeps what the gradients by hand need."""

    def __init__(self, case: Case, p: dict):
        self.case, self.method, self.p, self.tape = case, case.method, vit.double(p), []
        self.run = {L2P: self.l2p, DualPrompt: self.dual_prompt, Coda: self.coda, Dap: self.dap}[type(case.method)]

    def embed(self, x):
        return vit.embed(self.p, A, vit.patch_embed(self.p, A, x))

    def normed(self, tokens):
        return vit.layer_norm(tokens, self.p["norm.weight"], self.p["norm.bias"], A.eps)

    def blocks(self, tokens, prefixes: dict):
        for i in range(A.depth):
            tokens = vit.block(self.p, A, i, tokens, prefixes.get(i))
        return self.normed(tokens)

    def query(self, x):
        with torch.no_grad():
            return self.blocks(self.embed(x), {})[0, 0]

    def kept(self, **parts):
        for value in parts.values():
            if isinstance(value, torch.Tensor) and value.requires_grad:
                value.retain_grad()
        self.tape.append(parts)

    @staticmethod
    def cosine(q, key):
        return (q * key).sum() / (q.norm() * key.norm())

    def best(self, q, keys, k: int) -> list[int]:
        return sorted(range(len(keys)), key=lambda m: (-float(self.cosine(q, keys[m].detach())), m))[:k]

    def l2p(self, v, x, task: Task, train: bool):
        q = self.query(x)
        chosen = self.best(q, v["prompt.keys"], self.method.selected)
        rows = torch.cat([v["prompt.pool"][m] for m in chosen])
        self.kept(q=q, chosen=chosen, rows=rows)
        feature = self.blocks(torch.cat([rows[None], self.embed(x)], 1), {})[0, : len(rows)].mean(0)
        return feature, -self.method.pull * sum(self.cosine(q, v["prompt.keys"][m]) for m in chosen), chosen

    def dual_prompt(self, v, x, task: Task, train: bool):
        m, q = self.method, self.query(x)
        slot = task.index if train else self.best(q, v["prompt.keys"][: task.index + 1], 1)[0]
        pieces = {block: [] for block in range(A.depth)}
        for i, block in enumerate(m.general_blocks):
            pieces[block].append(v["prompt.general"][i])
        for i, block in enumerate(m.expert_blocks):
            pieces[block].append(v["prompt.expert"][slot, i])
        prefixes = {block: tuple(torch.cat([piece[part] for piece in some])[None] for part in (0, 1)) for block, some in pieces.items() if some}
        self.kept(q=q, chosen=[slot])
        return self.blocks(self.embed(x), prefixes)[0, 0], -m.pull * self.cosine(q, v["prompt.keys"][slot]), [slot]

    def coda(self, v, x, task: Task, train: bool):
        m, q, prefixes, found, parts = self.method, self.query(x), {}, [], {}
        rows = m.rows(task.index)
        components, keys, attention = (torch.cat([v[name][: rows.start].detach(), v[name][rows.start : rows.stop]])
                                       for name in ("prompt.components", "prompt.keys", "prompt.attention"))
        for i, block in enumerate(m.blocks):
            alpha = torch.stack([self.cosine(q * attention[c, i], keys[c, i]) for c in range(rows.stop)])
            weight = mapped(m.weights, alpha)
            prompt = sum(weight[c] * components[c, i] for c in range(rows.stop))
            prefixes[block] = (prompt[None, : m.length // 2], prompt[None, m.length // 2 :])
            found.append(weight)
            parts |= {f"prompt{i}": prompt, f"alpha{i}": alpha, f"weight{i}": weight}
        self.kept(q=q, **parts)
        return self.blocks(self.embed(x), prefixes)[0, 0], 0.0, torch.stack(found)

    def dap(self, v, x, task: Task, train: bool):
        m, q, parts = self.method, self.query(x), {}
        slot = task.index if train else self.best(q, v["prompt.keys"][: task.index + 1], 1)[0]
        tokens = self.embed(x)
        for i in range(A.depth):
            normed = vit.layer_norm(tokens, v["prompt.norm.weight"][i], v["prompt.norm.bias"][i], m.eps)[0]
            h = normed.T @ v["prompt.down.weight"][i].T + v["prompt.down.bias"][i]  # [D, N]
            film = v["prompt.film.weight"][i] @ v["prompt.embedding"][slot] + v["prompt.film.bias"][i]
            gamma, beta = film[: A.width], film[A.width :]
            gamma_unit, beta_unit = (part / (part**2).sum().sqrt().detach() for part in (gamma, beta))
            prompts = (gamma_unit[:, None] * h + beta_unit[:, None]).T[None]
            parts |= {f"tokens{i}": tokens, f"normed{i}": normed, f"h{i}": h, f"gamma{i}": gamma, f"beta{i}": beta, f"prompts{i}": prompts}
            tokens = vit.block(self.p, A, i, torch.cat([tokens[:, :1], prompts, tokens[:, 1:]], 1))
            tokens = torch.cat([tokens[:, :1], tokens[:, 1 + m.length :]], 1)
        self.kept(q=q, chosen=[slot], **parts)
        return self.normed(tokens)[0, 0], -128 * m.pull * self.cosine(q, v["prompt.keys"][slot]), [slot]


def mapped(weights: WeightMap, alpha):
    """The maps as tables of the literature have them: forward by sorting, one row; backward by formula."""
    if weights.kind == "cosine":
        return alpha
    return weights.gain * ByFormula.apply(alpha / weights.temperature, weights)


class ByFormula(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, weights):
        n, ordered = len(z), z.sort(descending=True).values
        if weights.kind in ("softmax", "top_k_softmax"):
            chosen = sorted(range(n), key=lambda m: (-float(z[m]), m))[: weights.keep if weights.kind == "top_k_softmax" else n]
            p = torch.zeros_like(z)
            p[chosen] = z[chosen].exp() / z[chosen].exp().sum()
        elif weights.kind == "sparsemax":
            rho = max(r for r in range(1, n + 1) if 1 + r * ordered[r - 1] > ordered[:r].sum())
            p = (z - (ordered[:rho].sum() - 1) / rho).clamp_min(0)
        else:
            x = (ordered - ordered[0]) / 2
            taus = []
            for r in range(1, n + 1):
                mean = x[:r].mean()
                taus.append(mean - max(0.0, (1 - ((x[:r] ** 2).sum() - r * mean**2)) / r) ** 0.5)
            rho = sum(1 for tau, value in zip(taus, x) if tau <= value)
            p = ((z - ordered[0]) / 2 - taus[rho - 1]).clamp_min(0) ** 2
        ctx.save_for_backward(p)
        ctx.kind = weights.kind
        return p

    @staticmethod
    def backward(ctx, g):
        (p,) = ctx.saved_tensors
        power = {"sparsemax": 0.0, "entmax15": 0.5}.get(ctx.kind, 1.0)  # 2 - alpha
        u = torch.where(p > 0, p**power, torch.zeros_like(p))
        return u * (g - (u * g).sum() / u.sum()), None


def by_specs(case: Case, p: dict, start: dict, x, labels, new: dict) -> dict:
    specs, m, x, result = BySpecs(case, p), case.method, x.double(), {}
    values, losses, entropies = vit.double(start), [], []
    for task in TASKS:
        if task.index > 0:
            if isinstance(m, DualPrompt):
                new = {"prompt.expert": values["prompt.expert"][0:1].clone()}
            for name, rows in new.items():
                values[name][rows_of(case, 1)] = rows.double()
            result |= {f"task1.param.{name}": rows for name, rows in new.items()}
            result |= {f"task1.start.{name}": value.clone() for name, value in values.items()}
        learned = [name for name in values if not (isinstance(m, Dap) and task.index > 0 and "down" in name)]
        state = {name: {part: torch.zeros_like(values[name]) for part in ("m", "v", "most")} for name in learned}
        for step, (rows, rate) in enumerate(zip(batch_rows(labels, task).tolist(), case.rates())):
            specs.tape.clear()
            leaves = {name: value.clone().requires_grad_(name in learned) for name, value in values.items()}
            entropy, penalty = [], []
            for row in rows:
                feature, extra, _ = specs.run(leaves, x[row : row + 1], task, True)
                z = feature @ leaves["head.weight"].T + leaves["head.bias"]
                entropy.append(torch.logsumexp(z[task.past : task.seen], 0) - z[labels[row]])
                penalty.append(extra)
            entropy = sum(entropy) / BATCH
            loss = entropy + sum(penalty) / BATCH
            loss.backward()
            gradients = {name: leaves[name].grad for name in learned}
            if step == 0:
                result |= {f"gradient{task.index}.{name}": value.clone() for name, value in gradients.items()}
                for name, value in by_hand(specs, leaves, task).items():
                    error = relative_error(value, gradients[name])
                    assert error < 1e-11, f"the gradient of {name} by hand differs by {error}"
            length = sum((g**2).sum() for g in gradients.values()) ** 0.5
            factor = min(1.0, m.clip / (float(length) + 1e-6)) if m.clip else 1.0
            for name in learned:
                update(values[name], factor * gradients[name], state[name], step + 1, float(rate), amsgrad=isinstance(m, Dap))
            losses.append(loss.detach())
            entropies.append(entropy.detach())
    with torch.no_grad():
        found = [specs.run(values, x[i : i + 1], TASKS[-1], False) for i in range(IMAGES)]
    features = torch.stack([feature for feature, _, _ in found])
    last = {"weights": torch.stack([w for _, _, w in found])} if isinstance(m, Coda) else {"selected": torch.tensor([c for _, _, c in found])}
    return result | last | {"losses": torch.stack(losses), "cross_entropy": torch.stack(entropies), "features": features,
                            "logits": features @ values["head.weight"].T + values["head.bias"]} | {f"final.{name}": value for name, value in values.items()}


def update(value, g, state: dict, step: int, rate: float, amsgrad: bool) -> None:
    b1, b2 = (0.9, 0.9) if amsgrad else (0.9, 0.999)
    state["m"] = b1 * state["m"] + (1 - b1) * g
    state["v"] = b2 * state["v"] + (1 - b2) * g**2
    state["most"] = torch.maximum(state["most"], state["v"]) if amsgrad else state["v"]
    value -= rate / (1 - b1**step) * state["m"] / ((state["most"] / (1 - b2**step)) ** 0.5 + 1e-8)


def by_hand(specs: BySpecs, v: dict, task: Task) -> dict[str, torch.Tensor]:
    """Gradients of the prompts by the formulas, from those of what enters the network, for one batch."""
    m, tape, made = specs.method, specs.tape, {}
    with torch.no_grad():
        if not isinstance(m, Coda):
            made["prompt.keys"] = torch.zeros_like(v["prompt.keys"])
            coefficient = 128 * m.pull if isinstance(m, Dap) else m.pull
            for t in tape:
                for slot in t["chosen"]:
                    key, q = v["prompt.keys"][slot], t["q"] / t["q"].norm()
                    unit = key / key.norm()
                    made["prompt.keys"][slot] -= coefficient / BATCH * (q - (q @ unit) * unit) / key.norm()
        if isinstance(m, L2P):
            made["prompt.pool"] = torch.zeros_like(v["prompt.pool"])
            for t in tape:
                for place, slot in enumerate(t["chosen"]):
                    made["prompt.pool"][slot] += t["rows"].grad[place * m.length : (place + 1) * m.length]
        elif isinstance(m, Coda):
            made |= {name: torch.zeros_like(v[name]) for name in ("prompt.components", "prompt.keys", "prompt.attention")}
            for t in tape:
                for i in range(len(m.blocks)):
                    g, q = t[f"prompt{i}"].grad, t["q"]
                    weight, alpha = t[f"weight{i}"], t[f"alpha{i}"]
                    dp = torch.stack([(g * v["prompt.components"][c, i]).sum() for c in range(len(weight))])
                    dalpha = backward_of_map(m.weights, weight, dp)
                    for c in m.rows(task.index):
                        key, mask = v["prompt.keys"][c, i], v["prompt.attention"][c, i]
                        n, u, masked = key / key.norm(), q * mask / (q * mask).norm(), q * mask
                        made["prompt.components"][c, i] += weight[c] * g
                        made["prompt.keys"][c, i] += dalpha[c] * (u - alpha[c] * n) / key.norm()
                        made["prompt.attention"][c, i] += dalpha[c] * q * (n - alpha[c] * u) / masked.norm()
        elif isinstance(m, Dap):
            names = ["prompt.film.weight", "prompt.film.bias", "prompt.embedding", "prompt.norm.weight", "prompt.norm.bias"]
            names += ["prompt.down.weight", "prompt.down.bias"] if task.index == 0 else []
            made |= {name: torch.zeros_like(v[name]) for name in names}
            for t in tape:
                for i in range(A.depth):
                    gamma, beta, h, g = t[f"gamma{i}"], t[f"beta{i}"], t[f"h{i}"], t[f"prompts{i}"].grad[0].T
                    film = torch.cat([(g * h).sum(1) / gamma.norm(), g.sum(1) / beta.norm()])
                    made["prompt.film.weight"][i] += torch.outer(film, v["prompt.embedding"][task.index])
                    made["prompt.film.bias"][i] += film
                    made["prompt.embedding"][task.index] += v["prompt.film.weight"][i].T @ film
                    dh = (gamma / gamma.norm())[:, None] * g  # [D, N]
                    if task.index == 0:
                        made["prompt.down.weight"][i] += dh.T @ t[f"normed{i}"].T
                        made["prompt.down.bias"][i] += dh.sum(0)
                    dnormed = (dh @ v["prompt.down.weight"][i]).T  # [T, D]
                    x = t[f"tokens{i}"][0]
                    centred = (x - x.mean(1, keepdim=True)) / ((x - x.mean(1, keepdim=True)) ** 2).mean(1, keepdim=True).add(m.eps).sqrt()
                    made["prompt.norm.weight"][i] += (dnormed * centred).sum(0)
                    made["prompt.norm.bias"][i] += dnormed.sum(0)
    return made


def backward_of_map(weights: WeightMap, weight, g):
    if weights.kind == "cosine":
        return g
    power = {"sparsemax": 0.0, "entmax15": 0.5}.get(weights.kind, 1.0)
    p = weight / weights.gain
    u = torch.where(p > 0, p**power, torch.zeros_like(p))
    return weights.gain / weights.temperature * u * (g - (u * g).sum() / u.sum())


def near(value, expected, within: float = 5e-10) -> None:
    value, expected = (torch.as_tensor(v, dtype=torch.float64).detach() for v in (value, expected))
    assert value.shape == expected.shape and float((value - expected).abs().max()) <= within, (value, expected)


def leaf(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def worked_examples() -> None:
    """Small numbers worked out without this code: those of the papers' formulas, ten digits each."""
    selection_examples()
    loss_and_update_examples()
    weight_map_examples()
    prefix_example()
    component_example()
    generation_example()


def selection_examples() -> None:
    key = leaf(3.0, 4.0)
    prompting.cosines(torch.tensor([[1.0, 0.0]], dtype=torch.float64), key[None]).sum().backward()
    near(key.grad, [0.128, -0.096])
    keys, queries = leaf([1, 0], [0, 2], [-1, 0], [3, 3]), leaf([2, 1], [0, -1], [1, 3])
    scores = prompting.cosines(queries, keys)
    near(scores[0], [0.8944271910, 0.4472135955, -0.8944271910, 0.9486832981])
    chosen = prompting.ranked(scores.detach(), 2)
    assert [sorted(row) for row in chosen.tolist()] == [[0, 3], [0, 2], [1, 3]], "the smaller index wins among equals"
    near(scores.gather(1, chosen).sum(1).mean(), 1.2287403260)
    assert prompting.voted(chosen, 4).tolist() == [[0, 3]] * 3


def loss_and_update_examples() -> None:
    z = leaf(2.0, 1.0, 0.5, -1.0)
    loss = torch.nn.functional.cross_entropy(z[None, 2:4], torch.tensor([1]))
    loss.backward()
    near(loss, 1.7014132780)
    near(z.grad, [0, 0, 0.8175744762, -0.8175744762])
    arrives = {False: [0.9900000001, 0.9832994177, 0.9781198480, 0.9710253643], True: [0.9900000001, 0.9834707139, 0.9785503144, 0.9717832114]}
    for amsgrad, expected in arrives.items():
        p, state = torch.nn.Parameter(torch.ones(1, dtype=torch.float64)), dict.fromkeys(("m", "v", "most"), torch.zeros(1, dtype=torch.float64))
        kind, settings = (Dap if amsgrad else L2P).optimiser
        optimiser, value, found = kind([p], lr=0.01, **settings), torch.ones(1, dtype=torch.float64), []
        for step, g in enumerate((1.0, 0.0, 0.0, 2.0)):
            p.grad = torch.full((1,), g, dtype=torch.float64)
            optimiser.step()
            update(value, p.grad, state, step + 1, 0.01, amsgrad)
            near(value, p)
            found.append(float(p.detach()))
        near(found, expected)
    near([prompting.coda_factor(epoch, 20) for epoch in (0, 1, 2, 19)], [1, 1, 0.996652, 0.0974], 5e-5)


def weight_map_examples() -> None:
    table = {
        "softmax": ([0.4205066073, 0.2818740083, 0.1266541562, 0.1709652282], [-0.4407237262, -0.0135519401, 0.1205648770, 0.3337107893]),
        "sparsemax": ([0.7, 0.3, 0, 0], [-0.5, 0.5, 0, 0]),
        "entmax15": ([0.5721137641, 0.3095609551, 0.0244553370, 0.0938699438], [-0.7618195566, -0.0039997595, 0.1552578122, 0.6105615039]),
        "top_k_softmax": ([0.5986876601, 0.4013123399, 0, 0], [-0.2402607457, 0.2402607457, 0, 0]),
    }
    for kind, (p, dz) in table.items():
        for one in (WeightMap(kind, keep=2), lambda z, kind=kind: mapped(WeightMap(kind, keep=2), z)):
            z = leaf(1.0, 0.6, -0.2, 0.1)
            found = one(z)
            near(found, p)
            (found * torch.arange(1.0, 5.0)).sum().backward()
            near(z.grad, dz)
        near(WeightMap(kind, keep=4)(torch.ones(4, dtype=torch.float64)), [0.25] * 4)
    near(WeightMap("entmax15")(leaf(1, 0.5, -1)), [0.6739926364, 0.3260073636, 0])
    near(WeightMap("entmax15")(leaf(1, 0, -1)), [0.8307189139, 0.1692810861, 0])
    near(WeightMap("sparsemax")(leaf(1, 0, -1)), [1, 0, 0])


def prefix_example() -> None:
    """Two tokens and one row of prefix by hand; then the gradients of a prefix by the formulas, two heads."""
    block = Block(2, 1).double().requires_grad_(False)
    block.norm1 = torch.nn.Identity()
    for linear, weight in ((block.attn.qkv, torch.eye(2).repeat(3, 1)), (block.attn.proj, torch.eye(2)), (block.mlp.fc2, torch.zeros_like(block.mlp.fc2.weight))):
        linear.weight.copy_(weight)
        linear.bias.zero_() if linear.bias is not None else None
    tokens, prefix = torch.eye(2, dtype=torch.float64)[None], (torch.zeros(1, 1, 2).double(), torch.full((1, 1, 2), 2.0).double())
    for found in (prompting.run_block(block, tokens, prefix) - tokens, vit.attend(*[tokens[:, None]] * 3, prefix)[:, 0]):
        near(found[0], [[1.0, 0.7447652348], [0.7447652348, 1.0]])
    near(prompting.run_block(block, tokens) - tokens, [[[0.6697615493, 0.3302384507], [0.3302384507, 0.6697615493]]])

    random = np.random.RandomState(SEED)
    q, k, v, pk, pv = (torch.from_numpy(random.standard_normal((1, 2, rows, 3))).requires_grad_() for rows in (4, 4, 4, 3, 3))
    merged = lambda rows: rows.transpose(1, 2).flatten(2)  # noqa: E731
    o = vit.attend(q, k, v, (merged(pk), merged(pv)))
    do = torch.from_numpy(random.standard_normal(tuple(o.shape)))
    o.backward(do)
    with torch.no_grad():
        keys, values = torch.cat([pk, k], 2), torch.cat([pv, v], 2)
        a = torch.softmax(q @ keys.transpose(2, 3) / 3**0.5, -1)
        da = do @ values.transpose(2, 3)
        ds = a * (da - (da * a).sum(-1, keepdim=True))
        near(pv.grad, (a.transpose(2, 3) @ do)[:, :, :3], 1e-13)
        near(pk.grad, (ds.transpose(2, 3) @ q / 3**0.5)[:, :, :3], 1e-13)
        near(q.grad, ds @ keys / 3**0.5, 1e-13)


def component_example() -> None:
    query = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    attention, keys = leaf([[1, 0]], [[1, 1]]), leaf([[2, 0]], [[0, 1]])
    components = leaf([[[1, 2], [3, 4]]], [[[10, 20], [30, 40]]])
    weights, prompts = Coda().combined(query, components, keys, attention)
    near(weights[0, 0], [1, 0.8])
    near(prompts[0, 0], [[9, 18], [27, 36]])
    (prompts[0, 0] * torch.eye(2)).sum().backward()
    near(components.grad[:, 0], [[[1, 0], [0, 1]], [[0.8, 0], [0, 0.8]]])
    near(keys.grad[:, 0], [[0, 0], [30, 0]])
    near(attention.grad[:, 0], [[0, 0], [-14.4, 14.4]])

    random = np.random.RandomState(SEED)
    old, fresh = (torch.from_numpy(random.standard_normal((rows, 9))) for rows in (3, 4))
    made = prompting.orthonormal_beside(old, fresh)
    near(made @ made.T, torch.eye(4), 1e-14)
    near(made @ old.T, torch.zeros(4, 3), 1e-14)


def generation_example() -> None:
    normed = torch.tensor([[[1, 2], [3, 4], [5, 6]]], dtype=torch.float64)
    film, weight, bias = leaf([3, 4, 0, 2]), leaf([0.5, 0.25, 0.25]), leaf(0.1)
    prompt = Dap.mixed(normed, weight, bias, film)
    near(prompt[0, 0], [1.56, 3.88])
    prompt.sum().backward()
    near(film.grad[0], [0.52, 0.72, 0.5, 0.5])


def may_move(case: Case, start: dict, task: Task) -> dict[str, set[int]]:
    """Rows of each tensor"""
    m, may = case.method, {key: set(range(len(value))) for key, value in start.items()}
    prompts = [key for key in start if key.startswith("prompt")]
    may |= dict.fromkeys(("head.weight", "head.bias"), set(range(task.past, task.seen)))
    if isinstance(m, Coda):
        may |= dict.fromkeys(prompts, set(m.rows(task.index)))
    elif not isinstance(m, L2P):
        may |= dict.fromkeys(("prompt.keys", "prompt.expert" if isinstance(m, DualPrompt) else "prompt.embedding"), {task.index})
    if isinstance(m, Dap) and task.index > 0:
        may |= dict.fromkeys(("prompt.down.weight", "prompt.down.bias"), set())
    return may


def telling(name: str, case: Case, start: dict, results: dict) -> None:
    """Much is learned, by everything that may, and nothing else moves; the pictures do not all take one way."""
    losses, m = results["cross_entropy"].reshape(2, STEPS), case.method
    assert (losses[:, -3:].mean(1) < 0.85 * losses[:, :3].mean(1)).all(), f"{name} learns nothing: {losses}"
    began = vit.double(start)
    for key, value in start.items():
        middle, end = results[f"task1.start.{key}"].clone(), results[f"final.{key}"]
        moved = [middle != began[key], end != middle]
        if f"task1.param.{key}" in results:
            moved[0][rows_of(case, 1)] = False  # put there, not learned
        for task, changed in zip(TASKS, moved):
            rows = set(torch.nonzero(changed.reshape(len(value), -1).any(1))[:, 0].tolist())
            never_chosen = isinstance(m, L2P) and key.startswith("prompt") and len(rows) >= len(value) - 1
            assert never_chosen or rows == may_move(case, start, task)[key], f"{name}, task {task.index}: rows {rows} of {key} moved"
    if isinstance(m, L2P):
        assert len({tuple(sorted(row)) for row in results["selected"].tolist()}) >= 4, "all pictures choose alike"
    elif not isinstance(m, Coda):
        assert 6 <= int(results["selected"].sum()) <= 18, "one slot wins almost always"
    elif m.weights.kind == "entmax15":
        support = (results["weights"] > 0).sum(-1)
        assert int(support.min()) >= 2 and int(support.max()) < m.slots, f"nothing sparse, or nothing to weigh: {support}"


def described(case: Case) -> dict:
    """Everything a test needs to build the method"""
    m, betas = case.method, {"beta1": 0.9, "beta2": 0.9 if isinstance(case.method, Dap) else 0.999}
    method = {"kind": {L2P: "l2p", DualPrompt: "dualprompt", Coda: "coda-prompt", Dap: "dap"}[type(m)]} | asdict(m)
    if isinstance(m, Dap):
        method |= {"pull_of_mean": 128 * m.pull, "eps": m.eps}
    return {"method": method, "optimiser": betas | {"eps": 1e-8, "amsgrad": isinstance(m, Dap), "weight_decay": 0.0}}


def one(folder: Path, name: str, case: Case, pixels: torch.Tensor, labels: torch.Tensor) -> None:
    _, p, _ = drawn("plain")
    x = normalised(pixels)
    start = beginning(case, vit.forward(p, A, x)["features"])
    results = by_timm(case, p, start, x, labels, torch.float64)
    new = {key.removeprefix("task1.param."): value for key, value in results.items() if key.startswith("task1.param.")}
    check = by_specs(case, p, start, x, labels, new)
    given = new if isinstance(case.method, Coda) else None
    single_precision = by_timm(case, p, start, x, labels, torch.float32, given)
    assert results.keys() == check.keys() == single_precision.keys()
    for key, value in check.items():
        error = relative_error(value, results[key])
        assert error < 1e-8, f"{name}: {key} of timm and of reference/vit.py differ by {error}"
    rounding = {part: max(relative_error(value, results[key]) for key, value in single_precision.items() if key.startswith(part))
                for part in ("losses", "features", "gradient0", "gradient1", "final.")}
    assert max(rounding.values()) < 3e-5, (name, rounding)
    telling(name, case, start, results)
    save(folder / f"trajectory_{name}.safetensors",
         {f"param.{key}": value for key, value in start.items()} | results
         | {"rates": np.tile(case.rates(), 2), "rows": torch.cat([batch_rows(labels, task) for task in TASKS]), "losses.float32": single_precision["losses"]},
         {"case": name, "weights": "vit/plain.weights.safetensors", "data": "training/trajectories.data.safetensors", "architecture": A.as_json(),
          "tasks": [task._asdict() | {"steps": STEPS} for task in TASKS], "batch": BATCH, "rate": case.rate, "seed": case.seed,
          "float32": {key.rstrip("."): float(f"{value:.0e}") for key, value in rounding.items()}} | described(case))


def generate(root: Path) -> None:
    worked_examples()
    pixels, labels = pictures()
    for name, case in CASES.items():
        one(root / "training", name, case, pixels, labels)
