"""Each loss: from prediction, target and options to one number an example."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby, product
from typing import Any

import numpy as np

from .numbers import Array, binary_entropy, log_softmax, mean

Weights = Sequence[float] | None
Reference = Callable[..., Array]


def _elements(function: Callable[..., float], reduce: Callable[[list[float]], float] = mean) -> Reference:
    """A loss that is a function of each element, times its output's weight, and then reduced over an example."""

    def apply(p: Array, y: Array, weights: Weights = None, **options: Any) -> Array:
        def example(a: Array, b: Array) -> float:
            factors = weights or [1.0] * a.shape[-1]
            flat = zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
            return reduce([function(q, t, **options) * factors[i % len(factors)] for i, (q, t) in enumerate(flat)])

        return np.array([example(a, b) for a, b in zip(p, y, strict=True)])

    return apply


def _rows(function: Callable[..., float]) -> Reference:
    """A loss that is a function of an example's numbers."""
    return lambda p, y, **options: np.array(
        [function(a.ravel().tolist(), b.ravel().tolist(), **options) for a, b in zip(p, y, strict=True)]
    )


def _distribution(y: Any, classes: int, smoothing: float) -> list[float]:
    """What the target says of each class, a label as a 1 among zeros."""
    given = [float(k == y) for k in range(classes)] if np.ndim(y) == 0 else y.tolist()
    return [(1 - smoothing) * t + smoothing / classes for t in given]


def mcxent(p: Array, y: Array, smoothing: float = 0.0, weights: Weights = None) -> Array:
    def example(a: list[float], b: Any) -> float:
        wanted, factors = _distribution(b, len(a), smoothing), weights or [1.0] * len(a)
        return -math.fsum(w * t * math.log(q) for q, t, w in zip(a, wanted, factors, strict=True))

    return np.array([example(a.tolist(), b) for a, b in zip(p, y, strict=True)])


def kl_divergence(p: Array, y: Array, weights: Weights = None) -> Array:
    def example(a: list[float], b: list[float]) -> float:
        factors = weights or [1.0] * len(a)
        return math.fsum(w * t * math.log(t / q) for q, t, w in zip(a, b, factors, strict=True) if t > 0)

    return np.array([example(a.tolist(), b.tolist()) for a, b in zip(p, y, strict=True)])


def focal(p: Array, y: Array, gamma: float = 2.0, alpha: float | None = None, weights: Weights = None) -> Array:
    if y.ndim > 1:
        return _elements(_binary_focal)(p, y, weights, gamma=gamma, alpha=alpha)
    found = [(row[label], (weights or [1.0] * len(row))[label]) for row, label in zip(p, y, strict=True)]
    share = 1.0 if alpha is None else alpha
    return np.array([-share * w * (1 - q) ** gamma * math.log(q) for q, w in found])


def _binary_focal(p: float, y: float, gamma: float, alpha: float | None) -> float:
    q = p if y == 1 else 1 - p
    share = 1.0 if alpha is None else alpha if y == 1 else 1 - alpha
    return -share * (1 - q) ** gamma * math.log(q)


def _product(p: list[float], y: list[float]) -> float:
    return math.fsum(q * t for q, t in zip(p, y, strict=True))


def _cosine(p: list[float], y: list[float]) -> float:
    return -_product(p, y) / (max(math.hypot(*p), 1e-7) * max(math.hypot(*y), 1e-7))


def _ranking(p: list[float], y: list[float]) -> float:
    pairs = [math.exp(p[j] - p[i]) for i in range(len(p)) for j in range(len(p)) if y[i] == 1 and y[j] == 0]
    return mean(pairs) if pairs else 0.0


def _huber(p: float, y: float, delta: float = 1.0) -> float:
    error = abs(p - y)
    return error * error / 2 if error < delta else delta * (error - delta / 2)


def _sign(y: float, values: Array) -> float:
    """The side of a target, which is binary where no value is anything else."""
    return 2 * y - 1 if set(np.unique(values)) <= {0.0, 1.0} else y


def _sided(function: Callable[[float, float], float]) -> Reference:
    return lambda p, y, **options: _elements(lambda q, t: function(q, _sign(t, y)))(p, y, **options)


def fmeasure(p: Array, y: Array, beta: float = 1.0) -> Array:
    scores: list[float] = []
    for column, truth in zip(p.reshape(len(p), -1).T.tolist(), y.reshape(len(y), -1).T.tolist(), strict=True):
        hits = _product(column, truth)
        missed = math.fsum(t * (1 - q) for q, t in zip(column, truth, strict=True))
        false = math.fsum((1 - t) * q for q, t in zip(column, truth, strict=True))
        scores.append((1 + beta**2) * hits / ((1 + beta**2) * hits + beta**2 * missed + false))
    return np.full(len(p), 1 - mean(scores))


