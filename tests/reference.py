"""Independent float64 references: what each primitive and each word computes, from its definition in plain numbers.

Nothing here imports the project. Elementwise functions go through Python's own numbers, sums through `math.fsum`.
"""

from __future__ import annotations

import cmath
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

    def apply(x: Array, axes: Iterable[int], keepdims: bool = False) -> Array:
        axes = tuple(axes)
        kept = [range(1) if a in axes else range(n) for a, n in enumerate(x.shape)]
        found = np.zeros([len(r) for r in kept])
        for index in product(*kept):
            part = x[tuple(slice(None) if a in axes else i for a, i in enumerate(index))]
            found[index] = function([float(v) for v in part.ravel()])
        return found if keepdims else found.reshape([n for a, n in enumerate(x.shape) if a not in axes])

    return apply


# Numbers --------------------------------------------------------------------------------------------------------------


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


# Primitives -----------------------------------------------------------------------------------------------------------


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

# Activations and losses -----------------------------------------------------------------------------------------------

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "identity": each(lambda x: x),
    "relu": each(lambda x: x if x > 0 else 0.0),
    "leakyrelu": each(lambda x, slope=0.01: x if x > 0 else slope * x),
    "elu": each(lambda x, alpha=1.0: x if x > 0 else alpha * (math.exp(x) - 1)),
    "selu": each(lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * (math.exp(x) - 1))),
    "gelu": each(lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    "tanh": each(tanh),
    "sigmoid": each(sigmoid),
    "softplus": each(lambda x: math.log(1 + math.exp(x))),
    "softmax": rows(softmax),
}


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

# Metrics --------------------------------------------------------------------------------------------------------------


def decisions(p: Array, y: Array) -> tuple[list[list[int]], list[list[int]], int]:
    """Predicted and true labels, one list a column, and the number of classes."""
    if y.ndim == 1:
        return [[row.index(max(row)) for row in p.tolist()]], [y.tolist()], p.shape[1]
    return [[int(v >= 0.5) for v in c] for c in p.T], [[int(v) for v in c] for c in y.T], 2


def accuracy(p: Array, y: Array) -> float:
    chosen, true, _ = decisions(p, y)
    return mean(float(a == b) for c, t in zip(chosen, true, strict=True) for a, b in zip(c, t, strict=True))


def _f1_of(chosen: list[int], true: list[int], label: int) -> float | None:
    """2 / (1/precision + 1/recall); None where the class neither occurs nor is chosen."""
    hits = sum(a == b == label for a, b in zip(chosen, true, strict=True))
    picked, there = chosen.count(label), true.count(label)
    if picked + there == 0:
        return None
    return 2 / (picked / hits + there / hits) if hits else 0.0


def f1(p: Array, y: Array) -> float:
    chosen, true, classes = decisions(p, y)
    labels = range(classes) if y.ndim == 1 else (1,)
    found = [_f1_of(c, t, label) for c, t in zip(chosen, true, strict=True) for label in labels]
    known = [v for v in found if v is not None]
    return mean(known) if known else 0.0


def _r2_column(p: list[float], y: list[float]) -> float:
    centre = mean(y)
    there = math.fsum((v - centre) ** 2 for v in y)
    return 1 - math.fsum((a - b) ** 2 for a, b in zip(p, y, strict=True)) / there if there else 0.0


METRICS: dict[str, Callable[[Array, Array], float]] = {
    "accuracy": accuracy,
    "f1": f1,
    "mae": lambda p, y: mean(abs(float(v)) for v in (p - y).ravel()),
    "rmse": lambda p, y: math.sqrt(mean(float(v) ** 2 for v in (p - y).ravel())),
    "r2": lambda p, y: mean(_r2_column(a.tolist(), b.tolist()) for a, b in zip(p.T, y.T, strict=True)),
}

# Updaters and schedules -----------------------------------------------------------------------------------------------

State = dict[str, Array]


def _sgd(w: Array, g: Array, s: State, t: int, lr: float) -> Array:
    return w - lr * g


def _nesterovs(w: Array, g: Array, s: State, t: int, lr: float, momentum: float = 0.9) -> Array:
    s["v"] = momentum * s.get("v", 0 * w) + g
    return w - lr * g - lr * momentum * s["v"]


def _adam(
    w: Array, g: Array, s: State, t: int, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Array:
    """Algorithm 1 of Kingma and Ba, as it is written there."""
    s["m"] = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0 * w) + (1 - beta2) * g**2
    m, v = s["m"] / (1 - beta1**t), s["v"] / (1 - beta2**t)
    return w - lr * m / (v**0.5 + eps)


def _adamw(w: Array, g: Array, s: State, t: int, lr: float, weight_decay: float = 0.01, **betas: float) -> Array:
    return _adam(w, g, s, t, lr, **betas) - lr * weight_decay * w


def _rmsprop(w: Array, g: Array, s: State, t: int, lr: float, decay: float = 0.99, eps: float = 1e-8) -> Array:
    s["s"] = decay * s.get("s", 0 * w) + (1 - decay) * g * g
    return w - lr * g / (s["s"] ** 0.5 + eps)


# From weight, gradient, state (changed in place), the step from 1, and options to the next weight.
UPDATERS: dict[str, Callable[..., Array]] = {
    "sgd": _sgd,
    "nesterovs": _nesterovs,
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
}
RATES = {"sgd": 1e-3, "nesterovs": 0.1, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-2}


def _step(t: float, rate: float, every: float, factor: float = 0.1) -> float:
    while t >= every:
        t, rate = t - every, rate * factor
    return rate


def _cosine(t: float, rate: float, epochs: float, warmup: float = 0.0) -> float:
    if t < warmup:
        return rate * t / warmup
    done = (t - warmup) / (epochs - warmup)
    return rate * math.cos(math.pi * done / 2) ** 2 if done < 1 else 0.0


SCHEDULES: dict[str, Callable[..., float]] = {
    "fixed": lambda t, rate: rate,
    "step": _step,
    "exponential": lambda t, rate, factor=0.95: rate * math.exp(t * math.log(factor)),
    "cosine": _cosine,
}

# Initializers: mean and variance from shape (in, out) and options; layers: from x and the weights ---------------------

MOMENTS: dict[str, Callable[..., tuple[float, float]]] = {
    "zeros": lambda i, o: (0.0, 0.0),
    "ones": lambda i, o: (1.0, 0.0),
    "constant": lambda i, o, value: (value, 0.0),
    "normal": lambda i, o, mean=0.0, deviation=None: (mean, 1 / i if deviation is None else deviation**2),
    "uniform": lambda i, o, low=None, high=None: (
        (0.0, 1 / (3 * i)) if low is None else ((low + high) / 2, (high - low) ** 2 / 12)
    ),
    "xavier": lambda i, o: (0.0, 2 / (i + o)),
    "he": lambda i, o: (0.0, 2 / i),
    "lecun": lambda i, o: (0.0, 1 / i),
    "orthogonal": lambda i, o, gain=1.0: (0.0, gain**2 / max(i, o)),
}


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
