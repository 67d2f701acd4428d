"""Each layer: from x (N, 6), its weights by letter, and the value `other`, to what the model predicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import mul
from typing import Any

import numpy as np

from .numbers import Array, each, mean
from .ops import matmul


def _dense(x: Array, p: dict[str, Array], units: int, bias: bool = True, **starts: Any) -> Array:
    z = matmul(x, p["W"])
    return each(lambda a, b: a + b)(z, p["b"]) if bias else z


def _standardize(x: Array, p: dict[str, Array]) -> Array:
    columns = [x[:, j].tolist() for j in range(x.shape[1])]
    deviations = [math.sqrt(mean((v - mean(c)) ** 2 for v in c)) or 1.0 for c in columns]
    return np.array([[(v - mean(c)) / d for v, c, d in zip(r, columns, deviations, strict=True)] for r in x.tolist()])


def _rescale(x: Array, p: dict[str, Array]) -> Array:
    columns = [x[:, j].tolist() for j in range(x.shape[1])]
    widths = [max(c) - min(c) or 1.0 for c in columns]
    return np.array([[(v - min(c)) / w for v, c, w in zip(r, columns, widths, strict=True)] for r in x.tolist()])


def _scaled(x: Array, p: dict[str, Array], bias: bool = True, **starts: Any) -> Array:
    z = each(lambda a, w: a * w)(x, p["W"])
    return each(lambda a, b: a + b)(z, p["b"]) if bias else z


def _norm(row: list[float]) -> float:
    return math.sqrt(math.fsum(v * v for v in row))


def _permute(x: Array, axes: tuple[int, ...]) -> Array:
    assert axes == (1, 0)
    return np.array([[[x[n, 3 * i + j] for i in range(2)] for j in range(3)] for n in range(len(x))])


def _distance(x: Array, other: Array, eps: float = 1e-8) -> Array:
    return np.array([[max(math.dist(a, b), eps)] for a, b in zip(x.tolist(), other.tolist(), strict=True)])


# From x (N, 6), the layer's weights by letter, and the value `other`, to what the model predicts.
LAYERS: dict[str, Callable[..., Array]] = {
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
    "standardize": lambda x, p, other: _standardize(x, p),
    "rescale": lambda x, p, other: _rescale(x, p),
    "onehot": lambda x, p, other: np.array([[[float(i == j) for j in range(4)] for i in r] for r in x.tolist()]),
    "embedding": lambda x, p, other, units, init=None: np.array([[p["W"][i].tolist() for i in r] for r in x.tolist()]),
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
