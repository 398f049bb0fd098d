"""The vision transformer in float64, written from specs: the oracle beside timm and transformers.

Every golden value of a network is computed twice, by the published library and by this page; a file is written
only if the two agree. It also does what those libraries have no switch for: prefixes and prompts in any block.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch

ACTIVATIONS = {
    "gelu": lambda u: 0.5 * u * (1 + torch.erf(u / 2**0.5)),
    "quick_gelu": lambda u: u * torch.sigmoid(1.702 * u),
    "gelu_tanh": lambda u: 0.5 * u * (1 + torch.tanh((2 / np.pi) ** 0.5 * (u + 0.044715 * u**3))),
}


@dataclass(frozen=True)
class Architecture:
    """What a test needs to build the network; written into every file as JSON."""

    image: tuple[int, int] = (12, 12)  # height, width
    patch: int = 4
    width: int = 32
    depth: int = 2
    heads: int = 4
    hidden: int = 40
    eps: float = 1e-6
    activation: str = "gelu"
    qkv_bias: bool = True
    class_token: bool = True
    distilled: bool = False
    registers: int = 0
    no_embed_class: bool = False  # the position table has rows for the patches alone
    pre_norm: bool = False  # norm_pre before block 0, and no bias in the patch embedding
    layer_scale: bool = False
    pool: str = "token"  # token, avg, max, avgmax, map; a distilled network averages its two prefix rows
    fc_norm: bool = False  # the final norm stands behind the pool
    head: int = 0  # rows of the classifier in the file, 0: none

    @property
    def grid(self) -> tuple[int, int]:
        return self.image[0] // self.patch, self.image[1] // self.patch

    @property
    def patches(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def prefix_tokens(self) -> int:
        return int(self.class_token) + int(self.distilled) + self.registers

    def as_json(self) -> dict:
        return asdict(self) | {"image": list(self.image), "grid": list(self.grid),
                               "prefix_tokens": self.prefix_tokens, "tokens": self.prefix_tokens + self.patches}


def shapes(a: Architecture) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters, in timm's naming."""
    d, h, table = a.width, a.hidden, {}
    norm = lambda name: table.update({f"{name}.weight": (d,), f"{name}.bias": (d,)})  # noqa: E731

    def linear(name, rows, columns, bias=True):
        table[f"{name}.weight"] = (rows, columns)
        if bias:
            table[f"{name}.bias"] = (rows,)

    if a.class_token:
        table["cls_token"] = (1, 1, d)
    if a.distilled:
        table["dist_token"] = (1, 1, d)
    if a.registers:
        table["reg_token"] = (1, a.registers, d)
    table["pos_embed"] = (1, a.patches + (0 if a.no_embed_class else a.prefix_tokens), d)
    table["patch_embed.proj.weight"] = (d, 3, a.patch, a.patch)
    if a.pre_norm:
        norm("norm_pre")
    else:
        table["patch_embed.proj.bias"] = (d,)
    for i in range(a.depth):
        norm(f"blocks.{i}.norm1")
        linear(f"blocks.{i}.attn.qkv", 3 * d, d, a.qkv_bias)
        linear(f"blocks.{i}.attn.proj", d, d)
        norm(f"blocks.{i}.norm2")
        linear(f"blocks.{i}.mlp.fc1", h, d)
        linear(f"blocks.{i}.mlp.fc2", d, h)
        if a.layer_scale:
            table[f"blocks.{i}.ls1.gamma"] = table[f"blocks.{i}.ls2.gamma"] = (d,)
    norm("fc_norm" if a.fc_norm else "norm")
    if a.pool == "map":
        table["attn_pool.latent"] = (1, 1, d)
        linear("attn_pool.q", d, d)
        linear("attn_pool.kv", 2 * d, d)
        linear("attn_pool.proj", d, d)
        norm("attn_pool.norm")
        linear("attn_pool.mlp.fc1", h, d)
        linear("attn_pool.mlp.fc2", d, h)
    if a.head:
        linear("head", a.head, d)
        if a.distilled:
            linear("head_dist", a.head, d)
    return table


