"""Each solver: the weights and losses of so many iterations, with whole matrices where the word has loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .numbers import Array

# From weights to the loss and its gradient.
Function = Callable[[Array], tuple[float, Array]]
Path = list[tuple[Array, float]]


def _armijo(function: Function, w: Array, d: Array, first: float) -> float:
    """The longest of first, first / 2, first / 4, ... with which the loss falls by 1e-4 of what the slope promises."""
    loss, gradient = function(w)
    lengths = [first * 0.5**k for k in range(40)]
    return next((a for a in lengths if function(w + a * d)[0] <= loss + 1e-4 * a * (gradient @ d)), 0.0)


def _first(gradient: Array) -> float:
    return min(1.0, 1 / float(np.sqrt(np.sum(gradient**2))))


def _line_gradient_descent(function: Function, w: Array, iterations: int) -> Path:
    path, size = [], 0.0
    for _ in range(iterations):
        loss, gradient = function(w)
        size = _armijo(function, w, -gradient, 2 * size if size else _first(gradient))
        w = w - size * gradient
        path.append((w, loss))
    return path


def _conjugate_gradient(function: Function, w: Array, iterations: int) -> Path:
    """Polak-Ribière+, which begins anew where the direction would lead up."""
    path, size = [], 0.0
    before, d = None, np.zeros_like(w)
    for _ in range(iterations):
        loss, gradient = function(w)
        beta = 0.0 if before is None else max(0.0, float(gradient @ (gradient - before)) / float(before @ before))
        d = -gradient + beta * d
        d = d if d @ gradient < 0 else -gradient
        size = _armijo(function, w, d, size or _first(gradient))
        there = float(function(w + size * d)[1] @ d)
        if there > gradient @ d:  # the slope is 0 where a straight line through both ends says
            ratio = min(10.0, float(gradient @ d) / (float(gradient @ d) - there))
            other = _armijo(function, w, d, size * ratio)
            size = min(size, other, key=lambda a: function(w + a * d)[0])
        w, before = w + size * d, gradient
        path.append((w, loss))
    return path


def _lbfgs(function: Function, w: Array, iterations: int, history: int = 10) -> Path:
    """The inverse of the curvature as a matrix, by formula 7.16 of Nocedal and Wright, from the pairs that are kept."""
    path: Path = []
    pairs: list[tuple[Array, Array]] = []
    for _ in range(iterations):
        loss, gradient = function(w)
        inverse, eye = np.eye(len(w)), np.eye(len(w))
        if pairs:
            s, y = pairs[-1]
            inverse = (s @ y) / (y @ y) * inverse
        for s, y in pairs:
            inverse = (eye - np.outer(s, y) / (s @ y)) @ inverse @ (eye - np.outer(y, s) / (s @ y)) + np.outer(s, s) / (
                s @ y
            )
        size = _armijo(function, w, -inverse @ gradient, 1.0 if pairs else _first(gradient))
        moved = w - size * inverse @ gradient
        s, y = moved - w, function(moved)[1] - gradient
        pairs = [*pairs, (s, y)][-history:] if s @ y > 0 else pairs if size else []
        w = moved
        path.append((w, loss))
    return path


SOLVERS: dict[str, Callable[..., Path]] = {
    "line_gradient_descent": _line_gradient_descent,
    "conjugate_gradient": _conjugate_gradient,
    "lbfgs": _lbfgs,
}
