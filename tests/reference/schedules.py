"""Each schedule: from t and options to the value."""

from __future__ import annotations

import math
from collections.abc import Callable


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
