"""Checking gradients against central differences in float64, along random directions, at points that are no kinks.

A gradient passes if in three random directions |numeric - analytic| <= 1e-6 max(|numeric|, |analytic|) + 1e-9 |loss|.
Whether a point is a kink is told by differences alone: across a kink they depend on the step as they do nowhere else.
Such a point is moved, to other weights and other examples, and counted; it is never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime.fields import Array
from ..runtime.module import Arrays
from .differences import Status

DIRECTIONS = 3
# How often the point of one direction is moved before its gradient counts as not proven.
MOVES = 8
STEP = 1e-5
RELATIVE = 1e-6
OF_LOSS = 1e-9
# Slopes below this share of the loss are not seen in its last digits.
VISIBLE = 1e-7
# A direction whose slopes before and behind the point differ by more than this share is looked at for a kink.
BENT = 1e-3
# Evaluations of the loss times weights, and products of numbers that the slopes of a net may take, which bound the time
# of a very deep or a very large one: beyond them, neighbouring weights share their directions.
EVALUATIONS = 60_000
WORK = 11_000_000_000
# How often a loss is evaluated for the gradient of one weight, about.
LOOKS = 15


@dataclass(frozen=True)
class Point:
    """Weights in float64, the loss as a function of them, and what the file says there."""

    weights: Arrays
    loss_at: Callable[[Arrays], float]
    loss: float
    grads: Mapping[str, Array]


@dataclass(frozen=True)
class Slope:
    """The check of one gradient, or of neighbouring ones together: the worst of its directions."""

    name: str
    numeric: float
    analytic: float
    error: float
    directions: int
    moved: int
    status: Status
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether every direction was seen and agreed."""
        return self.status == "ok"


def groups(names: tuple[str, ...], products: int) -> list[tuple[str, ...]]:
    """The weights that are checked together: each alone, unless there are very many, or the loss takes very long."""
    most = max(1, min(EVALUATIONS // max(len(names), 1), WORK // (LOOKS * products)))
    size = math.ceil(len(names) / most)
    return [names[i : i + size] for i in range(0, len(names), max(size, 1))]


def check(
    names: tuple[str, ...], points: Callable[[int], Point], rng: Callable[[object], np.random.Generator]
) -> Slope:
    """Check the gradients of some weights; `points` gives the point after so many moves, `rng` a seeded generator."""
    seen = [_direction(names, points, rng, k) for k in range(DIRECTIONS)]
    worst = max(seen, key=lambda s: (s.agrees is False, s.kink, s.error))
    name = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"
    status, reason = _verdict(seen)
    moved = sum(s.moved for s in seen)
    return Slope(name, worst.numeric, worst.analytic, worst.error, DIRECTIONS, moved, status, reason)


@dataclass(frozen=True)
class _Seen:
    numeric: float
    analytic: float
    loss: float
    agrees: bool = False
    kink: bool = False
    moved: int = 0

    @property
    def size(self) -> float:
        return max(abs(self.numeric), abs(self.analytic))

    @property
    def error(self) -> float:
        """The difference of the slopes in shares of the larger one."""
        return abs(self.numeric - self.analytic) / self.size if self.size else 0.0


def _verdict(seen: list[_Seen]) -> tuple[Status, str]:
    seen = [s for s in seen if np.isfinite(s.numeric)]
    if not seen:
        return "not proven", "the loss is not finite"
    if any(not s.agrees and not s.kink for s in seen):
        return "differs", "the gradient is not the slope of the loss"
    if any(s.kink for s in seen):
        return "not proven", f"the loss has a kink wherever it was looked at, {MOVES} times"
    if all(s.size == 0 for s in seen):
        return "not proven", "its gradient is all zero"
    if all(s.size <= VISIBLE * abs(s.loss) for s in seen):
        return "not proven", "the loss hardly depends on it"
    return "ok", ""


def _direction(
    names: tuple[str, ...], points: Callable[[int], Point], rng: Callable[[object], np.random.Generator], k: int
) -> _Seen:
    """One direction, at the first point where the loss has no kink along it."""
    seen = _Seen(0.0, 0.0, 0.0)
    for moved in range(MOVES + 1):
        seen = _look(points(moved), names, rng((k, moved)), moved)
        if not seen.kink:
            break
    return seen


def _look(point: Point, names: tuple[str, ...], rng: np.random.Generator, moved: int) -> _Seen:
    direction = {name: _unit(rng, point.weights[name].shape) for name in names}
    analytic = sum(float(np.vdot(point.grads[name], direction[name])) for name in names)
    line = _Line(point, direction)
    numeric = line.slope(STEP)
    size = max(abs(numeric), abs(analytic))
    allowed = RELATIVE * size + OF_LOSS * abs(point.loss)
    agrees = abs(numeric - analytic) <= allowed
    suspicious = not agrees or abs(line.bend(STEP)) > BENT * size + allowed
    kink = bool(suspicious and np.isfinite(numeric) and line.kink(allowed))
    return _Seen(numeric, analytic, point.loss, agrees and not kink, kink, moved)


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    direction = rng.standard_normal(shape)
    return direction / (np.linalg.norm(direction) or 1.0)


class _Line:
    """The loss along a direction; `h` is how far both ways."""

    def __init__(self, point: Point, direction: Arrays):
        self.point, self.direction = point, direction
        self._known: dict[float, float] = {0.0: point.loss}

    def at(self, h: float) -> float:
        """The loss at a distance."""
        if h not in self._known:
            moved: dict[str, Any] = {n: self.point.weights[n] + h * d for n, d in self.direction.items()}
            self._known[h] = self.point.loss_at({**self.point.weights, **moved})
        return self._known[h]

    def slope(self, h: float) -> float:
        """The central difference."""
        return (self.at(h) - self.at(-h)) / (2 * h)

    def bend(self, h: float) -> float:
        """Half the difference of the slopes before and behind the point: by so much may a kink move the slope."""
        return (self.at(h) + self.at(-h) - 2 * self.at(0.0)) / (2 * h)

    def kink(self, allowed: float) -> bool:
        """Whether the loss has a kink within the step that moves the slope by what matters.

        Of a smooth loss the slope does not depend on the step, and the bend is halved with it. A kink away from the
        point leaves the smaller interval, which changes the slope; one at the point keeps its bend.
        """
        near, half = STEP / 8, STEP / 2
        noise = 16 * np.finfo(np.float64).eps * abs(self.point.loss)
        moved = abs(self.slope(STEP) - self.slope(near)) > allowed / 4 + noise / near
        kept = abs(self.bend(STEP) - 2 * self.bend(half)) > allowed / 4 + noise / half
        return bool(moved or kept)