def mixture_density(p: Array, y: Array, mixtures: int) -> Array:
    def example(a: list[float], b: list[float]) -> float:
        size = len(b)
        shares, spans = log_softmax(a[:mixtures]), a[mixtures : 2 * mixtures]
        densities: list[float] = []
        for k in range(mixtures):
            centre = a[2 * mixtures + k * size :][:size]
            deviation = math.exp(spans[k])
            each = [
                math.exp(-(((t - m) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))
                for t, m in zip(b, centre, strict=True)
            ]
            densities.append(math.exp(shares[k]) * math.prod(each))
        return -math.log(math.fsum(densities))

    return np.array([example(a.tolist(), b.tolist()) for a, b in zip(p, y, strict=True)])


def center_loss(p: Array, y: Array, alpha: float = 0.5, centers: Array | None = None) -> Array:
    """Half the squared distance from the center of the class; centers are 0 until a step moves them."""
    kept = np.zeros((max(y) + 1, p.shape[1])) if centers is None else centers
    return np.array(
        [math.fsum((a - c) ** 2 for a, c in zip(f, kept[k], strict=True)) / 2 for f, k in zip(p, y, strict=True)]
    )


def moved_centers(p: Array, y: Array, alpha: float, centers: Array) -> Array:
    """The centers after a step: c - alpha * delta, where delta is the sum of c - p over a class's examples by 1 + n."""
    moved = centers.copy()
    for k, center in enumerate(centers):
        own = [f for f, label in zip(p, y, strict=True) if label == k]
        for i, c in enumerate(center):
            moved[k, i] = c - alpha * math.fsum(c - f[i] for f in own) / (1 + len(own))
    return moved


def ctc(p: Array, y: Array, lengths: Array | None = None) -> Array:
    """The surprise that labels come from any row of symbols that says them, without repetitions and blanks."""
    counts = [len(row) for row in p] if lengths is None else lengths
    chances = [_said(row[:n], [k for k in word if k]) for row, n, word in zip(p, counts, y.tolist(), strict=True)]
    return np.array([-math.log(chance) if chance else math.inf for chance in chances])


def _said(p: Array, word: list[int]) -> float:
    """The probability of all rows of symbols that say a word, counted one by one."""
    ways = product(range(p.shape[1]), repeat=len(p))
    saying = [way for way in ways if [symbol for symbol, _ in groupby(way) if symbol] == word]
    return math.fsum(math.prod(p[t, symbol] for t, symbol in enumerate(way)) for way in saying)


def _squared(p: float, y: float) -> float:
    return (p - y) * (p - y)


# One number an example.
LOSSES: dict[str, Reference] = {
    "mse": _elements(_squared),
    "l2": _elements(_squared, math.fsum),
    "mae": _elements(lambda p, y: abs(p - y)),
    "l1": _elements(lambda p, y: abs(p - y), math.fsum),
    "mape": _elements(lambda p, y: 100 * abs(y - p) / max(abs(y), 1e-7)),
    "msle": _elements(lambda p, y: math.log((1 + p) / (1 + y)) ** 2),
    "huber": _elements(_huber),
    "logcosh": _elements(lambda p, y: math.log(math.cosh(p - y))),
    "quantile": _elements(lambda p, y, q=0.5: max(q * (y - p), (q - 1) * (y - p))),
    "cosine_proximity": _rows(_cosine),
    "xent": _elements(lambda p, y, smoothing=0.0: binary_entropy(p, (1 - smoothing) * y + smoothing / 2)),
    "reconstruction_crossentropy": _elements(binary_entropy, math.fsum),
    "rmse_xent": lambda p, y, weights=None: np.sqrt(_elements(lambda q, t: binary_entropy(q, t) ** 2)(p, y, weights)),
    "mcxent": mcxent,
    "kl_divergence": kl_divergence,
    "focal": focal,
    "expll": _elements(lambda p, y: p - y * math.log(p)),
    "poisson": _elements(lambda p, y: math.exp(p) - y * p),
    "mixture_density": mixture_density,
    "hinge": _sided(lambda p, y: max(0.0, 1 - y * p)),
    "squared_hinge": _sided(lambda p, y: max(0.0, 1 - y * p) ** 2),
    "wasserstein": _sided(lambda p, y: y * p),
    "multilabel": _rows(_ranking),
    "fmeasure": fmeasure,
    "center_loss": center_loss,
    "ctc": ctc,
}
