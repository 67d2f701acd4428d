"""Primitives of metrics: counts of decisions, ranks of probabilities, and how far probabilities can be believed."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# Metrics run on the host alone, so these have no ONNX form; kernels are printed as they stand, without types.

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..ir import define
from ..types import BINARY, NON_NEGATIVE, UNIT, Domain, Shape, Type

COUNT = Domain(low=0.0, low_open=False, whole=True)


def confusion_kernel(true, decided, classes):
    """Return how often each class (a row) was decided to be each class (a column)."""
    cells = (classes * true + decided).reshape(len(true), -1)
    counts = [np.bincount(column, minlength=classes**2) for column in cells.T]
    return np.reshape(counts, (*true.shape[1:], classes, classes))


def _confusion_type(true: Type, decided: Type, *, classes: int) -> Type:
    # A single column of truth values gets a table and not a list of one.
    columns: Shape = () if true.shape[1:] == (1,) else true.shape[1:]
    return Type("i64", (*columns, classes, classes), COUNT)


def _confusion_spelling(true: Type, decided: Type, classes: int) -> str:
    return f"confusion(true, decided, classes){'[0]' if true.shape[1:] == (1,) else ''}"


confusion = define(
    "confusion",
    _confusion_type,
    numpy=_confusion_spelling,
    kernels=(confusion_kernel,),
    cases=(
        (("N of 3", "N of 3"), {"classes": 3}),
        (("N,1 of bool", "N,1 of bool"), {"classes": 2}),
        (("N,4 of bool", "N,4 of bool"), {"classes": 2}),
    ),
)


def top_k_kernel(probs, y, k):
    """Return whether each label is among the k most probable; ties go to the first."""
    ranked = np.argsort(-probs, axis=1, kind="stable")
    return (ranked[:, :k] == y[:, None]).any(axis=1)


top_k = define(
    "top_k",
    lambda p, y, *, k: Type("bool", y.shape, BINARY),
    numpy="top_k(p, y, k)",
    kernels=(top_k_kernel,),
    cases=((("N,3 in simplex", "N of 3"), {"k": 2}),),
)


def roc_auc_kernel(p, true):
    """Return how often a one ranks above a zero, ties by half: the mean of columns."""
    n, areas = len(p), []
    for scores, ones in zip(p.reshape(n, -1).T, true.reshape(n, -1).T, strict=True):
        _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
        ranks = np.cumsum(counts) - (counts - 1) / 2  # equal scores share their mean rank
        count, rest = np.count_nonzero(ones), np.count_nonzero(~ones)
        if count and rest:
            above = ranks[places[ones]].sum() - count * (count + 1) / 2
            areas.append(above / (count * rest))
    return np.mean(areas) if areas else 0.5


def pr_auc_kernel(p, true):
    """Return the precision at each one, most probable first: the mean of columns."""
    n, areas = len(p), []
    for scores, ones in zip(p.reshape(n, -1).T, true.reshape(n, -1).T, strict=True):
        order = np.argsort(-scores)
        last = np.append(np.diff(scores[order]) != 0, True)  # equal scores come at once
        hits, chosen = np.cumsum(ones[order])[last], np.flatnonzero(last) + 1
        if hits[-1]:
            areas.append(np.sum(np.diff(hits, prepend=0) * hits / chosen) / hits[-1])
    return np.mean(areas) if areas else 0.0


_COLUMNS = ((("N,4 in unit", "N,4 of bool"), {}), (("N in unit", "N of bool"), {}))

roc_auc = define(
    "roc_auc",
    lambda p, true: Type(p.dtype, (), UNIT),
    numpy="roc_auc(p, true)",
    kernels=(roc_auc_kernel,),
    cases=_COLUMNS,
)
pr_auc = define(
    "pr_auc",
    lambda p, true: Type(p.dtype, (), UNIT),
    numpy="pr_auc(p, true)",
    kernels=(pr_auc_kernel,),
    cases=_COLUMNS,
)


def calibration_kernel(p, right, bins):
    """Return the mean distance in each bin between probability and frequency."""
    places = np.minimum((bins * p).astype(np.int64), bins - 1).reshape(len(p), -1)
    gaps = (p - right).reshape(len(p), -1)
    columns = zip(places.T, gaps.T, strict=True)
    return sum(np.abs(np.bincount(*c, bins)).sum() for c in columns) / p.size


calibration = define(
    "calibration",
    lambda p, right, *, bins: Type(p.dtype, (), NON_NEGATIVE),
    numpy="calibration(p, right, bins)",
    kernels=(calibration_kernel,),
    cases=((("N,4 in unit", "N,4 of bool"), {"bins": 3}), (("N in unit", "N of bool"), {"bins": 10})),
)


def best_threshold_kernel(p, y, score):
    """Return each column's threshold of the highest score, the lowest of several."""
    n, best = len(p), []
    for values, ones in zip(p.reshape(n, -1).T, y.reshape(n, -1).T, strict=True):
        order = np.argsort(values)
        values, ones = values[order], ones[order]
        edges = np.concatenate([[0], values, [1]]).astype(p.dtype)
        clear = np.diff(edges) > 1e-5  # else rounding could move an example
        clear[0] = True  # all may be decided for 1
        below = np.flatnonzero(clear)
        cuts = (edges[below] + edges[below + 1]) / 2
        fn = np.append(0, np.cumsum(ones > 0))[below]
        tp, tn = np.count_nonzero(ones) - fn, below - fn
        best.append(cuts[np.argmax(score(tp, n - below - tp, fn, tn))])
    return np.array(best, np.float32).reshape(p.shape[1:])


# No op: it sets a threshold on the page, by the score of counts that a metric has.
BEST_THRESHOLD: Callable[..., object] = best_threshold_kernel
