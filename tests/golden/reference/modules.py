"""Parameter-efficient modules on timm's vision transformer, by hooks: the network itself stays timm's.

What is attached follows from the names of the learnable tensors, D wide, r the rank, P rows of prompt:

    blocks.<i>.adapter.{down,up}.{weight,bias}         [r, D] [r], [D, r] [D]
    <linear>.lora.{a,b}                                [r, in], [out, r]: y + s (x A') B'
    blocks.<i>.attn.qkv.lora_{q,k,v}.{a,b}             [r, D], [D, r]: the same for a third of the rows of qkv
    <site>.ssf.{scale,shift}                           [out]: scale * y + shift, behind patch_embed, norm1, attn.qkv,
                                                       attn.proj, norm2, mlp.fc1, mlp.fc2 and the final norm (`norm`)
    prompts                                            [L, P, D]: appended before every block and dropped behind it;
                                                       [1, P, D]: appended before the first, dropped behind the last
    blocks.<i>.prefix.{key,value}                      [B or 1, P, D]: before the keys and values of the block
"""

import torch
from torch.nn import functional as F

SSF_SITES = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")


def final_norm(model) -> torch.nn.Module:
    """The one norm behind the last block, before the pool or after it."""
    return model.fc_norm if isinstance(model.norm, torch.nn.Identity) else model.norm


def attach(model, learnable: dict, adapted: str = "parallel", adapter_scale: float = 0.1, lora_scale: float = 1.0,
           dropout: float = 0.0) -> None:
    """`adapted`: "parallel", the adapter reads the rows before norm2; "sequential", it reads what the MLP gives.
    `dropout` acts on the hidden units of the adapter while the model trains."""
    for name, value in learnable.items():
        owner, _, part = name.rpartition(".")
        if name == "prompts":
            append_prompts(model, value)
        elif name.endswith(".adapter.down.weight"):
            block = model.get_submodule(owner.removesuffix(".adapter.down"))
            weights = [learnable[f"{owner.removesuffix('.down')}.{rest}"] for rest in ("down.weight", "down.bias", "up.weight", "up.bias")]
            add_adapter(model, block, weights, adapted, adapter_scale, dropout)
        elif part == "a":
            linear, _, which = owner.rpartition(".")
            add_lora(model.get_submodule(linear), value, learnable[f"{owner}.b"], lora_scale, which)
        elif part == "scale":
            site = owner.removesuffix(".ssf")
            module = final_norm(model) if site == "norm" else model.get_submodule(site)
            module.register_forward_hook(
                lambda _, __, y, scale=value, shift=learnable[f"{owner}.shift"]: y * scale + shift)
        elif part == "key":
            add_prefix(model.get_submodule(owner.removesuffix(".prefix")).attn, value, learnable[f"{owner}.value"])


def add_adapter(model, block, weights, adapted: str, scale: float, dropout: float) -> None:
    down, down_bias, up, up_bias = weights

    def branch(x):
        hidden = F.dropout(F.relu(F.linear(x, down, down_bias)), dropout, model.training)
        return scale * F.linear(hidden, up, up_bias)

    if adapted == "sequential":
        block.drop_path2.register_forward_hook(lambda _, __, y: y + branch(y))
        return
    read = {}
    block.norm2.register_forward_pre_hook(lambda _, inputs: read.update(x=inputs[0]))
    block.register_forward_hook(lambda _, __, y: y + branch(read.pop("x")))


def add_lora(linear, a, b, scale: float, which: str) -> None:
    def hook(_, inputs, y):
        change = scale * F.linear(F.linear(inputs[0], a), b)
        if which == "lora":
            return y + change
        third = "qkv".index(which[-1])
        return torch.cat([part + change if i == third else part for i, part in enumerate(y.chunk(3, -1))], -1)

    linear.register_forward_hook(hook)


def append_prompts(model, prompts) -> None:
    blocks, length = model.blocks, prompts.shape[1]
    deep = len(prompts) == len(blocks)
    append = lambda rows: lambda _, inputs: (torch.cat([inputs[0], rows.expand(len(inputs[0]), -1, -1)], 1),)  # noqa: E731
    drop = lambda _, __, y: y[:, :-length]  # noqa: E731
    for i, block in enumerate(blocks):
        if deep or i == 0:
            block.register_forward_pre_hook(append(prompts[i]))
        if deep or i == len(blocks) - 1:
            block.register_forward_hook(drop)


def add_prefix(attention, key, value) -> None:
    heads = attention.num_heads

    def forward(x, **_):
        split = lambda rows: rows.unflatten(-1, (heads, -1)).transpose(1, 2)  # noqa: E731
        widen = lambda rows: rows.expand(len(x), -1, -1)  # noqa: E731
        q, k, v = attention.qkv(x).chunk(3, -1)
        k, v = torch.cat([widen(key), k], 1), torch.cat([widen(value), v], 1)
        o = F.scaled_dot_product_attention(split(q), split(k), split(v))
        return attention.proj(o.transpose(1, 2).flatten(2))

    attention.forward = forward
