"""Each metric: from all predictions and targets to one number, or to a table of counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .numbers import Array, binary_entropy, mean


def decisions(p: Array, y: Array) -> tuple[list[list[int]], list[list[int]], int]:
    """Predicted and true labels, one list a column, and the number of classes."""
    if y.ndim == 1:
        return [[row.index(max(row)) for row in p.tolist()]], [y.tolist()], p.shape[1]
    return [[int(v >= 0.5) for v in c] for c in p.T], [[int(v) for v in c] for c in y.T], 2


def accuracy(p: Array, y: Array) -> float:
    chosen, true, _ = decisions(p, y)
    return mean(float(a == b) for c, t in zip(chosen, true, strict=True) for a, b in zip(c, t, strict=True))


def macro(score: Callable[[int, int, int], float]) -> Callable[[Array, Array], float]:
    """The mean of a score of hits, picks and occurrences over the labels that are picked or occur; 1 alone of two."""

    def apply(p: Array, y: Array) -> float:
        chosen, true, classes = decisions(p, y)
        labels = range(classes) if classes > 2 else (1,)
        found = [
            score(sum(a == b == label for a, b in zip(c, t, strict=True)), c.count(label), t.count(label))
            for c, t in zip(chosen, true, strict=True)
            for label in labels
            if label in (*c, *t)
        ]
        return mean(found) if found else 0.0

    return apply


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def columns(score: Callable[[list[int], list[int], int], float]) -> Callable[[Array, Array], float]:
    """The mean of a score of labels over the columns."""

    def apply(p: Array, y: Array) -> float:
        chosen, true, classes = decisions(p, y)
        return mean(score(c, t, classes) for c, t in zip(chosen, true, strict=True))

    return apply


def _correlated(x: list[list[float]], y: list[list[float]]) -> float:
    """The correlation of two lists of vectors, all their components together; 0 where one list is constant."""
    centres = [[mean(c) for c in zip(*v, strict=True)] for v in (x, y)]

    def product(a: int, b: int) -> float:
        both = ((x, y)[a], (x, y)[b])
        return math.fsum(
            (u - m) * (v - n)
            for one, other in zip(*both, strict=True)
            for u, v, m, n in zip(one, other, centres[a], centres[b], strict=True)
        )

    spread = product(0, 0) * product(1, 1)
    return product(0, 1) / math.sqrt(spread) if spread > 1e-20 else 0.0


def _mcc(chosen: list[int], true: list[int], classes: int) -> float:
    """Gorodkin's form, the correlation of one-hot vectors."""

    def hot(labels: list[int]) -> list[list[float]]:
        return [[float(label == k) for k in range(classes)] for label in labels]

    return _correlated(hot(chosen), hot(true))


def _kappa(chosen: list[int], true: list[int], classes: int) -> float:
    n = len(true)
    agreed = mean(float(a == b) for a, b in zip(chosen, true, strict=True))
    chance = math.fsum(chosen.count(k) / n * (true.count(k) / n) for k in range(classes))
    return (agreed - chance) / (1 - chance) if chance < 1 - 1e-12 else 0.0


def counts(true: list[list[int]], chosen: list[list[int]], classes: int) -> Any:
    """A table for each column, or the only one."""
    tables: list[list[list[int]]] = []
    for c, t in zip(chosen, true, strict=True):
        pairs = list(zip(t, c, strict=True))
        tables.append([[pairs.count((i, j)) for j in range(classes)] for i in range(classes)])
    return tables if len(tables) > 1 else tables[0]


def confusion(p: Array, y: Array) -> Any:
    chosen, true, classes = decisions(p, y)
    return counts(true, chosen, classes)


def listed(x: Array) -> list[list[Any]]:
    """The columns of an array, or itself as the only one."""
    return [x.tolist()] if x.ndim == 1 else x.T.tolist()


# Probabilities --------------------------------------------------------------------------------------------------------


def _one_against_rest(p: Array, y: Array) -> tuple[list[list[float]], list[list[int]]]:
    """Scores and truth values of each column."""
    if y.ndim > 1:
        return listed(p), [[int(v) for v in column] for column in y.T]
    labels = range(p.shape[1]) if p.shape[1] > 2 else (1,)
    return [p[:, k].tolist() for k in labels], [[int(v == k) for v in y] for k in labels]


def ordered_pairs(scores: list[list[float]], truths: list[list[int]]) -> float:
    """The share of pairs of a one and a zero that are in order."""
    found: list[float] = []
    for column, true in zip(scores, truths, strict=True):
        ones = [s for s, t in zip(column, true, strict=True) if t]
        zeros = [s for s, t in zip(column, true, strict=True) if not t]
        if ones and zeros:
            found.append(mean((a > b) + 0.5 * (a == b) for a in ones for b in zeros))
    return mean(found) if found else 0.5


