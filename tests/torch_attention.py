"""Attention as PyTorch computes it, of x (N, T, k); of a layer's x (N, 6) it is [3, 2]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

F = torch.nn.functional


def linear(x: Any, p: Any, name: str, mark: str) -> Any:
    return F.linear(x, p[f"W{name}{mark}"].T, p.get(f"b{name}{mark}"))


def split(x: Any, heads: int) -> Any:
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def seen(x: Any, m: Any, keep: Any, causal: bool) -> Any:
    """Which steps each step looks at, (N, 1, T, S)."""
    found = torch.ones(len(m), 1, x.shape[1], m.shape[1], dtype=torch.bool)
    found = found if keep is None else found & keep[:, None, None, :]
    return found & torch.tril(torch.ones_like(found)) if causal else found


def mixed(q: Any, k: Any, v: Any, mask: Any, keeps: Any, dropout: float) -> Any:
    """PyTorch's own attention, or with what training draws its steps one by one."""
    if not dropout:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.ndim > 3)
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf)
    return (F.softmax(scores, -1) * (keeps >= dropout) / (1 - dropout)) @ v


def rotated(x: Any) -> Any:
    """As complex numbers turn, of pairs in both halves."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * 10000.0 ** (-torch.arange(half, dtype=x.dtype) / half)
    turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], -1)


def attention(
    x: Any,
    m: Any,
    p: Any,
    keep: Any = None,
    mark: str = "1",
    heads: int = 1,
    kv_heads: int | None = None,
    causal: bool = False,
    rotary: bool = False,
    dropout: float = 0.0,
    **starts: Any,
) -> Any:
    q, k, v = split(linear(x, p, "q", mark), heads), *(split(linear(m, p, n, mark), kv_heads or heads) for n in "kv")
    q, k = (rotated(q), rotated(k)) if rotary else (q, k)
    heard = mixed(q, k, v, seen(x, m, keep, causal), p.get(f"attention{mark}"), dropout)
    return linear(heard.transpose(1, 2).flatten(2), p, "o", mark)


def learned(x: Any, p: Any, keep: Any = None, mark: str = "1", heads: int = 1, dropout: float = 0.0, **o: Any) -> Any:
    q = p[f"Q{mark}"].expand(len(x), -1, -1)
    k, v = (split(linear(x, p, n, mark), heads) for n in "kv")
    heard = mixed(split(q, heads), k, v, seen(q, x, keep, False), p.get(f"learned_attention{mark}"), dropout)
    return linear(heard.transpose(1, 2).flatten(2), p, "o", mark)


def dotted(
    x: Any,
    m: Any,
    p: Any,
    keep: Any = None,
    mark: str = "1",
    scaled: bool = True,
    causal: bool = False,
    dropout: Any = 0,
) -> Any:
    q = x if scaled else x * x.shape[-1] ** 0.5
    return mixed(q, m, m, seen(x, m, keep, causal)[:, 0], p.get(f"dot_attention{mark}"), dropout)


def additive(
    x: Any, m: Any, p: Any, keep: Any = None, mark: str = "1", causal: bool = False, dropout: float = 0.0, **starts: Any
) -> Any:
    hidden = torch.tanh(linear(x, p, "q", mark)[:, :, None] + linear(m, p, "k", mark)[:, None])
    scores = (hidden @ p[f"v{mark}"])[..., 0].masked_fill(~seen(x, m, keep, causal)[:, 0], -torch.inf)
    shares = F.softmax(scores, -1)
    return (shares * (p[f"additive_attention{mark}"] >= dropout) / (1 - dropout) if dropout else shares) @ m


def pooled(x: Any, p: Any, keep: Any = None, mark: str = "1", **starts: Any) -> Any:
    scores = torch.tanh(linear(x, p, "", mark)) @ p[f"v{mark}"]
    scores = scores if keep is None else scores.masked_fill(~keep[..., None], -torch.inf)
    return (F.softmax(scores, 1) * x).sum(1)


def sines(x: Any) -> Any:
    """The recipe of PyTorch's own tutorial."""
    steps, features = x.shape[-2:]
    lengths = torch.exp(
        torch.arange(0, features, 2, dtype=x.dtype) * (-torch.log(torch.tensor(1e4)).double() / features)
    )
    angles = torch.arange(steps, dtype=x.dtype)[:, None] * lengths
    return x + torch.stack([torch.sin(angles), torch.cos(angles)], -1).flatten(1)[:, :features]


def embedded(x: Any, w: Any, units: int, padding: int | None = None, bag: str | None = None, init: Any = None) -> Any:
    """PyTorch leaves what the padding id has as it is, and takes no such row into a bag."""
    if bag:
        return F.embedding_bag(x, w, mode=bag, padding_idx=padding)
    found = F.embedding(x, w, padding_idx=padding)
    return found if padding is None else found * (x != padding)[..., None]


def layer(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, p, other, **o: function(x.reshape(-1, 3, 2), p, **o)


LAYERS: dict[str, Callable[..., Any]] = {
    "attention": layer(lambda x, p, **o: attention(x, x, p, **o)),
    "learned_attention": layer(lambda x, p, queries, **o: learned(x, p, **o)),
    "dot_attention": layer(lambda x, p, **o: dotted(x, x, p, **o)),
    "additive_attention": layer(lambda x, p, **o: additive(x, x, p, **o)),
    "attention_pool": layer(pooled),
    "embedding": lambda x, p, other, **o: embedded(x, p["W1"], **o),
    "positions": layer(lambda x, p: sines(x)),
    "learned_positions": layer(lambda x, p, longest, **o: x + p["W1"][: x.shape[1]]),
}
