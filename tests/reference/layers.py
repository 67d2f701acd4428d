"""Each layer: from x (N, 6), its weights by letter, and the value `other`, to what the model predicts."""

from __future__ import annotations

import math
from collections.abc import Callable
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


# From x (N, 6), the layer's weights by letter, and the value `other`, to what the model predicts.
LAYERS: dict[str, Callable[..., Array]] = {
    "dense": lambda x, p, other, **o: _dense(x, p, **o),
    "flatten": lambda x, p, other: x,
    "reshape": lambda x, p, other, shape: np.array(x.ravel().tolist()).reshape(len(x), *shape),
    "dropout": lambda x, p, other, rate: x,
    "standardize": lambda x, p, other: _standardize(x, p),
    "add": lambda x, p, other: x + other,
    "concat": lambda x, p, other: np.array([[*a, *b] for a, b in zip(x, other, strict=True)]),
}
