"""Numbers, and functions of them applied to arrays: what every reference is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def each(function: Callable[..., Any]) -> Callable[..., Array]:
    """A function of numbers applied to each element, with broadcasting."""

    def apply(*arrays: Any, **options: Any) -> Array:
        wide = np.broadcast_arrays(*arrays)
        found = [function(*(a[i].item() for a in wide), **options) for i in np.ndindex(wide[0].shape)]
        return np.array(found).reshape(wide[0].shape)

    return apply


def rows(function: Callable[..., Any]) -> Callable[..., Array]:
    """A function of an example's last axis, and of more that belongs to the example."""
    return lambda x, *more: np.array([function(row.tolist(), *(m[i] for m in more)) for i, row in enumerate(x)])


def reduced(function: Callable[[list[float]], Any]) -> Callable[..., Array]:
    """A function of lists of numbers applied along axes."""

    def apply(x: Array, axes: Iterable[int] | None, keepdims: bool = False) -> Array:
        axes = tuple(range(x.ndim)) if axes is None else tuple(axes)
        kept = [range(1) if a in axes else range(n) for a, n in enumerate(x.shape)]
        found = np.zeros([len(r) for r in kept])
        for index in product(*kept):
            part = x[tuple(slice(None) if a in axes else i for a, i in enumerate(index))]
            found[index] = function([float(v) for v in part.ravel()])
        return found if keepdims else found.reshape([n for a, n in enumerate(x.shape) if a not in axes])

    return apply


def erf(x: float) -> float:
    """Abramowitz and Stegun 7.1.5, whose terms all have one sign in the form of 7.1.6."""
    term = total = x
    n = 0
    while abs(term) > 1e-18 * abs(total):
        n += 1
        term *= 2 * x * x / (2 * n + 1)
        total += term
    return 2 / math.sqrt(math.pi) * math.exp(-x * x) * total


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def tanh(x: float) -> float:
    return (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x))


def log_softmax(scores: list[float]) -> list[float]:
    norm = math.log(math.fsum(math.exp(s) for s in scores))
    return [s - norm for s in scores]


def softmax(scores: list[float]) -> list[float]:
    return [math.exp(v) for v in log_softmax(scores)]


def binary_entropy(p: float, y: float) -> float:
    return -(y * math.log(p) + (1 - y) * math.log(1 - p))


def mean(values: Iterable[float]) -> float:
    values = list(values)
    return math.fsum(values) / len(values)
