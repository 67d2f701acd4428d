"""Each primitive, from its definition in plain numbers."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .numbers import Array, binary_entropy, each, erf, log_softmax, mean, reduced, rows, sigmoid, softmax, tanh


def matmul(a: Array, b: Array) -> Array:
    return np.array([[math.fsum(x * y for x, y in zip(r, c, strict=True)) for c in b.T] for r in a])


def clip_by_norm(limit: Array, *gradients: Array) -> tuple[Array, ...]:
    """What torch.nn.utils.clip_grad_norm_ computes."""
    norm = math.sqrt(math.fsum(v * v for g in gradients for v in g.ravel().tolist()))
    return tuple(each(lambda v: v * min(1.0, float(limit) / (norm + 1e-6)))(g) for g in gradients)


def softmax_mcxent(scores: Array, y: Array) -> tuple[Array, Array]:
    return rows(lambda s, label: -log_softmax(s)[label])(scores, y), rows(softmax)(scores)


def softmax_mcxent_grad(probs: Array, y: Array) -> Array:
    return np.array([[p - (j == label) for j, p in enumerate(r)] for r, label in zip(probs, y, strict=True)])


def pad(x: Array, axis: int, start: int, stop: int, like: tuple[Any, ...]) -> Array:
    found = np.zeros([n if isinstance(n, int) else x.shape[a] for a, n in enumerate(like)])
    found[tuple(slice(start, stop) if a == axis else slice(None) for a in range(x.ndim))] = x
    return found


def size(x: Array, axes: tuple[int, ...]) -> Array:
    return np.array(float(math.prod(x.shape[a] for a in axes)))


OPS: dict[str, Callable[..., Any]] = {
    "neg": each(lambda x: 0.0 - x),
    "exp": each(math.exp),
    "expm1": each(lambda x: 2 * math.sinh(x / 2) * math.exp(x / 2)),
    "log": each(math.log),
    "log1p": each(lambda x: 2 * math.atanh(x / (2 + x))),
    "sqrt": each(lambda x: x**0.5),
    "square": each(lambda x: x * x),
    "absolute": each(lambda x: x if x > 0 else 0.0 - x),
    "sign": each(lambda x: float(x > 0) - float(x < 0)),
    "floor": each(lambda x: float(math.floor(x))),
    "cos": each(lambda x: cmath.exp(1j * x).real),
    "sin": each(lambda x: cmath.exp(1j * x).imag),
    "tanh": each(tanh),
    "sigmoid": each(sigmoid),
    "softplus": each(lambda x: math.log(1 + math.exp(x))),
    "erf": each(erf),
    "add": each(lambda x, y: x + y),
    "sub": each(lambda x, y: x - y),
    "mul": each(lambda x, y: x * y),
    "div": each(lambda x, y: x / y),
    "pow": each(lambda x, y: math.exp(y * math.log(x))),
    "maximum": each(lambda x, y: x if x > y else y),
    "minimum": each(lambda x, y: x if x < y else y),
    "greater": each(lambda x, y: x > y),
    "less": each(lambda x, y: x < y),
    "greater_equal": each(lambda x, y: not x < y),
    "less_equal": each(lambda x, y: not x > y),
    "equal": each(lambda x, y: x - y == 0),
    "logical_and": each(lambda x, y: x if y else False),
    "mask": each(lambda x, keep: x if keep else 0.0),
    "where": each(lambda condition, x, y: x if condition else y),
    "clip_by_norm": clip_by_norm,
    "matmul": matmul,
    "softmax": rows(softmax),
    "log_softmax": rows(log_softmax),
    "mcxent": rows(lambda p, label: -math.log(p[label])),
    "xent": each(binary_entropy),
    "softmax_mcxent": softmax_mcxent,
    "softmax_mcxent_grad": softmax_mcxent_grad,
    "total": reduced(math.fsum),
    "mean": reduced(mean),
    "spread": lambda x, axis: reduced(lambda v: max(v) - min(v))(x, [axis]),
    "argmax": lambda x, axis: reduced(lambda v: v.index(max(v)))(x, [axis]).astype(np.int64),
    "reshape": lambda x, shape: np.array(x.ravel().tolist()).reshape([d if isinstance(d, int) else -1 for d in shape]),
    "transpose": lambda x: np.array([[row[j] for row in x] for j in range(x.shape[1])]),
    "expand_dims": lambda x, axis: np.array(x.ravel().tolist()).reshape(*x.shape[:axis], 1, *x.shape[axis:]),
    "broadcast_like": lambda x, like: each(lambda x, like: x)(x, like),
    "size": size,
    "cast": lambda x, dtype: x,
    "concat": lambda *xs, axis: np.array([[v for x in xs for v in x[i]] for i in range(len(xs[0]))]),
    "slice": lambda x, axis, start, stop: np.array([row[start:stop] for row in x]),
    "pad": pad,
    "arange": lambda stop: np.array(list(range(stop))),
    "literal": lambda values, shape, name: np.array(values, dtype=float).reshape(shape),
    "constant": lambda number, dtype, name: np.array(number),
    "fill": lambda number, shape: np.array([number] * math.prod(shape)).reshape(shape),
}