def draw(a: Architecture, seed: int) -> dict[str, torch.Tensor]:
    """Weights in which no mistake can hide: non-zero biases, norm weights away from 1, peaked attention, and a
    residual stream of variance about 1e-3, beside which an eps of 1e-5 is not an eps of 1e-6."""
    random = np.random.RandomState(seed)
    branch = 10.0 if a.layer_scale else 1.0  # what LayerScale takes away, the projection before it brings

    def one(name: str, shape: tuple[int, ...]) -> np.ndarray:
        n = random.standard_normal(shape)
        kind, part = name.rsplit(".", 1) if "." in name else (name, "")
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        if part == "gamma":
            return 0.1 * (1 + 0.5 * n)
        if kind == "norm_pre":
            return 0.03 * (1 + 0.3 * n) if part == "weight" else 0.01 * n
        if kind.endswith(("norm", "norm1", "norm2")):
            return 1 + 0.3 * n if part == "weight" else 0.2 * n
        if kind in ("cls_token", "dist_token", "reg_token"):
            return 0.03 * n
        if kind == "pos_embed":
            return 0.02 * n
        if name == "attn_pool.latent":
            return n
        if kind == "patch_embed.proj":
            return 0.02 * n / fan_in**0.5 if part == "weight" else 0.01 * n
        if kind.endswith(("qkv", "attn_pool.q", "attn_pool.kv")):
            n *= 0.3 if part == "bias" else fan_in**-0.5
            scored = shape[0] if kind.endswith("pool.q") else shape[0] - a.width  # rows of q and k, not of v
            n[:scored] *= 1.0 if part == "bias" else 1.6
            return n
        if kind.endswith("fc1"):
            return 0.3 * n if part == "bias" else 2.2 * n / fan_in**0.5
        if kind.startswith("attn_pool"):
            return 0.2 * n if part == "bias" else n / fan_in**0.5
        if kind.endswith(("attn.proj", "fc2")):
            return branch * (0.005 * n if part == "bias" else 0.03 * n / fan_in**0.5)
        if kind in ("head", "head_dist"):
            return 0.1 * n if part == "bias" else n / fan_in**0.5
        raise ValueError(f"no rule for {name}")

    return {name: torch.from_numpy(one(name, shape).astype(np.float32)) for name, shape in sorted(shapes(a).items())}


