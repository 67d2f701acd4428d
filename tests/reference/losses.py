"""Each loss: from prediction, target and options to one number an example."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .numbers import Array, binary_entropy, each, mean


def _examples(function: Callable[[float, float], float]) -> Callable[[Array, Array], Array]:
    return lambda p, y: np.array([mean(each(function)(a, b).ravel().tolist()) for a, b in zip(p, y, strict=True)])


def mcxent(p: Array, y: Array) -> Array:
    if y.ndim == 1:
        return np.array([-math.log(row[label]) for row, label in zip(p, y, strict=True)])
    return np.array([-math.fsum(t * math.log(q) for q, t in zip(a, b, strict=True)) for a, b in zip(p, y, strict=True)])


# One number an example.
LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "mse": _examples(lambda p, y: (p - y) * (p - y)),
    "mae": _examples(lambda p, y: abs(p - y)),
    "xent": _examples(binary_entropy),
    "mcxent": mcxent,
}