def average_precision(scores: list[list[float]], truths: list[list[int]]) -> float:
    """The sum over thresholds, from the highest on, of what recall gains times precision."""
    found: list[float] = []
    for column, true in zip(scores, truths, strict=True):
        area = before = 0.0
        for threshold in sorted(set(column), reverse=True):
            taken = [t for s, t in zip(column, true, strict=True) if s >= threshold]
            recall = share(sum(taken), sum(true))
            area += (recall - before) * sum(taken) / len(taken)
            before = recall
        if sum(true):
            found.append(area)
    return mean(found) if found else 0.0


def first(row: list[float], k: int) -> list[int]:
    """The indices of the k largest, the first of those that tie."""
    return sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]


def gaps(chances: list[list[float]], truths: list[list[int]], bins: int) -> float:
    """The mean distance of chance and frequency in bins, over columns."""
    errors: list[float] = []
    for column, true in zip(chances, truths, strict=True):
        places = [min(int(c * bins), bins - 1) for c in column]
        for place in set(places):
            inside = [(c, t) for c, t, at in zip(column, true, places, strict=True) if at == place]
            gap = abs(mean(c for c, _ in inside) - mean(float(t) for _, t in inside))
            errors.append(len(inside) / len(column) * gap)
    return math.fsum(errors) / len(chances)


def top_k(p: Array, y: Array, k: int = 5) -> float:
    return mean(float(label in first(row, k)) for row, label in zip(p.tolist(), y.tolist(), strict=True))


def log_loss(p: Array, y: Array) -> float:
    if y.ndim == 1:
        return mean(-math.log(max(row[label], 1e-30)) for row, label in zip(p.tolist(), y.tolist(), strict=True))
    return mean(binary_entropy(float(a), float(b)) for a, b in zip(p.ravel(), y.ravel(), strict=True))


def brier(p: Array, y: Array) -> float:
    if y.ndim > 1:
        return mean((float(a) - float(b)) ** 2 for a, b in zip(p.ravel(), y.ravel(), strict=True))
    rows = zip(p.tolist(), y.tolist(), strict=True)
    return mean(math.fsum((v - (k == label)) ** 2 for k, v in enumerate(row)) for row, label in rows)


def calibration(p: Array, y: Array, bins: int = 10) -> float:
    if y.ndim > 1:
        return gaps(listed(p), listed(y), bins)
    chosen = decisions(p, y)[0][0]
    return gaps([[max(row) for row in p.tolist()]], [[int(a == b) for a, b in zip(chosen, y, strict=True)]], bins)


# Numbers --------------------------------------------------------------------------------------------------------------


def _rse_column(p: list[float], y: list[float]) -> float:
    centre = mean(y)
    there = math.fsum((v - centre) ** 2 for v in y)
    return math.fsum((a - b) ** 2 for a, b in zip(p, y, strict=True)) / there if there else 1.0


def _each_column(function: Callable[[list[float], list[float]], float]) -> Callable[[Array, Array], float]:
    return lambda p, y: mean(function(a.tolist(), b.tolist()) for a, b in zip(p.T, y.T, strict=True))


def mse(p: Array, y: Array) -> float:
    return mean(float(v) ** 2 for v in np.ravel(p - y))


METRICS: dict[str, Callable[..., Any]] = {
    "accuracy": accuracy,
    "precision": macro(lambda hits, picked, there: share(hits, picked)),
    "recall": macro(lambda hits, picked, there: share(hits, there)),
    "f1": macro(lambda hits, picked, there: 2 / (picked / hits + there / hits) if hits else 0.0),
    "gmeasure": macro(lambda hits, picked, there: math.sqrt(share(hits, picked) * share(hits, there))),
    "mcc": columns(_mcc),
    "kappa": columns(_kappa),
    "confusion": confusion,
    "top_k": top_k,
    "roc_auc": lambda p, y: ordered_pairs(*_one_against_rest(p, y)),
    "pr_auc": lambda p, y: average_precision(*_one_against_rest(p, y)),
    "log_loss": log_loss,
    "brier": brier,
    "calibration": calibration,
    "mse": mse,
    "mae": lambda p, y: mean(abs(float(v)) for v in np.ravel(p - y)),
    "rmse": lambda p, y: math.sqrt(mse(p, y)),
    "rse": _each_column(_rse_column),
    "r2": _each_column(lambda p, y: 1 - _rse_column(p, y)),
    "pearson": _each_column(lambda p, y: _correlated([[v] for v in p], [[v] for v in y])),
}