def images(a: Architecture, batch: int, seed: int) -> torch.Tensor:
    """Normalised pictures: unit variance, float32 [B, 3, H, W]."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal((batch, 3, *a.image)).astype(np.float32))


def layer_norm(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdim=True)
    return weight * centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps) + bias


def attend(q, k, v, prefix=None, compensated=False):
    """[B, H, N, dh] each; `prefix` (keys, values) [B, P, D] stands before them. Compensated: the prefix columns of
    the softmax are divided by their own sum (LAE)."""
    if prefix is not None:
        k, v = (torch.cat([split_heads(extra, q.shape[1]), own], 2) for extra, own in zip(prefix, (k, v)))
    weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1)
    if compensated and prefix is not None:
        length = prefix[0].shape[1]
        own, rest = weights[..., :length], weights[..., length:]
        weights = torch.cat([own / own.sum(-1, keepdim=True).clamp_min(1e-12), rest], -1)
    return weights @ v


def split_heads(x, heads):
    b, n, d = x.shape
    return x.reshape(b, n, heads, d // heads).transpose(1, 2)


def merge_heads(x):
    b, h, n, dh = x.shape
    return x.transpose(1, 2).reshape(b, n, h * dh)


def patch_embed(p, a: Architecture, x):
    (gh, gw), s = a.grid, a.patch
    columns = x[..., : gh * s, : gw * s].reshape(-1, 3, gh, s, gw, s).permute(0, 2, 4, 1, 3, 5).reshape(-1, gh * gw, 3 * s * s)
    return columns @ p["patch_embed.proj.weight"].reshape(a.width, -1).T + p.get("patch_embed.proj.bias", 0)


def embed(p, a: Architecture, patches):
    rows = [p[name].expand(patches.shape[0], -1, -1) for name in ("cls_token", "dist_token", "reg_token") if name in p]
    if a.no_embed_class:
        x = torch.cat([*rows, patches + p["pos_embed"]], 1)
    else:
        x = torch.cat([*rows, patches], 1) + p["pos_embed"]
    return layer_norm(x, p["norm_pre.weight"], p["norm_pre.bias"], a.eps) if a.pre_norm else x


def adapter(p, i: int, x, scale):
    """s (relu(x W' + b) U' + c), of block i"""
    down, up = f"blocks.{i}.adapter.down", f"blocks.{i}.adapter.up"
    hidden = torch.relu(x @ p[f"{down}.weight"].T + p[f"{down}.bias"])
    return scale * (hidden @ p[f"{up}.weight"].T + p[f"{up}.bias"])


def block(p, a: Architecture, i: int, x, prefix=None, compensated=False, adapted="", adapter_scale=0.1):
    """`adapted`: "parallel", the adapter reads the rows before norm2; "sequential", it reads what the MLP gives."""
    w = lambda name: p[f"blocks.{i}.{name}"]  # noqa: E731
    scale = lambda name: p.get(f"blocks.{i}.{name}.gamma", 1.0)  # noqa: E731
    z = layer_norm(x, w("norm1.weight"), w("norm1.bias"), a.eps)
    qkv = z @ w("attn.qkv.weight").T + p.get(f"blocks.{i}.attn.qkv.bias", 0)
    q, k, v = (split_heads(part, a.heads) for part in qkv.split(a.width, -1))
    o = merge_heads(attend(q, k, v, prefix, compensated))
    x = x + scale("ls1") * (o @ w("attn.proj.weight").T + w("attn.proj.bias"))
    z = layer_norm(x, w("norm2.weight"), w("norm2.bias"), a.eps)
    g = ACTIVATIONS[a.activation](z @ w("mlp.fc1.weight").T + w("mlp.fc1.bias"))
    y = scale("ls2") * (g @ w("mlp.fc2.weight").T + w("mlp.fc2.bias"))
    if adapted:
        y = y + adapter(p, i, x if adapted == "parallel" else y, adapter_scale)
    return x + y


def pool(p, a: Architecture, x):
    """Tokens after the last block to the feature: the input of the classifier."""
    if not a.fc_norm:
        x = layer_norm(x, p["norm.weight"], p["norm.bias"], a.eps)
    patches = x[:, a.prefix_tokens:]
    if a.distilled:
        f = (x[:, 0] + x[:, 1]) / 2
    elif a.pool == "token":
        f = x[:, 0]
    elif a.pool == "avg":
        f = patches.mean(1)
    elif a.pool == "max":
        f = patches.amax(1)
    elif a.pool == "avgmax":
        f = (patches.mean(1) + patches.amax(1)) / 2
    else:
        f = map_pool(p, a, x)
    return layer_norm(f, p["fc_norm.weight"], p["fc_norm.bias"], a.eps) if a.fc_norm else f


def map_pool(p, a: Architecture, x):
    w = lambda name: p[f"attn_pool.{name}"]  # noqa: E731
    q = (w("latent") @ w("q.weight").T + w("q.bias")).expand(x.shape[0], -1, -1)
    k, v = (x @ w("kv.weight").T + w("kv.bias")).split(a.width, -1)
    t = merge_heads(attend(*(split_heads(part, a.heads) for part in (q, k, v))))
    t = t @ w("proj.weight").T + w("proj.bias")
    z = layer_norm(t, w("norm.weight"), w("norm.bias"), a.eps)
    g = ACTIVATIONS[a.activation](z @ w("mlp.fc1.weight").T + w("mlp.fc1.bias"))
    return (t + g @ w("mlp.fc2.weight").T + w("mlp.fc2.bias"))[:, 0]


def double(parameters: dict) -> dict:
    return {name: value.double() for name, value in parameters.items()}


def forward(parameters: dict, a: Architecture, x) -> dict[str, torch.Tensor]:
    """All intermediate results of a plain pass, in float64, under the names of the golden files."""
    p = double(parameters)
    result = {"patch_embed": patch_embed(p, a, x.double())}
    result["embed"] = tokens = embed(p, a, result["patch_embed"])
    for i in range(a.depth):
        result[f"block.{i}"] = tokens = block(p, a, i, tokens)
    result["features"] = pool(p, a, tokens)
    return result
