"""Images changed by drawn numbers, from the definition in plain numbers, pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from .images import moved
from .numbers import Array

Sizes = tuple[int, ...]


def below(draws: Array, counts: Sizes) -> Array:
    """The whole part of each draw times its count, in exact arithmetic."""
    rows = [[math.floor(Fraction(float(u)) * n) for u, n in zip(r, counts, strict=True)] for r in draws]
    return np.array(rows, np.int64)


def reverse(x: Array, axis: int) -> Array:
    found = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        there = list(at)
        there[axis] = x.shape[axis] - 1 - at[axis]
        found[at] = x[tuple(there)]
    return found


def each_moved(x: Array, sizes: Sizes, corners: Any, sign: int) -> Array:
    """Images of other sizes, each of whose pixels stands as far from its place as the image's corner says."""
    rows = [
        moved(x[n : n + 1], sizes, lambda at, c=corner: tuple(i + sign * int(k) for i, k in zip(at, c, strict=True)))
        for n, corner in enumerate(corners)
    ]
    return np.concatenate(rows)


def crop_at(x: Array, corners: Any, size: Sizes) -> Array:
    return each_moved(x, size, corners, 1)


def crop_at_grad(dy: Array, corners: Any, shape: Sizes) -> Array:
    return each_moved(dy, shape[1:], corners, -1)


def blank_at(x: Array, middles: Any, size: Sizes) -> Array:
    found = np.array(x, float)
    for n, c in product(*map(range, x.shape[:2])):
        for at in np.ndindex(x.shape[2:]):
            starts = [int(m) - s // 2 for m, s in zip(middles[n], size, strict=True)]
            if all(start <= i < start + s for i, start, s in zip(at, starts, size, strict=True)):
                found[(n, c, *at)] = 0.0
    return found


OPS: dict[str, Callable[..., Any]] = {
    "below": below,
    "reverse": reverse,
    "crop_at": crop_at,
    "crop_at_grad": crop_at_grad,
    "blank_at": blank_at,
}


# Layers ---------------------------------------------------------------------------------------------------------------


def each(size: Any, x: Array) -> Sizes:
    return size if isinstance(size, tuple) and len(size) > 1 else (size,) * (x.ndim - 2)


def flip(x: Array, draws: Array, axis: int | None = None) -> Array:
    turned = reverse(x, x.ndim - 1 if axis is None else axis + 1)
    return np.array([t if u < 0.5 else i for i, t, u in zip(x, turned, draws.ravel(), strict=True)])


def random_shift(x: Array, draws: Array, pixels: Any) -> Array:
    most = each(pixels, x)
    shifts = [[int(i) - m for i, m in zip(r, most, strict=True)] for r in below(draws, tuple(2 * m + 1 for m in most))]
    return each_moved(x, x.shape[2:], shifts, 1)


def random_crop(x: Array, draws: Array, size: Any, pad: Any = 0) -> Array:
    size, pad = each(size, x), each(pad, x)
    rooms = tuple(n + 2 * p - s + 1 for n, p, s in zip(x.shape[2:], pad, size, strict=True))
    corners = [[int(i) - p for i, p in zip(row, pad, strict=True)] for row in below(draws, rooms)]
    return each_moved(x, size, corners, 1)


def cutout(x: Array, draws: Array, size: Any) -> Array:
    return blank_at(x, below(draws, x.shape[2:]), each(size, x))


# What they give in training, from an image and the draws of a step.
TRAINED: dict[str, Callable[..., Array]] = {
    "flip": flip,
    "random_shift": random_shift,
    "random_crop": random_crop,
    "cutout": cutout,
}


def middle(x: Array, size: Any) -> Array:
    size = each(size, x)
    return crop_at(x, [[(n - s) // 2 for n, s in zip(x.shape[2:], size, strict=True)]] * len(x), size)


# And where the model predicts.
LAYERS: dict[str, Callable[..., Array]] = {
    "flip": lambda x, p, other, axis=None: x,
    "random_shift": lambda x, p, other, pixels: x,
    "random_crop": lambda x, p, other, size, pad=0: middle(x, size),
    "cutout": lambda x, p, other, size: x,
}
