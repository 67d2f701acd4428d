"""Each metric: from all predictions and targets to one number."""

from __future__ import annotations

import math
from collections.abc import Callable

from .numbers import Array, mean


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
