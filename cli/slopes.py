"""Checking gradients against central differences in float64, along random directions, at points that are no kinks.

A gradient passes if in three random directions |numeric - analytic| <= 1e-6 max(|numeric|, |analytic|) + 1e-9 |loss|.
Where a difference does not, two of them are extrapolated, which holds for a loss that is strongly bent too; and nothing
is called wrong by less than what is doubtful about the extrapolated slope, and about the gradient's own last digits.
Whether a point is a kink is told by differences alone: across a kink they depend on the step as they do nowhere else.
A net of a million relus has one within any step that is not tiny, so a tiny step is tried there; where it sees the kink
too, the point is moved, to other weights and other examples, and counted; it is never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..runtime.fields import Array
from ..runtime.module import Arrays
from .differences import ENDLESS, Status

DIRECTIONS = 3
# How often the point of one direction is moved before its gradient counts as not proven.
MOVES = 8
# How far both ways it is looked at first, and where that sees a kink; so near is too noisy to tell what is wrong.
STEP, NEARBY = 1e-5, 1e-7
RELATIVE = 1e-6
OF_LOSS = 1e-9
# Slopes below this share of the loss are not seen in its last digits.
VISIBLE = 1e-7
# How much more than in one run rounding may be off in another, and the last bit of a number.
LUCK, EPSILON = 16, float(np.finfo(np.float64).eps)
# A direction whose slopes before and behind the point differ by more than this share is looked at for a kink.
BENT = 1e-3
# Evaluations of the loss times weights, and products of numbers that the slopes of a net may take, which bound the time
# of a very deep or a very large one: beyond them, neighbouring weights share their directions.
EVALUATIONS = 60_000
WORK = 11_000_000_000
# What is said of a gradient that is not finite where the loss is.
STEEP = f"{ENDLESS}, and the loss is not"
# How often a loss is evaluated for the gradient of one weight, about.
LOOKS = 15


@dataclass(frozen=True)
class Point:
    """Weights in float64, the loss as a function of them, what the file says there, and `beside` it.

    That is the loss and its gradients with another last bit in each number: by so much rounding alone may move them.
    """

    weights: Arrays
    loss_at: Callable[[Arrays], float]
    loss: float
    grads: Mapping[str, Array]
    beside: Callable[[], tuple[float, Mapping[str, Array]]]

    @cached_property
    def rounding(self) -> tuple[float, dict[str, float]]:
        """What rounding may take from the loss, and from the length of each gradient."""
        loss, grads = self.beside()
        of_loss = max(EPSILON * abs(self.loss), abs(loss - self.loss))
        return LUCK * of_loss, {name: LUCK * float(np.linalg.norm(grads[name] - g)) for name, g in self.grads.items()}


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
    names: tuple[str, ...],
    points: Callable[[int], Point],
    rng: Callable[[object], np.random.Generator],
    directions: int = DIRECTIONS,
) -> Slope:
    """Check the gradients of some weights; `points` gives the point after so many moves, `rng` a seeded generator."""
    seen = [_direction(names, points, rng, k) for k in range(directions)]
    worst = max(seen, key=lambda s: (s.agrees is False, s.kink, s.error))
    name = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"
    status, reason = _verdict(seen)
    moved = sum(s.moved for s in seen)
    return Slope(name, worst.numeric, worst.analytic, worst.error, directions, moved, status, reason)


@dataclass(frozen=True)
class _Seen:
    numeric: float
    analytic: float
    loss: float
    agrees: bool = False
    # Whether it proves nothing, since the loss has a kink there or its slope is not known well enough to contradict.
    kink: bool = False
    moved: int = 0
    # What rounding may make of the two slopes, where it was looked at.
    rounding: float = 0.0

    @property
    def size(self) -> float:
        return max(abs(self.numeric), abs(self.analytic))

    @property
    def error(self) -> float:
        """The difference of the slopes in shares of the larger one."""
        return abs(self.numeric - self.analytic) / self.size if self.size else 0.0


def _verdict(seen: list[_Seen]) -> tuple[Status, str]:
    if not all(np.isfinite(s.numeric) for s in seen):
        return "not finite", "the loss is not finite"
    if not all(np.isfinite(s.analytic) for s in seen):
        return "differs", STEEP
    if any(not s.agrees and not s.kink for s in seen):
        return "differs", "the gradient is not the slope of the loss"
    if all(s.size == 0 for s in seen):
        return "not proven", "its gradient is all zero"
    if all(s.size <= VISIBLE * abs(s.loss) + s.rounding for s in seen):
        return "not proven", "the loss hardly depends on it"
    if any(s.kink for s in seen):
        return "not proven", f"the loss has a kink wherever it was looked at, {MOVES} times"
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
    seen = line.see(STEP, analytic, moved)
    near = line.see(NEARBY, analytic, moved) if seen.kink else seen
    return near if near.agrees else seen


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

    def see(self, step: float, analytic: float, moved: int) -> _Seen:
        """The slope beside the one that the file says, which proves nothing across a kink."""
        numeric, rounding, doubt = self.slope(step), 0.0, 0.0
        if abs(numeric - analytic) > self.allowed(numeric, analytic):
            numeric, rounding = self.extrapolated(step), self.rounding(step)
            doubt = rounding + abs(numeric - self.extrapolated(step / 2))
        allowed, off = self.allowed(numeric, analytic), abs(numeric - analytic)
        agrees = off <= allowed
        suspicious = not agrees or abs(self.bend(step)) > BENT * max(abs(numeric), abs(analytic)) + allowed
        unclear = not agrees and off <= allowed + doubt
        kink = bool(suspicious and np.isfinite(numeric) and (unclear or self.kink(step, allowed)))
        return _Seen(numeric, analytic, self.point.loss, agrees and not kink, kink, moved, rounding)

    def allowed(self, numeric: float, analytic: float) -> float:
        """By how much two slopes may differ that are said to be the same."""
        return RELATIVE * max(abs(numeric), abs(analytic)) + OF_LOSS * abs(self.point.loss)

    def extrapolated(self, h: float) -> float:
        """The slope without what the third derivative adds to differences."""
        return (4 * self.slope(h / 2) - self.slope(h)) / 3

    def rounding(self, h: float) -> float:
        """How far rounding alone may move the extrapolated slope, and the gradient's."""
        of_loss, of_grads = self.point.rounding
        return of_loss / (h / 2) + math.hypot(*(of_grads[name] for name in self.direction))

    def kink(self, step: float, allowed: float) -> bool:
        """Whether the loss has a kink within the step that moves the slope by what matters.

        Of a smooth loss the slope does not depend on the step, but by what is extrapolated, and the bend is halved with
        it. A kink away from the point leaves the smaller interval, which changes the slope; one at the point keeps its
        bend.
        """
        near, half = step / 8, step / 2
        noise, _ = self.point.rounding
        moved = abs(self.slope(step) - self.slope(near)) > allowed / 4 + noise / near
        moved = moved and abs(self.extrapolated(step) - self.extrapolated(step / 4)) > allowed / 8 + 2 * noise / near
        kept = abs(self.bend(step) - 2 * self.bend(half)) > allowed / 4 + noise / half
        return bool(moved or kept)
