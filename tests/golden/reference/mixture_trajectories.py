"""training/trajectory_{lae_adapter,lae_lora,lae_prefix,cofima,esn}.safetensors: two tasks of 25 steps on the plain network;
training/fisher.safetensors: diagonal Fishers of one network and classifier, three kinds of them.

Pictures, tasks and batches as in prompt_trajectories.py. Computed by mixing.py (timm, torch.optim) in float64; by
reference/vit.py with LoRA in the weights, the two softmaxes of a compensated prefix apart and ESN's attention folded,
with the updates written out, which must agree; and by mixing.py in float32, whose losses say how far rounding alone
leads. The second way can make a mistake when told to; a file is written only if each of them would show.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from . import mixing, prompting, vit
from .mixing import TEMPERATURES, Cofima, Esn, Lae, LaeLearning, module_of
from .mixtures import worked_examples
from .networks import build_timm, drawn
from .prompt_trajectories import BATCH, STEPS, TASKS, batch_rows, update
from .prompting import single
from .store import relative_error, save
from .trajectories import A, CLASSES, DECAY, IMAGES, MOMENTUM, normalised, pictures

SEED = 5200
EPOCH = 2  # steps, of the twelve pictures of a task
WHOLE = 1300  # entries; of a longer tensor of `cofima` and `fisher` only the length is stored
HEAD = 0.2  # of CoFiMA: a longer one makes training so rough that float32 goes its own way
LEAST_CHANGE = 1e-3  # by a mistake, of something a test looks at
LEAST_MARGIN = 1e-3  # between two scores of which one wins


@dataclass(frozen=True)
class Case:
    method: object
    rate: float  # of the head and the modules
    seed: int
    trunk: float = 1.0  # rate of the network over that of the head
    frozen: int = 0  # steps of task 1 in which LAE's module rests
    milestone: int = STEPS  # CoFiMA: a tenth of the rate from this step of a task on

    def rates(self) -> np.ndarray:
        """[STEPS], of either task"""
        epochs, epoch = -(-STEPS // EPOCH), np.arange(STEPS) // EPOCH
        factor = (1 + np.cos(np.pi * epoch / epochs)) / 2 if isinstance(self.method, Esn) else np.where(np.arange(STEPS) < self.milestone, 1.0, 0.1)
        return self.rate * factor


LAE = {"blocks": (0, 1), "rank": 3, "length": 3, "alpha": 0.9}
CASES = {
    "lae_adapter": Case(Lae("adapter", **LAE), 0.005, SEED + 14, frozen=10),
    "lae_lora": Case(Lae("lora", **LAE), 0.01, SEED + 7, frozen=10),
    "lae_prefix": Case(Lae("prefix", **LAE), 0.02, SEED + 6, frozen=10),
    "cofima": Case(Cofima(alpha=0.4, cap=2e-4), 0.005, SEED + 4, trunk=0.03, milestone=20),
    "esn": Case(Esn(length=3), 0.01, SEED + 4),
}
"""Seeds and rates with which the votes decide what no member alone decides, ESN's second temperature is not its first, and
float32 does not go its own way. CoFiMA's trunk has three hundredths of the head's rate: a tenth was too rough for that."""


def drawer(random):
    return lambda scale, *shape: single(scale * random.standard_normal(shape))


def beginning(case: Case) -> dict[str, torch.Tensor]:
    """Not where the methods start: modules that are the identity have parts without gradient, and scales of 1 may be
    forgotten. Of ESN the token of a task is the class token, as in the method."""
    random, m, d = np.random.RandomState(case.seed), case.method, A.width
    normal, made = drawer(random), {}
    if isinstance(m, Cofima):
        return {"head.weight": normal(HEAD, CLASSES, d), "head.bias": normal(0.1, CLASSES)}
    model = build_timm(A, drawn("plain")[1])
    if isinstance(m, Esn):
        made["prompt.tokens"] = normal(0.06, 1, m.length, d)
        for task in TASKS:
            for name, value in m.classifier(random, model, task.seen - task.past).items():
                made[f"task{task.index}.{name}"] = value if name.endswith("token") else class_attention_part(normal, name, value)
        return made
    for i, (name, value) in enumerate(m.start(random, model).items()):
        if name.endswith(("scale", "scales")):
            made[name] = value + normal(0.3, *value.shape)
        elif name.startswith("prompt"):
            made[name] = normal(1.6 if name.endswith("keys") else 1.0, *value.shape)
        elif m.module == "lora":
            made[name] = normal(d**-0.5 if name.endswith(".a") else 0.5 * m.rank**-0.5, *value.shape)
        else:
            made[name] = normal({"down.weight": d**-0.5, "down.bias": 0.3, "up.weight": 0.03 * m.rank**-0.5, "up.bias": 0.01}[name.split("adapter.")[1]], *value.shape)
    return made | prompting.torch_linear(random, CLASSES, d)


def class_attention_part(normal, name: str, value: torch.Tensor) -> torch.Tensor:
    layer, part = name.removeprefix("class_attention.").rsplit(".", 1)
    if layer.startswith("norm"):
        return value + normal(0.3 if part == "weight" else 0.2, *value.shape)
    size = {"attn.qkv": 1.5, "attn.proj": 0.5, "mlp.fc1": 1.5, "mlp.fc2": 0.7, "head": 1.0}[layer]
    return normal(0.2, *value.shape) if part == "bias" else normal(size * value.shape[1] ** -0.5, *value.shape)


class Recorder(dict):
    """What both ways store under the same names"""

    def __init__(self):
        super().__init__()
        self.losses = []

    def all(self, prefix: str, values: dict) -> None:
        self.update({f"{prefix}{name}": value.detach().clone() for name, value in values.items()})

    def finished(self) -> dict:
        return self | {"losses": torch.stack([loss.detach() for loss in self.losses])}


def in_type(start: dict, kind: torch.dtype) -> dict:
    return {name: value.to(kind, copy=True) for name, value in start.items()}


def steps_of(case: Case, labels, task):
    yield from zip(range(STEPS), batch_rows(labels, task), case.rates().tolist())


def pictures_of(labels, task) -> torch.Tensor:
    return torch.nonzero((labels >= task.past) & (labels < task.seen))[:, 0]


# LAE


def lae_by_timm(case: Case, p: dict, start: dict, x, labels, kind: torch.dtype) -> dict:
    m, model, x = case.method, build_timm(A, p).to(kind).requires_grad_(False), x.to(kind)
    online, offline, out = in_type(start, kind), None, Recorder()
    for task in TASKS:
        if task.index == 1:
            out.all("task1.start.", online)
            offline = mixing.copied(module_of(online))
        learning = LaeLearning(m, online, offline, case.rate)
        for step, rows, _ in steps_of(case, labels, task):
            learning.frozen(task.index > 0 and step < case.frozen)
            loss = mixing.slice_loss(m(model, online, x[rows]), online, labels[rows], task.past, task.seen)
            learning.step(loss)
            out.losses.append(loss)
            out.all(f"gradient{task.index}.", {name: value.grad for name, value in online.items()
                                               if value.grad is not None and f"gradient{task.index}.{name}" not in out})
    with torch.no_grad():
        features = {"": m(model, online, x), "offline.": m(model, offline, x)}
        logits = {name: F.linear(f, online["head.weight"], online["head.bias"]) for name, f in features.items()}
        out.all("final.", online)
        out.all("offline.final.", offline)
        for name in features:
            out.update({f"{name}features": features[name], f"{name}logits": logits[name]})
        scores = mixing.max_softmax(list(logits.values()))
        out.update({"vote.scores": scores, "vote.class": mixing.first_of_largest(scores)})
    return out.finished()


LAE_MISTAKES = ("nothing rests", "stale moments", "one count of steps", "offline before the step", "offline never moves", "scales not averaged",
                "heads averaged", "all columns", "decay")


class LaeBySpecs:
    """`tape` keeps what the gradients by hand need."""

    def __init__(self, method: Lae, p: dict):
        self.method, self.p, self.tape = method, vit.double(p), {}

    def kept(self, name: str, value):
        if value.requires_grad:
            value.retain_grad()
        self.tape[name] = value
        return value

    def __call__(self, v: dict, x):
        tokens = vit.embed(self.p, A, vit.patch_embed(self.p, A, x))
        for i in range(A.depth):
            tokens = self.block(v, i, tokens) if i in self.method.blocks else vit.block(self.p, A, i, tokens)
        return vit.layer_norm(tokens, self.p["norm.weight"], self.p["norm.bias"], A.eps)[:, 0]

    def block(self, v: dict, i: int, x):
        m, d, at, w = self.method, A.width, f"blocks.{i}.attn", lambda name: self.p[f"blocks.{i}.{name}"]
        qkv = w("attn.qkv.weight")
        if m.module == "lora":
            change = {part: self.kept(f"{at}.qkv.lora_{part}", v[f"{at}.qkv.lora_{part}.scale"] * v[f"{at}.qkv.lora_{part}.b"] @ v[f"{at}.qkv.lora_{part}.a"])
                      for part in "kv"}
            qkv = qkv + torch.cat([torch.zeros(d, d).double(), change["k"], change["v"]])
        n = vit.layer_norm(x, w("norm1.weight"), w("norm1.bias"), A.eps)
        q, k, values = (vit.split_heads(part, A.heads) for part in (n @ qkv.T + w("attn.qkv.bias")).split(d, -1))
        o = vit.attend(q, k, values)
        if m.module == "prefix":
            place, root = m.blocks.index(i), q.shape[-1] ** -0.5
            pk, pv = (vit.split_heads(self.kept(f"{which}{place}", v["prompt.scales"][place, which] * v[name][place])[None], A.heads)
                      for which, name in enumerate(("prompt.keys", "prompt.values")))
            own, prefix = (torch.logsumexp(q @ keys.transpose(2, 3) * root, -1, keepdim=True) for keys in (k, pk))
            o = torch.sigmoid(own - prefix) * o + vit.attend(q, pk, pv)  # 1 - lambda, the weight of the tokens' own
        y = vit.merge_heads(o) @ w("attn.proj.weight").T + w("attn.proj.bias")
        if m.module == "adapter":
            hidden = vit.ACTIVATIONS["gelu"](n @ v[f"{at}.adapter.down.weight"].T + v[f"{at}.adapter.down.bias"])
            added = self.kept(f"{at}.adapter", v[f"{at}.adapter.scale"] * (hidden @ v[f"{at}.adapter.up.weight"].T + v[f"{at}.adapter.up.bias"]))
            self.tape[f"{at}.adapter.input"], self.tape[f"{at}.adapter.hidden"] = n, hidden
            y = y + added
        x = x + y
        n = vit.layer_norm(x, w("norm2.weight"), w("norm2.bias"), A.eps)
        g = vit.ACTIVATIONS[A.activation](n @ w("mlp.fc1.weight").T + w("mlp.fc1.bias"))
        return x + g @ w("mlp.fc2.weight").T + w("mlp.fc2.bias")

    @torch.no_grad()
    def by_hand(self, v: dict) -> dict[str, torch.Tensor]:
        """Gradients of the module by the formulas, from those of what enters the network"""
        m, made = self.method, {}
        if m.module == "prefix":
            g = [torch.stack([self.tape[f"{which}{place}"].grad for place in range(len(m.blocks))]) for which in (0, 1)]
            made = {name: v["prompt.scales"][:, which, None, None] * g[which] for which, name in enumerate(("prompt.keys", "prompt.values"))}
            return made | {"prompt.scales": torch.stack([(g[0] * v["prompt.keys"]).sum((1, 2)), (g[1] * v["prompt.values"]).sum((1, 2))], 1)}
        for i in m.blocks:
            if m.module == "lora":
                for at in (f"blocks.{i}.attn.qkv.lora_{part}" for part in "kv"):
                    g, a, b, s = self.tape[at].grad, v[f"{at}.a"], v[f"{at}.b"], v[f"{at}.scale"]
                    made |= {f"{at}.a": s * b.T @ g, f"{at}.b": s * g @ a.T, f"{at}.scale": (g * (b @ a)).sum().reshape(1)}
            else:
                at = f"blocks.{i}.attn.adapter"
                g, n, hidden = (part.flatten(0, 1) for part in (self.tape[at].grad, self.tape[f"{at}.input"], self.tape[f"{at}.hidden"]))
                s, up = v[f"{at}.scale"], v[f"{at}.up.weight"]
                u = n @ v[f"{at}.down.weight"].T + v[f"{at}.down.bias"]
                slope = 0.5 * (1 + torch.erf(u / 2**0.5)) + u * torch.exp(-(u**2) / 2) / (2 * np.pi) ** 0.5
                du = s * (g @ up) * slope
                made |= {f"{at}.scale": (g * (hidden @ up.T + v[f"{at}.up.bias"])).sum().reshape(1), f"{at}.up.weight": s * g.T @ hidden,
                         f"{at}.up.bias": s * g.sum(0), f"{at}.down.weight": du.T @ n, f"{at}.down.bias": du.sum(0)}
        return made


def lae_by_specs(case: Case, p: dict, start: dict, x, labels, mistake: str = "") -> dict:
    m, specs, x, values, offline, out = case.method, LaeBySpecs(case.method, p), x.double(), vit.double(start), {}, Recorder()
    state = {}
    for task in TASKS:
        past = 0 if mistake == "all columns" else task.past
        if task.index == 1:
            out.all("task1.start.", values)
            offline = {name: value.clone() for name, value in values.items()}
        if mistake != "stale moments":
            state = {}
        for step, rows, rate in steps_of(case, labels, task):
            rests = task.index > 0 and step < case.frozen and mistake != "nothing rests"
            learned = [name for name in values if name.startswith("head") or not rests]
            leaves = {name: value.clone().requires_grad_(name in learned) for name, value in values.items()}
            z = specs(leaves, x[rows]) @ leaves["head.weight"].T + leaves["head.bias"]
            loss = (torch.logsumexp(z[:, past : task.seen], 1) - z.gather(1, labels[rows, None])[:, 0]).mean()
            loss.backward()
            found = {name: leaves[name].grad for name in learned}
            out.all(f"gradient{task.index}.", {name: g for name, g in found.items() if f"gradient{task.index}.{name}" not in out})
            if step in (0, case.frozen) and not rests and not mistake:
                for name, value in specs.by_hand(leaves).items():
                    error = relative_error(value, found[name])
                    assert error < 1e-11, f"the gradient of {name} by hand differs by {error}"
            before = {name: value.clone() for name, value in values.items()}
            for name in learned:
                lines = slice(past, task.seen) if name.startswith("head") else slice(None)
                mine = state.setdefault(name, {"m": torch.zeros_like(values[name]), "v": torch.zeros_like(values[name]), "steps": 0})
                mine["steps"] += 1
                part = {key: mine[key][lines] for key in "mv"}
                if mistake == "decay":
                    values[name].mul_(1 - rate * 0.01)
                update(values[name][lines], found[name][lines], part, step + 1 if mistake == "one count of steps" else mine["steps"], rate, amsgrad=False)
                for key in "mv":
                    mine[key][lines] = part[key]
            for name, value in offline.items():
                if (name.startswith("head") and mistake != "heads averaged") or (mistake == "scales not averaged" and "scale" in name) or mistake == "offline never moves":
                    continue
                now = before[name] if mistake == "offline before the step" else values[name]
                offline[name] = m.alpha * value + (1 - m.alpha) * now
            out.losses.append(loss)
    with torch.no_grad():
        heads = offline if mistake == "heads averaged" else values
        for name, these, head in (("", values, values), ("offline.", offline, heads)):
            f = specs(these, x)
            out.update({f"{name}features": f, f"{name}logits": f @ head["head.weight"].T + head["head.bias"]})
        out.all("final.", values)
        out.all("offline.final.", module_of(offline))
        probability = torch.maximum(*(torch.softmax(out[f"{name}logits"], 1) for name in ("", "offline.")))
        out.update({"vote.scores": probability.log(), "vote.class": probability.argmax(1)})
    return out.finished()


def lae_variants(case: Case, p: dict, start: dict, x) -> dict[str, torch.Tensor]:
    """Features at the start, by mistake"""
    m, values = case.method, vit.double(start)
    read = lambda method, v, network=p: LaeBySpecs(method, network)(v, x.double())  # noqa: E731
    module = module_of(values)
    wrong = {f"without {name}": read(m, values | {name: torch.zeros_like(value)}) for name, value in module.items()}
    wrong |= {f"{name} is 1": read(m, values | {name: torch.ones_like(value)}) for name, value in module.items() if "scale" in name}
    swapped = {"lora_k": "lora_v", "lora_v": "lora_k"}
    if m.module == "lora":
        exchange = lambda name: next((name.replace(a, b) for a, b in swapped.items() if a in name), name)  # noqa: E731
        wrong["k and v swapped"] = read(m, values | {name: values[exchange(name)] for name in module})
    if m.module == "prefix":
        wrong["k and v swapped"] = read(m, values | {"prompt.keys": values["prompt.values"], "prompt.values": values["prompt.keys"]})
        wrong["scales swapped"] = read(m, values | {"prompt.scales": values["prompt.scales"].flip(1)})
        model = build_timm(A, p)
        wrong["not compensated"] = replace(m, compensated=False)(model, values, x.double())
    wrong["other blocks"] = read(replace(m, blocks=(1, 2)), values | {name.replace("blocks.0", "blocks.2"): value for name, value in module.items()})
    wrong[""] = read(m, values)
    return wrong


def lae_telling(name: str, case: Case, start: dict, results: dict) -> None:
    began = vit.double(start)
    for key, value in results.items():
        if key.startswith("offline.final."):
            key = key.removeprefix("offline.final.")
            birth, end = results[f"task1.start.{key}"], results[f"final.{key}"]
            assert min(relative_error(birth, began[key]), relative_error(end, birth), relative_error(value, birth), relative_error(value, end)) > 1e-3, (name, key)
    last, rows = results["task1.start.head.weight"], slice(TASKS[1].past, None)
    assert torch.equal(last[rows], began["head.weight"][rows]) and torch.equal(results["final.head.weight"][: rows.start], last[: rows.start])
    ordered = results["vote.scores"].sort(1).values
    assert float((ordered[:, -1] - ordered[:, -2]).min()) > LEAST_MARGIN, "two classes win alike"
    both = results["logits"], results["offline.logits"]
    for what, found in {"online": both[0], "offline": both[1], "the largest logit": torch.maximum(*both)}.items():
        assert (found.argmax(1) != results["vote.class"]).any(), f"{name}: {what} alone decides as the vote does"


# CoFiMA


def cofima_by_timm(case: Case, p: dict, start: dict, x, labels, kind: torch.dtype) -> dict:
    m, model, x, out = case.method, build_timm(A, p).to(kind), x.to(kind), Recorder()
    network = {name: value for name, value in model.named_parameters() if not name.startswith("head")}
    heads, read = [], lambda images: model.forward_head(model.forward_features(images), pre_logits=True)  # noqa: E731
    whole = lambda name: torch.cat([head[name].detach() for head in heads])  # noqa: E731
    for task in TASKS:
        heads.append({name: value[task.past : task.seen].to(kind, copy=True).requires_grad_() for name, value in start.items()})
        logits = lambda images, some: torch.cat([F.linear(read(images), *head.values()) for head in some], 1)  # noqa: E731
        previous = mixing.copied(network)
        out.all(f"task{task.index}.start.", network)
        optimiser = torch.optim.SGD([{"params": list(heads[-1].values())}, {"params": list(network.values())}], lr=case.rate, momentum=MOMENTUM, weight_decay=DECAY)
        for step, rows, rate in steps_of(case, labels, task):
            for group, factor in zip(optimiser.param_groups, (1.0, case.trunk)):
                group["lr"] = rate * factor
            optimiser.zero_grad()
            loss = F.cross_entropy(logits(x[rows], heads[-1:]), labels[rows] - task.past)
            loss.backward()
            optimiser.step()
            out.losses.append(loss)
            if step == 0:
                out.all(f"gradient{task.index}.", {name: value.grad for name, value in network.items()})
                for name, value in heads[-1].items():
                    out[f"gradient{task.index}.{name}"] = torch.zeros_like(start[name], dtype=kind)
                    out[f"gradient{task.index}.{name}"][task.past : task.seen] = value.grad
        loss_of = lambda images, target: F.cross_entropy(logits(images, heads), target)  # noqa: B023, E731
        fisher = mixing.batch_fisher(loss_of, network, [(x[rows], labels[rows]) for rows in pictures_of(labels, task).split(BATCH)], m.cap)
        out.all(f"fisher{task.index}.", fisher)
        if task.index == 1:
            out.all("trained.", network)
            mixing.merge_by_fisher(m, network, previous, fisher_before, fisher)  # noqa: F821  of the task before
        fisher_before = fisher  # noqa: F841
    with torch.no_grad():
        out.all("final.", network | {name: whole(name) for name in start})
        features = read(x)
        out.update({"features": features, "logits": F.linear(features, whole("head.weight"), whole("head.bias"))})
    return out.finished()


COFIMA_MISTAKES = ("old heads decay", "momentum kept", "rate of the head", "Fisher of the task's columns", "Fisher of each picture", "no cap", "no Fisher",
                   "shares swapped", "no merge", "all columns", "no decay")


def cofima_by_specs(case: Case, p: dict, start: dict, x, labels, mistake: str = "") -> dict:
    m, x, out = case.method, x.double(), Recorder()
    values = {name: value for name, value in vit.double(p).items() if not name.startswith("head")} | vit.double(start)
    network = [name for name in values if not name.startswith("head")]
    logits_of = lambda v, images: vit.forward(v, A, images)["features"] @ v["head.weight"].T + v["head.bias"]  # noqa: E731
    entropy = lambda z, target, past, seen: (torch.logsumexp(z[:, past:seen], 1) - z.gather(1, target[:, None])[:, 0]).mean()  # noqa: E731

    def gradients(names, images, target, past, seen):
        leaves = {name: value.clone().requires_grad_(name in names) for name, value in values.items()}
        loss = entropy(logits_of(leaves, images), target, past, seen)
        return loss, dict(zip(names, torch.autograd.grad(loss, [leaves[name] for name in names])))

    velocity, fishers = {}, []
    for task in TASKS:
        old = {name: values[name].clone() for name in network}
        out.all(f"task{task.index}.start.", old)
        if mistake != "momentum kept":
            velocity = {}
        for step, rows, rate in steps_of(case, labels, task):
            loss, found = gradients(list(values), x[rows], labels[rows], 0 if mistake == "all columns" else task.past, task.seen)
            if step == 0:
                out.all(f"gradient{task.index}.", found)
            for name, g in found.items():
                head = name.startswith("head")
                lines = slice(task.past if mistake != "old heads decay" else 0, task.seen) if head else slice(None)
                g = g + (DECAY if mistake != "no decay" else 0) * values[name]
                velocity[name] = MOMENTUM * velocity[name] + g if name in velocity else g
                values[name][lines] -= rate * (1.0 if head or mistake == "rate of the head" else case.trunk) * velocity[name][lines]
            out.losses.append(loss)
        size = 1 if mistake == "Fisher of each picture" else BATCH
        parts = pictures_of(labels, task).split(size)
        squares = [gradients(network, x[rows], labels[rows], task.past if mistake == "Fisher of the task's columns" else 0, task.seen)[1] for rows in parts]
        fisher = {name: sum(g[name] ** 2 for g in squares) / len(parts) for name in network}
        if mistake != "no cap":
            fisher = {name: f.clamp(max=m.cap) for name, f in fisher.items()}
        if mistake == "no Fisher":
            fisher = {name: torch.ones_like(f) for name, f in fisher.items()}
        fishers.append(fisher)
        out.all(f"fisher{task.index}.", fisher)
        if task.index == 1:
            out.all("trained.", {name: values[name] for name in network})
            for name in network if mistake != "no merge" else []:
                f0, f1, alpha = fishers[0][name] + m.eps, fisher[name] + m.eps, m.alpha if mistake != "shares swapped" else 1 - m.alpha
                values[name] = old[name] + (values[name] - old[name]) / (1 + (1 - alpha) / alpha * f0 / f1)
    with torch.no_grad():
        out.all("final.", values)
        features = vit.forward(values, A, x)["features"]
        out.update({"features": features, "logits": features @ values["head.weight"].T + values["head.bias"]})
    return out.finished()


def cofima_telling(name: str, case: Case, start: dict, results: dict) -> None:
    """The Fishers tell entries apart, some of them exceed the cap, and the merge is no plain mean."""
    for task in TASKS:
        all_of = torch.cat([value.flatten() for key, value in results.items() if key.startswith(f"fisher{task.index}.")])
        capped = float((all_of == case.method.cap).double().mean())
        assert 0.02 < capped < 0.5, f"{capped} of the Fisher entries are at the cap"
    for key in (key.removeprefix("trained.") for key in results if key.startswith("trained.")):
        old, new, merged = (results[f"{part}.{key}"] for part in ("task1.start", "trained", "final"))
        plain = (1 - case.method.alpha) * old + case.method.alpha * new
        assert (merged - plain).norm() > 0.05 * (new - old).norm(), f"the Fisher weighs nothing in {key}"


# ESN


def esn_by_timm(case: Case, p: dict, start: dict, x, labels, kind: torch.dtype) -> dict:
    m, model, x, out = case.method, build_timm(A, p).to(kind).requires_grad_(False), x.to(kind), Recorder()
    values, temperatures, classifiers = in_type(start, kind), [], []
    prompt = {"prompt.tokens": values["prompt.tokens"]}
    answers = lambda rows: [m.answer(m.trunk(model, prompt, x[rows]), c, A.heads) for c in classifiers]  # noqa: E731
    for task in TASKS:
        own = f"task{task.index}."
        classifiers.append({name.removeprefix(own): value for name, value in values.items() if name.startswith(own)})
        learned = (prompt if task.index == 0 else {}) | {f"{own}{name}": value for name, value in classifiers[-1].items()}
        prompt["prompt.tokens"].requires_grad_(task.index == 0)
        optimiser = torch.optim.SGD([value.requires_grad_() for value in learned.values()], lr=case.rate, momentum=MOMENTUM, weight_decay=DECAY)
        for step, rows, rate in steps_of(case, labels, task):
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad()
            loss = m.loss(answers(rows)[-1].logits, labels[rows] - task.past)
            loss.backward()
            optimiser.step()
            out.losses.append(loss)
            if step == 0:
                out.all(f"gradient{task.index}.", {name: value.grad for name, value in learned.items()})
        with torch.no_grad():
            if task.index == 0:
                temperatures.append(TEMPERATURES[0])
                out.all("task1.start.", prompt)
            else:
                share = mixing.recognised([answer.logits for answer in answers(pictures_of(labels, task))])
                temperatures.append(TEMPERATURES[int(mixing.first_of_largest(share))])
                out["recognised"] = share
    with torch.no_grad():
        out.all("final.", values)
        found = answers(slice(None))
        logits = [answer.logits for answer in found]
        for k, answer in enumerate(found):
            out.update({f"task{k}.features": answer.features, f"task{k}.logits": answer.logits})
        chosen, classes = mixing.energy_vote(logits, temperatures)
        out.update({"logits": torch.cat(logits, 1), "energies": torch.stack([mixing.energies(logits, t) for t in TEMPERATURES]),
                    "temperatures": torch.tensor(temperatures, dtype=torch.float64), "vote.task": chosen, "vote.class": classes})
    return out.finished()


ESN_MISTAKES = ("soft-max", "no anchor", "final norm", "positions", "prompt learns on", "eps 1e-6", "token not a key", "tanh", "scale of all heads", "no decay",
                "constant rate", "momentum kept")


class EsnBySpecs:
    """Class attention folded: the queries come from the token alone, so keys and values need no product with the tokens."""

    def __init__(self, method: Esn, p: dict, mistake: str):
        self.method, self.p, self.mistake = method, vit.double(p), mistake
        self.eps = 1e-6 if mistake == "eps 1e-6" else 1e-5

    def trunk(self, prompt, x):
        tokens = vit.embed(self.p, A, vit.patch_embed(self.p, A, x))
        if self.mistake == "positions":
            prompt = prompt + self.p["pos_embed"][:, :1]
        tokens = torch.cat([tokens, prompt.expand(len(x), -1, -1)], 1)  # their place decides nothing
        for i in range(A.depth):
            tokens = vit.block(self.p, A, i, tokens)
        return vit.layer_norm(tokens, self.p["norm.weight"], self.p["norm.bias"], A.eps) if self.mistake == "final norm" else tokens

    def bare(self, x):
        return vit.layer_norm(x, 1.0, 0.0, self.eps)

    def answer(self, tokens, c: dict):
        w, d, size = (lambda name: c[f"class_attention.{name}"]), A.width, A.width // A.heads  # noqa: E731
        gain, shift = w("norm1.weight"), w("norm1.bias")
        token = self.bare(w("token"))
        rows = self.bare(tokens)
        if self.mistake != "token not a key":
            rows = torch.cat([token.expand(len(tokens), 1, -1), rows], 1)
        weight, bias = w("attn.qkv.weight"), w("attn.qkv.bias")
        q = weight[:d] @ (gain * token + shift) + bias[:d]
        pooled = []
        for h in range(A.heads):
            part = slice(h * size, (h + 1) * size)
            u = weight[d : 2 * d][part].T @ q[part]
            a = torch.softmax(rows @ (gain * u) * (d if self.mistake == "scale of all heads" else size) ** -0.5, 1)  # bias and shift add a constant
            mean = (a[:, :, None] * rows).sum(1)
            pooled.append((gain * mean + shift) @ weight[2 * d :][part].T + bias[2 * d :][part])
        x = w("token") + torch.cat(pooled, 1) @ w("attn.proj.weight").T + w("attn.proj.bias")
        n = vit.layer_norm(x, w("norm2.weight"), w("norm2.bias"), self.eps)
        g = vit.ACTIVATIONS["gelu_tanh" if self.mistake == "tanh" else "gelu"](n @ w("mlp.fc1.weight").T + w("mlp.fc1.bias"))
        x = x + g @ w("mlp.fc2.weight").T + w("mlp.fc2.bias")
        return x, x @ c["head.weight"].T + c["head.bias"]


def esn_by_specs(case: Case, p: dict, start: dict, x, labels, mistake: str = "") -> dict:
    m, specs, x, values, out, temperatures, velocity = case.method, EsnBySpecs(case.method, p, mistake), x.double(), vit.double(start), Recorder(), [], {}
    part = lambda v, k: {name.removeprefix(f"task{k}."): value for name, value in v.items() if name.startswith(f"task{k}.")}  # noqa: E731
    sign = 1.0 if mistake == "soft-max" else -1.0
    answers = lambda rows, tasks: [specs.answer(specs.trunk(values["prompt.tokens"], x[rows]), part(values, k)) for k in range(tasks)]  # noqa: E731
    lse = lambda z, t: z.amax(1) / t + torch.exp((z - z.amax(1, keepdim=True)) / t).sum(1).log()  # noqa: E731
    table = lambda found, temperature: torch.stack([lse(z, temperature) for _, z in found], 1)  # noqa: E731
    for task in TASKS:
        learned = [name for name in values if name.startswith(f"task{task.index}.") or (name.startswith("prompt") and (task.index == 0 or mistake == "prompt learns on"))]
        velocity = velocity if mistake == "momentum kept" else {}
        for step, rows, rate in steps_of(case, labels, task):
            leaves = {name: value.clone().requires_grad_(name in learned) for name, value in values.items()}
            _, z = specs.answer(specs.trunk(leaves["prompt.tokens"], x[rows]), part(leaves, task.index))
            distance = -torch.logsumexp(sign * z, 1) - m.target
            loss = (torch.logsumexp(z, 1) - z.gather(1, labels[rows, None] - task.past)[:, 0]).mean() + (m.weight if mistake != "no anchor" else 0) * (distance**2).mean()
            found = dict(zip(learned, torch.autograd.grad(loss, [leaves[name] for name in learned])))
            if step == 0:
                out.all(f"gradient{task.index}.", found)
            for name, g in found.items():
                g = g + (DECAY if mistake != "no decay" else 0) * values[name]
                key = name.removeprefix(f"task{task.index}.") if mistake == "momentum kept" else name
                velocity[key] = MOMENTUM * velocity[key] + g if key in velocity and velocity[key].shape == g.shape else g
                values[name] = values[name] - (case.rate if mistake == "constant rate" else rate) * velocity[key]
            out.losses.append(loss)
        if task.index == 0:
            temperatures.append(0.001)
            out.all("task1.start.", {"prompt.tokens": values["prompt.tokens"]})
        else:
            found = answers(pictures_of(labels, task), 2)
            wins = torch.stack([(e[:, 1] > e[:, 0]).double().mean() for e in (table(found, t) for t in TEMPERATURES)])
            temperatures.append(TEMPERATURES[[float(w) == float(wins.max()) for w in wins].index(True)])
            out["recognised"] = wins
    found = answers(slice(None), 2)
    out.all("final.", values)
    for k, (features, logits) in enumerate(found):
        out.update({f"task{k}.features": features, f"task{k}.logits": logits})
    energies = torch.stack([table(found, t) for t in TEMPERATURES])
    for_second = sum((energies[TEMPERATURES.index(t)].diff(dim=1)[:, 0] > 0).long() for t in set(temperatures))
    task = (2 * for_second > len(set(temperatures))).long()
    best = torch.stack([logits.argmax(1) for _, logits in found], 1)
    classes = torch.where(task == 0, best[:, 0], TASKS[1].past + best[:, 1])
    out.update({"logits": torch.cat([logits for _, logits in found], 1), "energies": energies, "temperatures": torch.tensor(temperatures, dtype=torch.float64),
                "vote.task": task, "vote.class": classes})
    return out.finished()


def esn_telling(name: str, case: Case, start: dict, results: dict) -> None:
    """The second temperature is not the first, the two disagree about some pictures, and no energy wins by a hair."""
    energies, share, (cold, warm) = results["energies"], results["recognised"], results["temperatures"].tolist()
    assert cold < warm and float(share.max()) > float(share[0]), f"{name}: temperatures {cold} and {warm}, recognised {share.tolist()}"
    votes = {t: energies[TEMPERATURES.index(t)].argmax(1) for t in (cold, warm)}
    disagree = votes[cold] != votes[warm]
    assert disagree.any() and (results["vote.task"][disagree] == 0).all()
    assert {0, 1} == set(results["vote.task"].tolist())
    gaps = energies.diff(dim=2).abs()
    assert float(gaps.min()) > LEAST_MARGIN, f"{name}: two tasks have the same energy, {gaps.min()}"
    for task in TASKS:
        z = results[f"task{task.index}.logits"].sort(1).values
        assert float((z[:, -1] - z[:, -2]).min()) > LEAST_MARGIN


# All of them


WAYS = {Lae: (lae_by_timm, lae_by_specs, LAE_MISTAKES, lae_telling), Cofima: (cofima_by_timm, cofima_by_specs, COFIMA_MISTAKES, cofima_telling),
        Esn: (esn_by_timm, esn_by_specs, ESN_MISTAKES, esn_telling)}


def difference(one: dict, other: dict, key: str) -> float:
    """Recognised shares and votes are right or wrong."""
    a, b = one[key], other[key]
    if not a.is_floating_point() or key in ("recognised", "temperatures"):
        return 0.0 if torch.equal(a.double(), b.double()) else 1.0
    return relative_error(a, b)


def described(case: Case) -> dict:
    """Everything a test needs to build the method"""
    m = case.method
    sgd = {"optimiser": {"kind": "sgd", "momentum": MOMENTUM, "weight_decay": DECAY}}
    if isinstance(m, Lae):
        return {"method": {"kind": "lae"} | asdict(m), "frozen": case.frozen,
                "optimiser": {"kind": "adam", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}}
    if isinstance(m, Cofima):
        return sgd | {"method": {"kind": "cofima"} | asdict(m), "trunk": case.trunk, "milestone": case.milestone, "fisher_batch": BATCH}
    return sgd | {"method": {"kind": "esn"} | asdict(m) | {"eps": m.eps, "beta": 1.0, "heads": A.heads, "candidates": TEMPERATURES}, "epoch": EPOCH}


def shortened(tensors: dict, keep) -> dict:
    """Of a tensor too long the length alone, unless `keep` says otherwise"""
    return dict((key, value) if keep(key, value) else (f"length.{key}", value.double().norm()) for key, value in tensors.items())


def one(folder: Path, name: str, case: Case, pixels: torch.Tensor, labels: torch.Tensor) -> None:
    _, p, _ = drawn("plain")
    x, start = normalised(pixels), beginning(case)
    by_timm, by_specs, mistakes, telling = WAYS[type(case.method)]
    results = by_timm(case, p, start, x, labels, torch.float64)
    check = by_specs(case, p, start, x, labels)
    single_precision = by_timm(case, p, start, x, labels, torch.float32)
    assert results.keys() == check.keys() == single_precision.keys(), results.keys() ^ check.keys()
    for key in results:
        error = difference(check, results, key)
        assert error < 1e-8, f"{name}: {key} of timm and of reference/vit.py differ by {error}"
    parts = ("losses", "features", "gradient0", "gradient1", "final.", "offline.", "fisher", "trained.", "task", "vote")
    rounding = {part: max(found) for part in parts if (found := [difference(single_precision, results, key) for key in results if key.startswith(part)])}
    assert all(value < (1e-4 if part == "fisher" else 3e-5) for part, value in rounding.items()), (name, rounding)  # a square errs twice
    losses = results["losses"].reshape(2, STEPS)
    assert (losses[:, -3:].mean(1) < 0.85 * losses[:, :3].mean(1)).all(), f"{name} learns nothing: {losses}"
    telling(name, case, start, results)
    whole = lambda _, value: value.numel() <= WHOLE or not isinstance(case.method, Cofima)  # noqa: E731
    for mistake in mistakes:
        wrong = by_specs(case, p, start, x, labels, mistake)
        change = max(difference(wrong, results, key) for key, value in results.items() if key.startswith(("final.", "offline.", "fisher")) and whole(key, value))
        assert change > LEAST_CHANGE, f"{name}: {mistake} changes {change} only"
    if isinstance(case.method, Lae):
        variants = lae_variants(case, p, start, x)
        right = variants.pop("")
        blind = {what: change for what, f in variants.items() if (change := relative_error(f, right)) < LEAST_CHANGE}
        assert not blind, f"{name}: nobody would notice {blind}"
    kept = {key: value for key, value in results.items() if not key.startswith("task0.start.")}
    if isinstance(case.method, Cofima):
        began = {key: value.double() for key, value in (p | start).items()}
        kept |= {key.replace("final", "moved", 1): (value - began[key.removeprefix("final.")]).norm() for key, value in results.items() if key.startswith("final.")}
    save(folder / f"trajectory_{name}.safetensors",
         {f"param.{key}": value for key, value in start.items()} | shortened(kept, whole)
         | {"rates": np.tile(case.rates(), 2), "rows": torch.cat([batch_rows(labels, task) for task in TASKS]), "losses.float32": single_precision["losses"]},
         {"case": name, "weights": "vit/plain.weights.safetensors", "data": "training/trajectories.data.safetensors", "architecture": A.as_json(),
          "tasks": [task._asdict() | {"steps": STEPS} for task in TASKS], "batch": BATCH, "rate": case.rate, "seed": case.seed,
          "float32": {key.rstrip("."): float(f"{value:.0e}") for key, value in rounding.items()}} | described(case))


# Fishers


FISHER_IMAGES, FISHER_BATCH = 12, 5


def fishers_by_timm(p: dict, head: dict, x, labels) -> dict:
    """By the gradient of every loss on its own"""
    model = build_timm(A, p)
    network = {name: value for name, value in model.named_parameters() if not name.startswith("head")}
    leaves = network | {name: value.double().requires_grad_() for name, value in head.items()}
    logits = lambda images: F.linear(model.forward_head(model.forward_features(images.double()), pre_logits=True), leaves["head.weight"], leaves["head.bias"])  # noqa: E731
    loss = lambda images, target: F.cross_entropy(logits(images), target)  # noqa: E731
    split = lambda size: [(x[rows], labels[rows]) for rows in torch.arange(len(x)).split(size)]  # noqa: E731
    out = {"batches": mixing.batch_fisher(loss, leaves, split(FISHER_BATCH), None), "empirical": mixing.batch_fisher(loss, leaves, split(1), None)}
    true = {name: torch.zeros_like(value) for name, value in leaves.items()}
    for i in range(len(x)):
        z = logits(x[i : i + 1])
        p = z.detach().softmax(1)[0]
        for c in range(CLASSES):
            gradients = torch.autograd.grad(F.cross_entropy(z, torch.tensor([c])), list(leaves.values()), retain_graph=True)
            for name, g in zip(leaves, gradients):
                true[name] += p[c] * g**2 / len(x)
    out["true"] = true
    return {f"{kind}.{name}": value.detach() for kind, fisher in out.items() for name, value in fisher.items()} | {"logits": logits(x).detach()}


def fishers_by_specs(p: dict, head: dict, x, labels) -> dict:
    """By the Jacobian of the logits: every gradient is a sum of its rows"""
    leaves = {name: value.clone().requires_grad_() for name, value in (vit.double(p) | vit.double(head)).items()}
    features = vit.forward(leaves, A, x.double())["features"]
    z = features @ leaves["head.weight"].T + leaves["head.bias"]
    rows = [[torch.autograd.grad(z[i, c], list(leaves.values()), retain_graph=True) for c in range(CLASSES)] for i in range(len(x))]
    with torch.no_grad():
        out, probability, n = {"logits": z.detach()}, z.softmax(1), len(x)
        hot = F.one_hot(labels, CLASSES)
        for k, name in enumerate(leaves):
            jacobian = torch.stack([torch.stack([rows[i][c][k] for c in range(CLASSES)]) for i in range(n)]).flatten(2)  # [N, C, P]
            each = torch.einsum("ic,icp->ip", probability - hot, jacobian)
            parts = each.split(FISHER_BATCH)
            covariance = torch.diag_embed(probability) - probability[:, :, None] * probability[:, None, :]
            made = {"empirical": (each**2).mean(0), "batches": sum(part.mean(0) ** 2 for part in parts) / len(parts),
                    "true": torch.einsum("icp,icd,idp->p", jacobian, covariance, jacobian) / n}
            out |= {f"{kind}.{name}": value.reshape(leaves[name].shape) for kind, value in made.items()}
        delta, f = probability - hot, features
        for kind, square in (("empirical", delta**2), ("true", probability * (1 - probability))):  # without any gradient
            assert relative_error(square.T @ f**2 / n, out[f"{kind}.head.weight"]) < 1e-12
            assert relative_error(square.mean(0), out[f"{kind}.head.bias"]) < 1e-12
    return out


def fishers(root: Path, pixels, labels) -> None:
    _, p, _ = drawn("plain")
    p = {name: value for name, value in p.items() if not name.startswith("head")}
    normal, x, target = drawer(np.random.RandomState(SEED + 50)), normalised(pixels)[:FISHER_IMAGES], labels[:FISHER_IMAGES]
    head = {"head.weight": normal(0.4, CLASSES, A.width), "head.bias": normal(0.3, CLASSES)}
    results = fishers_by_timm(drawn("plain")[1], head, x, target)
    check = fishers_by_specs(p, head, x, target)
    assert results.keys() == check.keys()
    for key, value in results.items():
        assert relative_error(check[key], value) < 1e-11, key
    for name in [*p, *head]:
        kinds = [results[f"{kind}.{name}"] for kind in ("empirical", "true", "batches")]
        assert all(relative_error(a, b) > 0.02 for a, b in ((kinds[0], kinds[1]), (kinds[0], kinds[2]), (kinds[1], kinds[2]))), name
    save(root / "training" / "fisher.safetensors",
         {f"param.{key}": value for key, value in head.items()} | {"rows": torch.arange(FISHER_IMAGES), "labels": target}
         | shortened(results, lambda _, value: value.numel() <= WHOLE),
         {"case": "fisher", "weights": "vit/plain.weights.safetensors", "data": "training/trajectories.data.safetensors", "architecture": A.as_json(),
          "batch": FISHER_BATCH, "seed": SEED + 50})


def generate(root: Path) -> None:
    worked_examples()
    pixels, labels = pictures()
    for name, case in CASES.items():
        one(root / "training", name, case, pixels, labels)
    fishers(root, pixels, labels)
