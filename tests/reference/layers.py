"""Each layer: from x (N, 6), its weights by letter, and the value `other`, to what the model predicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import mul
from typing import Any

import numpy as np

from . import attention, augment, conv, images, norms, recurrent
from .numbers import Array, each, mean
from .ops import matmul


def _dense(x: Array, p: dict[str, Array], units: int, bias: bool = True, **starts: Any) -> Array:
    z = matmul(x, p["W"])
    return each(lambda a, b: a + b)(z, p["b"]) if bias else z


def _columns(x: Array, per: str) -> list[list[float]]:
    """The numbers over which statistics are taken, for each that there is of them."""
    if per == "channel" and x.ndim > 2:
        return [x[:, j].ravel().tolist() for j in range(x.shape[1])]
    return [x[(slice(None), *at)].tolist() for at in np.ndindex(x.shape[1:])]


def _by_column(x: Array, per: str, of: Callable[[list[float], float], float]) -> Array:
    columns = _columns(x, per)
    place = np.arange(x[0].size).reshape(x.shape[1:]) * len(columns) // x[0].size
    return np.array([[of(columns[j], v) for j, v in zip(place.flat, r.flat, strict=True)] for r in x]).reshape(x.shape)


def standardized(x: Array, p: Any = None, other: Any = None, per: str = "element") -> Array:
    def of(column: list[float], v: float) -> float:
        middle = mean(column)
        return (v - middle) / (math.sqrt(mean((u - middle) ** 2 for u in column)) or 1.0)

    return _by_column(x, per, of)


def rescaled(x: Array, p: Any = None, other: Any = None, per: str = "element") -> Array:
    return _by_column(x, per, lambda column, v: (v - min(column)) / (max(column) - min(column) or 1.0))


def _scaled(x: Array, p: dict[str, Array], bias: bool = True, **starts: Any) -> Array:
    z = each(lambda a, w: a * w)(x, p["W"])
    return each(lambda a, b: a + b)(z, p["b"]) if bias else z


def _norm(row: list[float]) -> float:
    return math.sqrt(math.fsum(v * v for v in row))


def _embedded(
    x: Array, table: list[list[float]], units: int, padding: int = -1, bag: str = "", init: Any = None
) -> Array:
    found = np.array([[[0.0] * units if i == padding else table[i] for i in ids] for ids in x.tolist()])
    counts = [max(1, sum(i != padding for i in ids)) for ids in x.tolist()]
    sums = [[math.fsum(column) for column in rows.T] for rows in found]
    if not bag:
        return found
    return np.array([[v / (n if bag == "mean" else 1) for v in row] for row, n in zip(sums, counts, strict=True)])


def _permute(x: Array, axes: tuple[int, ...]) -> Array:
    assert axes == (1, 0)
    return np.array([[[x[n, 3 * i + j] for i in range(2)] for j in range(3)] for n in range(len(x))])


def _distance(x: Array, other: Array, eps: float = 1e-8) -> Array:
    return np.array([[max(math.dist(a, b), eps)] for a, b in zip(x.tolist(), other.tolist(), strict=True)])


# From x (N, 6), the layer's weights by letter, and the value `other`, to what the model predicts.
LAYERS: dict[str, Callable[..., Array]] = {
    **norms.LAYERS,
    **recurrent.LAYERS,
    **attention.LAYERS,
    **augment.LAYERS,
    **images.LAYERS,
    **conv.LAYERS,
    "dense": lambda x, p, other, **o: _dense(x, p, **o),
    "flatten": lambda x, p, other: x,
    "reshape": lambda x, p, other, shape: np.array(x.ravel().tolist()).reshape(len(x), *shape),
    "permute": lambda x, p, other, axes: _permute(x, axes),
    "repeat_vector": lambda x, p, other, times: np.array([[row] * times for row in x.tolist()]),
    "unstack": lambda x, p, other, index: x[:, 3 * index : 3 * index + 3],
    "subset": lambda x, p, other, first, last: np.array([row[first : last + 1] for row in x.tolist()]),
    "split": lambda x, p, other, parts, part: np.array([row[part * 6 // parts :][: 6 // parts] for row in x.tolist()]),
    "elementwise": lambda x, p, other, **o: _scaled(x, p, **o),
    "scale": lambda x, p, other, factor: each(lambda v: v * factor)(x),
    "shift": lambda x, p, other, offset: each(lambda v: v + offset)(x),
    "l2normalize": lambda x, p, other, eps=1e-12: np.array([[v / max(_norm(r), eps) for v in r] for r in x.tolist()]),
    "prelu": lambda x, p, other, **starts: each(lambda v, a: v if v > 0 else a * v)(x, p["alpha"]),
    "rrelu": lambda x, p, other, low=1 / 8, high=1 / 3: each(lambda v: v if v > 0 else v * (low + high) / 2)(x),
    # In prediction these let everything through.
    "dropout": lambda x, p, other, rate: x,
    "spatial_dropout": lambda x, p, other, rate: x,
    "alpha_dropout": lambda x, p, other, rate: x,
    "gaussian_dropout": lambda x, p, other, rate: x,
    "gaussian_noise": lambda x, p, other, deviation: x,
    "standardize": standardized,
    "rescale": rescaled,
    "onehot": lambda x, p, other: np.array([[[float(i == j) for j in range(4)] for i in r] for r in x.tolist()]),
    "embedding": lambda x, p, other, **o: _embedded(x, p["W"].tolist(), **o),
    "add": lambda x, p, other: x + other,
    "subtract": lambda x, p, other: each(lambda a, b: a - b)(x, other),
    "multiply": lambda x, p, other: each(lambda a, b: a * b)(x, other),
    "average": lambda x, p, other: each(lambda a, b: (a + b) / 2)(x, other),
    "maximum": lambda x, p, other: each(max)(x, other),
    "dot": lambda x, p, other: np.array([[math.fsum(map(mul, a, b))] for a, b in zip(x, other, strict=True)]),
    "l2distance": lambda x, p, other, **o: _distance(x, other, **o),
    "stack": lambda x, p, other: np.array([[a, b] for a, b in zip(x.tolist(), other.tolist(), strict=True)]),
    "concat": lambda x, p, other: np.array([[*a, *b] for a, b in zip(x, other, strict=True)]),
}
