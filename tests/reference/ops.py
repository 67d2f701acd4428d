"""Each primitive, from its definition in plain numbers."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from . import attention, augment, images, norms, recurrent
from . import metrics as scores
from .conv import conv, conv_input_grad, conv_transpose, conv_weight_grad, turned, unfold, unfold_grad
from .numbers import Array, binary_entropy, each, erf, log_softmax, mean, reduced, rows, sigmoid, softmax, tanh


def matmul(a: Array, b: Array) -> Array:
    if max(a.ndim, b.ndim) > 2:
        fronts = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        pairs = [np.broadcast_to(x, (*fronts, *x.shape[-2:])).reshape(-1, *x.shape[-2:]) for x in (a, b)]
        found = [matmul(one, other) for one, other in zip(*pairs, strict=True)]
        return np.array(found).reshape(*fronts, *found[0].shape)
    return np.array([[math.fsum(x * y for x, y in zip(r, c, strict=True)) for c in b.T] for r in a])


def clip_by_norm(limit: Array, *gradients: Array) -> tuple[Array, ...]:
    """What torch.nn.utils.clip_grad_norm_ computes."""
    norm = math.sqrt(math.fsum(v * v for g in gradients for v in g.ravel().tolist()))
    return tuple(each(lambda v: v * min(1.0, float(limit) / (norm + 1e-6)))(g) for g in gradients)


def norm_of(arrays: Iterable[Array]) -> float:
    return math.sqrt(math.fsum(v * v for a in arrays for v in a.ravel().tolist()))


def scaled_columns(w: Array, wanted: Callable[[float], float]) -> Array:
    """A weight with the norm that is wanted of each column of a matrix, or of each filter of a convolution."""
    if w.ndim > 2:
        return np.array([f * (wanted(norm_of([f])) / norm_of([f])) for f in w])
    flat = w.reshape(-1, w.shape[-1])
    columns = [np.array(column.tolist()) * wanted(norm_of([column])) / norm_of([column]) for column in flat.T]
    return np.stack(columns, axis=1).reshape(w.shape)


def softmax_mcxent(scores: Array, y: Array) -> tuple[Array, Array]:
    return rows(lambda s, label: -log_softmax(s)[label])(scores, y), rows(softmax)(scores)


def softmax_mcxent_grad(probs: Array, y: Array) -> Array:
    return np.array([[p - (j == label) for j, p in enumerate(r)] for r, label in zip(probs, y, strict=True)])


def pad(x: Array, axis: int, start: int, stop: int, like: tuple[Any, ...]) -> Array:
    found = np.zeros([n if isinstance(n, int) else x.shape[a] for a, n in enumerate(like)])
    found[tuple(slice(start, stop) if a == axis else slice(None) for a in range(x.ndim))] = x
    return found


def permute(x: Array, axes: tuple[int, ...]) -> Array:
    found = np.zeros([x.shape[a] for a in axes])
    for index in np.ndindex(found.shape):
        at = [0] * x.ndim
        for axis, i in zip(axes, index, strict=True):
            at[axis] = i
        found[index] = x[tuple(at)]
    return found


def size(x: Array, axes: tuple[int, ...]) -> Array:
    return np.array(float(math.prod(x.shape[a] for a in axes)))


def scatter_add(x: Array, ids: Array, rows: int) -> Array:
    pairs = list(zip(ids.ravel().tolist(), x.reshape(-1, x.shape[-1]).tolist(), strict=True))
    return np.array([[math.fsum(v[j] for i, v in pairs if i == r) for j in range(x.shape[-1])] for r in range(rows)])


def rational_tanh(x: float) -> float:
    a = abs(x)
    return math.copysign(1 - 1 / (1 + a + a**2 + 1.41645 * a**4), x)


def may_skip(row):
    """Where the blank before a label may be left out: at each that differs from the one before it."""
    free = [False, False]
    for one, other in pairwise(row):
        free += [False, one != other]
    return [*free, False]


def counts(y):
    """Each row of labels and how many of them are no blank."""
    return [(row, sum(label > 0 for label in row)) for row in y.tolist()]


# The sizes of axes that have names.
SIZES = {"N": 5, "T": 3, "N*T": 15}
OPS: dict[str, Callable[..., Any]] = {
    **attention.OPS,
    **augment.OPS,
    **images.OPS,
    **norms.OPS,
    **recurrent.OPS,
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
    "heaviside": each(lambda x: float(x > 0)),
    "softsign": each(lambda x: x / (1 - x) if x < 0 else x / (1 + x)),
    "rational_tanh": each(rational_tanh),
    "clip": each(lambda x, low, high: sorted([low, x, high])[1]),
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
    "not_equal": each(lambda x, y: x - y != 0),
    "logical_and": each(lambda x, y: x if y else False),
    "logical_or": each(lambda x, y: True if y else x),
    "logical_not": each(lambda x: not x),
    "mask": each(lambda x, keep: x if keep else 0.0),
    "where": each(lambda condition, x, y: x if condition else y),
    "logcosh": each(lambda x: math.log(math.cosh(x))),
    "log_softplus": each(lambda x: math.log(math.log(1 + math.exp(x)))),
    "log_softplus_slope": each(lambda x: sigmoid(x) / math.log(1 + math.exp(x))),
    "steady_exp": each(math.exp),
    "huber": lambda error, delta: each(lambda e: e * e / 2 if abs(e) < delta else delta * (abs(e) - delta / 2))(error),
    "logsumexp": rows(lambda x: math.log(math.fsum(map(math.exp, x)))),
    "vector": lambda like, values: np.array(values, dtype=float),
    "stairs": lambda t, at, values, name: np.array([v for a, v in zip(at, values, strict=True) if a <= float(t)][-1]),
    "lookup": lambda table, ids: np.array([table.tolist()[i] for i in ids]),
    "clip_by_norm": clip_by_norm,
    "clip_by_value": lambda limit, *gs: tuple(each(lambda v: min(max(v, -float(limit)), float(limit)))(g) for g in gs),
    "normalized": lambda on, *gs: tuple(g / norm_of(gs) for g in gs),
    "non_negative": each(lambda w: max(w, 0.0)),
    "max_norm": lambda w, limit: scaled_columns(w, lambda norm: min(norm, limit)),
    "min_max_norm": lambda w, low, high: scaled_columns(w, lambda norm: min(max(norm, low), high)),
    "unit_norm": lambda w: scaled_columns(w, lambda norm: 1.0),
    "matmul": matmul,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "conv_weight_grad": conv_weight_grad,
    "conv_input_grad": conv_input_grad,
    "turned": turned,
    "unfold": unfold,
    "unfold_grad": unfold_grad,
    "softmax": rows(softmax),
    "log_softmax": rows(log_softmax),
    "mcxent": rows(lambda p, label: -math.log(p[label])),
    "xent": each(binary_entropy),
    "softmax_mcxent": softmax_mcxent,
    "softmax_mcxent_grad": softmax_mcxent_grad,
    "total": reduced(math.fsum),
    "mean": reduced(mean),
    "amax": reduced(lambda values: sorted(values)[-1]),
    "amin": reduced(lambda values: sorted(values)[0]),
    "spread": lambda x, axis: reduced(lambda v: max(v) - min(v))(x, [axis]),
    "argmax": lambda x, axis: reduced(lambda v: v.index(max(v)))(x, [axis]).astype(np.int64),
    "argmin": lambda x, axis: reduced(lambda v: v.index(min(v)))(x, [axis]).astype(np.int64),
    "confusion": lambda true, chosen, classes: np.array(scores.counts(*map(scores.listed, (true, chosen)), classes)),
    "top_k": lambda p, y, k: np.array(
        [label in scores.first(row, k) for row, label in zip(p.tolist(), y, strict=True)]
    ),
    "roc_auc": lambda p, true: np.array(scores.ordered_pairs(scores.listed(p), scores.listed(true))),
    "pr_auc": lambda p, true: np.array(scores.average_precision(scores.listed(p), scores.listed(true))),
    "calibration": lambda p, right, bins: np.array(scores.gaps(scores.listed(p), scores.listed(right), bins)),
    "reshape": lambda x, shape: np.array(x.ravel().tolist()).reshape([SIZES.get(d, d) for d in shape]),
    "reshape_like": lambda x, like: np.array(x.ravel().tolist()).reshape(like.shape),
    "with_blanks": lambda y: np.array([[label for each in row for label in (0, each)] + [0] for row in y.tolist()]),
    "may_skip": lambda y: np.array([may_skip(row) for row in y.tolist()]),
    "at_end": lambda y: np.array([[k in (2 * n, 2 * n - 1) for k in range(2 * len(row) + 1)] for row, n in counts(y)]),
    "shifted": lambda x, by, fill: np.array(
        [[row[k - by] if 0 <= k - by < len(row) else fill for k in range(len(row))] for row in x.tolist()]
    ),
    "all_steps": lambda x: np.array([x.shape[1]] * len(x)),
    "stand_in": lambda x, axis: np.take(x, [0], axis),
    "shorter": lambda lengths, plus, over: np.array([math.floor((n + plus) / over) for n in lengths]),
    "counted": lambda lengths, like: np.array(
        [t < n for n in lengths.ravel() for t in range(like.shape[lengths.ndim])]
    ).reshape(*lengths.shape, -1),
    "numbered": lambda keep, like: np.array([1.0 if k else 0.0 for k in keep.tolist()]),
    "put_back": lambda rows, keep: np.array(
        [rows[sum(keep[:i])] if k else 0 * rows[0] for i, k in enumerate(keep.tolist())]
    ),
    "chosen": lambda x, keep: np.array([row for row, k in zip(x.tolist(), keep, strict=True) if k]),
    "transpose": lambda x: np.array([[row[j] for row in x] for j in range(x.shape[1])]),
    "transposed": lambda x: np.array([m.T.tolist() for m in x.reshape(-1, *x.shape[-2:])]).reshape(
        *x.shape[:-2], x.shape[-1], x.shape[-2]
    ),
    "expand_dims": lambda x, axis: np.array(x.ravel().tolist()).reshape(
        *(x.shape[:axis] + (1,) + x.shape[axis:] if isinstance(axis, int) else (x.shape[0], 1, x.shape[1], 1))
    ),
    "permute": permute,
    "stack": lambda *xs: np.array([list(rows) for rows in zip(*xs, strict=True)]),
    "pick": lambda x, index: np.array([row[index] for row in x]),
    "repeat": lambda x, times: np.array([[row] * times for row in x]),
    "broadcast_like": lambda x, like: each(lambda x, like: x)(x, like),
    "size": size,
    "cast": lambda x, dtype: x,
    "concat": lambda *xs, axis: np.array([[v for x in xs for v in x[i]] for i in range(len(xs[0]))]),
    "slice": lambda x, axis, start, stop: np.array([row[start:stop] for row in x]),
    "pad": pad,
    "onehot": lambda ids, classes: np.array([float(i == j) for i in ids.ravel() for j in range(classes)]).reshape(
        *ids.shape, classes
    ),
    "gather": lambda table, ids: np.array([table[i] for i in ids.ravel()]).reshape(*ids.shape, -1),
    "scatter_add": scatter_add,
    "arange": lambda stop: np.array(list(range(stop))),
    "literal": lambda values, shape, name: np.array(values, dtype=float).reshape(shape),
    "constant": lambda number, dtype, name: np.array(number),
    "eye": lambda size: np.array([[float(i == j) for j in range(size)] for i in range(size)]),
    "fill": lambda number, shape: np.array([number] * math.prod(shape)).reshape(shape),
}
