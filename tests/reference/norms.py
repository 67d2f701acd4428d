"""Each norm in plain numbers: primitives by name, and layers from x (N, 6), their weights and their options."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .numbers import Array, mean


def channel(x: Array, c: int) -> list[float]:
    """All numbers of a channel, of every example."""
    return [float(v) for row in x for v in np.ravel(row[c])]


def variance(values: Iterable[float]) -> float:
    """The mean square of what is left without the mean."""
    values = list(values)
    return mean((v - mean(values)) ** 2 for v in values)


def of_channel(vector: Any, c: int) -> float:
    """The number of a channel, from one number for all or from one for each."""
    return float(np.ravel(vector)[c if np.ndim(vector) else 0])


def scaled(x: Array, gamma: Any, beta: Any, mean: Any, var: Any, eps: float) -> Array:
    """Every number by the mean and variance of its channel."""
    found = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        g, b, m, v = (of_channel(a, i[1]) for a in (gamma, beta, mean, var))
        found[i] = (float(x[i]) - m) / math.sqrt(v + eps) * g + b
    return found


def batchnorm(x: Array, gamma: Any, beta: Any, running_mean: Array, running_var: Array, eps: float, momentum: float):
    """Ioffe and Szegedy 2015, algorithm 1, and what PyTorch makes of its running statistics."""
    columns = [channel(x, c) for c in range(x.shape[1])]
    means, variances = np.array([mean(c) for c in columns]), np.array([variance(c) for c in columns])
    moved = running(running_mean, running_var, means, variances, len(columns[0]), momentum)
    return scaled(x, gamma, beta, means, variances, eps), np.array([means, variances]), *moved


def batchnorm_grad(dy: Array, x: Array, gamma: Any, stats: Array, eps: float) -> tuple[Array, Array, Array]:
    """Ioffe and Szegedy 2015, section 3, step by step: through the variance, the mean, and x itself."""
    means, variances = stats
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for c in range(x.shape[1]):
        g, m, s = of_channel(gamma, c), float(means[c]), math.sqrt(float(variances[c]) + eps)
        slopes, values = channel(dy, c), channel(x, c)
        count = len(values)
        dgamma[c] = math.fsum(d * (v - m) / s for d, v in zip(slopes, values, strict=True))
        dbeta[c] = math.fsum(slopes)
        dvar = math.fsum(d * g * (v - m) * -0.5 / s**3 for d, v in zip(slopes, values, strict=True))
        dmean = math.fsum(-d * g / s for d in slopes)
        for i in np.ndindex(x.shape):
            if i[1] == c:
                dx[i] = float(dy[i]) * g / s + dvar * 2 * (float(x[i]) - m) / count + dmean / count
    return dx, dgamma, dbeta


def running(mean: Array, var: Array, batch_mean: Array, batch_var: Array, count: Any, momentum: float) -> Any:
    """PyTorch's: towards the mean, and towards the variance times n / (n - 1)."""
    n = float(count)
    share = momentum if n > 1 else 0.0
    both = zip(mean.tolist(), batch_mean.tolist(), strict=True)
    means = [m + share * (b - m) for m, b in both]
    pairs = zip(var.tolist(), batch_var.tolist(), strict=True)
    return np.array(means), np.array([v + (share * (b * n / (n - 1) - v) if share else 0.0) for v, b in pairs])


def _groups(x: Array, axes: tuple[int, ...]) -> dict[tuple[int, ...], list[float]]:
    """The numbers along some axes, by the place on the others."""
    found: dict[tuple[int, ...], list[float]] = {}
    for i in np.ndindex(x.shape):
        found.setdefault(_place(i, axes), []).append(float(x[i]))
    return found


def _place(i: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(0 if axis in axes else at for axis, at in enumerate(i))


def normalize(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """Each number without the mean of its group, over the root of the group's variance plus eps."""
    groups = _groups(x, axes)
    normal, deviation = np.zeros(x.shape), np.zeros([1 if a in axes else n for a, n in enumerate(x.shape)])
    for i in np.ndindex(x.shape):
        values = groups[_place(i, axes)]
        deviation[_place(i, axes)] = math.sqrt(variance(values) + eps)
        normal[i] = (float(x[i]) - mean(values)) / deviation[_place(i, axes)]
    return normal, deviation


def normalize_grad(dy: Array, normal: Array, deviation: Array, axes: tuple[int, ...]) -> Array:
    """Each slope without the mean of its group and without its part along the normalised values."""
    slopes, products = _groups(dy, axes), _groups(dy * normal, axes)
    found = np.zeros(dy.shape)
    for i in np.ndindex(dy.shape):
        at = _place(i, axes)
        found[i] = (float(dy[i]) - mean(slopes[at]) - float(normal[i]) * mean(products[at])) / float(deviation[at])
    return found


def neighbours(x: Array, size: int) -> Array:
    """For each channel the sum over those at most size // 2 away."""
    found = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        near = [c for c in range(x.shape[1]) if abs(c - i[1]) <= size // 2]
        found[i] = math.fsum(float(x[(i[0], c, *i[2:])]) for c in near)
    return found


# Layers: x is (N, 6), or for instancenorm as (N, 2, 3) ----------------------------------------------------------------


def _affine(normal: Array, p: dict[str, Array]) -> Array:
    """Times gamma and plus beta, where there are any, of the channels on axis 1."""
    found = np.zeros(normal.shape)
    for i in np.ndindex(normal.shape):
        gamma, beta = (float(p[name][i[1]]) if name in p else default for name, default in (("gamma", 1), ("beta", 0)))
        found[i] = float(normal[i]) * gamma + beta
    return found


def _groups_of(x: Array, p: dict[str, Array], groups: int, eps: float = 1e-5, **rest: Any) -> Array:
    parted = np.array(x.ravel().tolist()).reshape(len(x), groups, -1)
    return _affine(normalize(parted, (2,), eps)[0].reshape(x.shape), p)


def _rms(x: Array, p: dict[str, Array], eps: float = 1e-5, **rest: Any) -> Array:
    return _affine(np.array([[v / math.sqrt(mean(w * w for w in row) + eps) for v in row] for row in x.tolist()]), p)


def _lrn(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    sums = neighbours(x * x, size)
    return np.array([float(x[i]) / (k + alpha / size * float(sums[i])) ** beta for i in np.ndindex(x.shape)]).reshape(
        x.shape
    )


# In prediction batchnorm goes by its running statistics, which are 0 and 1 at first.
LAYERS: dict[str, Callable[..., Array]] = {
    "batchnorm": lambda x, p, other, eps=1e-5, **o: _affine(x / math.sqrt(1 + eps), p),
    "layernorm": lambda x, p, other, eps=1e-5, **o: _affine(normalize(x, (1,), eps)[0], p),
    "groupnorm": lambda x, p, other, **o: _groups_of(x, p, **o),
    "instancenorm": lambda x, p, other, eps=1e-5, **o: _affine(normalize(x.reshape(-1, 2, 3), (2,), eps)[0], p),
    "rmsnorm": lambda x, p, other, **o: _rms(x, p, **o),
    "lrn": lambda x, p, other, **o: _lrn(x, **o),
}

OPS: dict[str, Callable[..., Any]] = {
    "batchnorm": batchnorm,
    "batchnorm_grad": batchnorm_grad,
    "batchnorm_predict": lambda x, gamma, beta, mean, var, eps: scaled(x, gamma, beta, mean, var, eps),
    "normalize": normalize,
    "normalize_grad": normalize_grad,
    "neighbours": neighbours,
}
