"""Attention and positions in plain numbers: primitives by name, and layers from x (N, 6), which is [3, 2] to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .numbers import Array, softmax

Rows = list[list[float]]


def product(a: Rows, b: Rows) -> Rows:
    return [
        [math.fsum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a
    ]


def projected(x: Rows, p: dict[str, Array], name: str) -> Rows:
    """Rows times W and plus b, where there is one."""
    b = p.get(f"b{name}", np.zeros(p[f"W{name}"].shape[1])).tolist()
    return [[v + c for v, c in zip(row, b, strict=True)] for row in product(x, p[f"W{name}"].tolist())]


def turned(row: Sequence[float], step: int, way: int = 1) -> list[float]:
    """Su et al. 2021, equation 34: the j-th number and its partner in the other half turn by step / 10000^(2j / d)."""
    half = len(row) // 2
    pairs = [complex(row[j], row[j + half]) for j in range(half)]
    angles = [way * step * 10000 ** (-2 * j / len(row)) for j in range(half)]
    found = [pair * complex(math.cos(a), math.sin(a)) for pair, a in zip(pairs, angles, strict=True)]
    return [z.real for z in found] + [z.imag for z in found]


def seen(t: int, steps: int, causal: bool, keep: Sequence[bool] | None = None) -> list[int]:
    """The steps that step t looks at."""
    return [s for s in range(steps) if (keep is None or keep[s]) and (s <= t or not causal)]


def averaged(scores: list[float], at: list[int], values: Rows) -> list[float]:
    """The mean of rows by the softmax of their scores."""
    shares = softmax(scores)
    return [math.fsum(a * values[s][j] for a, s in zip(shares, at, strict=True)) for j in range(len(values[0]))]


def dots(q: list[float], k: Rows, at: list[int], scale: float) -> list[float]:
    return [math.fsum(a * b for a, b in zip(q, k[s], strict=True)) / scale for s in at]


def heads_of(q: Rows, k: Rows, v: Rows, heads: int, groups: int, causal: bool, keep: Any, rotary: bool) -> Rows:
    """Each step's means of values, the heads side by side."""
    d = len(q[0]) // heads
    found: Rows = [[] for _ in q]
    for h in range(heads):
        own, shared = slice(h * d, h * d + d), slice(h * groups // heads * d, h * groups // heads * d + d)
        queries, keys, values = [r[own] for r in q], [r[shared] for r in k], [r[shared] for r in v]
        if rotary:
            queries, keys = ([turned(r, t) for t, r in enumerate(rows)] for rows in (queries, keys))
        for t, query in enumerate(queries):
            at = seen(t, len(keys), causal, keep)
            found[t] += averaged(dots(query, keys, at, math.sqrt(d)), at, values)
    return found


def attention(
    x: Rows,
    m: Rows,
    p: dict[str, Array],
    keep: Any = None,
    heads: int = 1,
    kv_heads: int | None = None,
    causal: bool = False,
    rotary: bool = False,
    **starts: Any,
) -> Rows:
    """Vaswani et al. 2017, section 3.2, of one example."""
    q, k, v = projected(x, p, "q"), projected(m, p, "k"), projected(m, p, "v")
    return projected(heads_of(q, k, v, heads, kv_heads or heads, causal, keep, rotary), p, "o")


def learned(x: Rows, p: dict[str, Array], keep: Any = None, heads: int = 1, **starts: Any) -> Rows:
    k, v = projected(x, p, "k"), projected(x, p, "v")
    return projected(heads_of(p["Q"].tolist(), k, v, heads, heads, False, keep, False), p, "o")


def dotted(x: Rows, m: Rows, keep: Any = None, scaled: bool = True, causal: bool = False, **rest: Any) -> Rows:
    scale = math.sqrt(len(x[0])) if scaled else 1.0
    places = [seen(t, len(m), causal, keep) for t in range(len(x))]
    return [averaged(dots(row, m, at, scale), at, m) for row, at in zip(x, places, strict=True)]


def additive(x: Rows, m: Rows, p: dict[str, Array], keep: Any = None, causal: bool = False, **rest: Any) -> Rows:
    """Bahdanau et al. 2015, appendix A.1.2."""
    q, k, v = projected(x, p, "q"), projected(m, p, "k"), p["v"].ravel().tolist()
    found: Rows = []
    for t, row in enumerate(q):
        at = seen(t, len(m), causal, keep)
        scores = [math.fsum(c * math.tanh(a + b) for a, b, c in zip(row, k[s], v, strict=True)) for s in at]
        found.append(averaged(scores, at, m))
    return found


def pooled(x: Rows, p: dict[str, Array], keep: Any = None, **rest: Any) -> list[float]:
    """Yang et al. 2016, equations 5 to 7."""
    at, v = seen(0, len(x), False, keep), p["v"].ravel().tolist()
    hidden = projected(x, p, "")
    scores = [math.fsum(c * math.tanh(h) for h, c in zip(hidden[s], v, strict=True)) for s in at]
    return averaged(scores, at, x)


def sines(steps: int, features: int) -> Rows:
    """Vaswani et al. 2017, section 3.5."""
    waves = [10000 ** (j // 2 * 2 / features) for j in range(features)]
    return [[(math.cos if j % 2 else math.sin)(t / w) for j, w in enumerate(waves)] for t in range(steps)]


def added(x: Rows, more: Iterable[Sequence[float]]) -> Rows:
    return [[a + b for a, b in zip(row, other, strict=True)] for row, other in zip(x, more, strict=False)]


def softmax_of_kept(x: Array, keep: Array) -> Array:
    found, keep = np.zeros(x.shape), np.broadcast_to(keep, x.shape)
    for index in np.ndindex(x.shape[:-1]):
        at = np.flatnonzero(keep[index])
        found[index][at] = softmax(x[index][at].tolist()) if len(at) else []
    return found


def matrices(function: Callable[[Rows], Any]) -> Callable[..., Array]:
    """A function of the last two axes."""

    def apply(x: Array, **options: Any) -> Array:
        found = [function(m.tolist(), **options) for m in x.reshape(-1, *x.shape[-2:])]
        return np.array(found).reshape(*x.shape[:-2], *np.shape(found)[1:])

    return apply


OPS: dict[str, Callable[..., Any]] = {
    "split_heads": matrices(
        lambda rows, heads: [[r[h * len(r) // heads : (h + 1) * len(r) // heads] for r in rows] for h in range(heads)]
    ),
    "join_heads": lambda x: np.array(
        [
            [[v for head in m for v in head[t]] for t in range(x.shape[-2])]
            for m in x.reshape(-1, *x.shape[-3:]).tolist()
        ]
    ).reshape(*x.shape[:-3], x.shape[-2], -1),
    "masked_softmax": softmax_of_kept,
    "causal": lambda x: np.array([[s <= t for s in range(x.shape[-2])] for t in range(x.shape[-2])]),
    "sine_positions": lambda x: np.array(sines(*x.shape[-2:])),
    "rotated": matrices(lambda rows, way: [turned(r, t, way) for t, r in enumerate(rows)]),
    "rows_for": lambda table, x: np.array([table[t].tolist() for t in range(x.shape[-2])]),
    "below_rows": lambda x, rows: np.array([x[t].tolist() if t < len(x) else [0.0] * x.shape[1] for t in range(rows)]),
}


def layer(function: Callable[..., Any]) -> Callable[..., Array]:
    """A function of one example of steps, of x (N, 6)."""
    return lambda x, p, other, **o: np.array([function(row.reshape(3, 2).tolist(), p, **o) for row in x])


LAYERS: dict[str, Callable[..., Array]] = {
    "attention": layer(lambda x, p, **o: attention(x, x, p, **o)),
    "learned_attention": layer(lambda x, p, queries, **o: learned(x, p, **o)),
    "dot_attention": layer(lambda x, p, **o: dotted(x, x, **o)),
    "additive_attention": layer(lambda x, p, **o: additive(x, x, p, **o)),
    "attention_pool": layer(pooled),
    "positions": layer(lambda x, p: added(x, sines(3, 2))),
    "learned_positions": layer(lambda x, p, longest, **o: added(x, p["W"].tolist())),
}
