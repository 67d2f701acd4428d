"""Each schedule: from t and options to the value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def _step(t: float, rate: float, every: float, factor: float = 0.1) -> float:
    while t >= every:
        t, rate = t - every, rate * factor
    return rate


def _map(t: float, at: Sequence[float], rate: Sequence[float]) -> float:
    return [value for time, value in zip(at, rate, strict=True) if time <= t][-1]


def _cycle(t: float, rate: float, peak: float, epochs: float, anneal: float = 0.0, factor: float = 0.1) -> float:
    u, half = t % epochs, (epochs - anneal) / 2
    if u < half:
        return rate + u * (peak - rate) / half
    if u < 2 * half:
        return peak - (u - half) * (peak - rate) / half
    return rate * math.exp((u - 2 * half) * math.log(factor))


def _cosine(
    t: float,
    rate: float,
    epochs: float,
    warmup: float = 0.0,
    low: float = 0.0,
    restarts: bool = False,
    mult: float = 1.0,
) -> float:
    if t < warmup:
        return rate * t / warmup
    past, period = t - warmup, epochs - warmup
    while restarts and past >= period:
        past, period = past - period, period * mult
    share = math.cos(math.pi * past / period / 2) ** 2 if past < period else 0.0
    return low + (rate - low) * share


def _plateau(n: float, rate: float, factor: float = 0.1, low: float = 0.0, **_: float) -> float:
    """After n falls; when it falls is what `fallen` says, and no option of it changes how far."""
    for _ in range(int(n)):
        rate = max(rate * factor, low)
    return rate


def fallen(
    losses: Sequence[float],
    rate: float,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    min_delta: float = 0.0,
    cooldown: int = 0,
    low: float = 0.0,
    eps: float = 1e-8,
) -> list[tuple[int, float]]:
    """How often a plateau has fallen after each epoch, and its value, from the epochs' losses alone."""
    found, falls, since, best = list[tuple[int, float]](), 0, 0, math.inf
    # Epochs up to `since` do not count: those before the best one, a fall or the end of its cooldown.
    for epoch, loss in enumerate(losses, 1):
        if best == math.inf or loss < best - threshold * best - min_delta:
            best, since = loss, max(since, epoch)
        if epoch - since > patience:
            since = epoch + cooldown
            lower = max(rate * factor, low)
            if rate - lower > eps:
                rate, falls = lower, falls + 1
        found.append((falls, rate))
    return found


SCHEDULES: dict[str, Callable[..., float]] = {
    "fixed": lambda t, rate: rate,
    "step": _step,
    "exponential": lambda t, rate, factor=0.95: rate * math.exp(t * math.log(factor)),
    "inverse": lambda t, rate, gamma, power=1.0: rate * math.exp(-power * math.log(1 + gamma * t)),
    "poly": lambda t, rate, epochs, power=1.0: rate * max(0.0, (epochs - t) / epochs) ** power,
    "sigmoid": lambda t, rate, gamma, middle: rate / (1 + math.exp(-gamma * (t - middle))),
    "map": _map,
    "ramp": lambda t, rate, end, epochs: end if t >= epochs else rate * (1 - t / epochs) + end * t / epochs,
    "cycle": _cycle,
    "cosine": _cosine,
    "plateau": _plateau,
}


def warmed(value: float, t: float, warmup: float) -> float:
    """What `warmup=` makes of a schedule's value."""
    return value * t / warmup if t < warmup else value
