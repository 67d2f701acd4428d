"""The gradient of a convolution's filters in ONNX, as products of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import product
from typing import Any, cast

from ..ir import Equation
from .shape import padded

# Beyond so many pieces of the input, and below so many places, the nodes cost more than the products save.
MOST_PIECES, FEWEST_PLACES = 64, 8


def multiplies(eq: Equation) -> bool:
    """Whether the products serve: for filters of one group and few pixels, at many places of an image of known size."""
    *others, last = eq.attrs["size"]
    places = eq.args[1].type.shape[2:]
    known = all(isinstance(size, int) for size in eq.args[0].type.shape[2:])
    small = eq.attrs["groups"] == 1 and last + math.prod(others) <= MOST_PIECES
    return known and small and math.prod(cast(tuple[int, ...], places)) >= FEWEST_PLACES


def _together(g: Any, parts: Sequence[str]) -> str:
    """The parts below each other."""
    return g.Concat(*parts, axis=0) if len(parts) > 1 else parts[0]


def weight_products(g: Any, eq: Equation, x: str, dy: str) -> str:
    """What the windows see, as a matrix with a column for each place of each example, times what comes back there.

    What the pixels of a window see along the last axis is written out, as channels. Each place along the other axes is
    a product of its own with a part of that: all of im2col is never there at once.
    """
    *others, last = eq.attrs["size"]
    rank, (given, moved) = len(others) + 1, [arg.type for arg in eq.args]
    pixels, places = (cast(tuple[int, ...], shape[2:]) for shape in (given.shape, moved.shape))

    def seen(value: str, axis: int, pixel: int) -> str:
        """What one pixel of the windows sees along an axis."""
        step, begin = eq.attrs["stride"][axis], pixel * eq.attrs["dilation"][axis]
        end = begin + step * (places[axis] - 1) + 1
        if step == 1 and end - begin == pixels[axis] + sum(eq.attrs["pad"][axis]):
            return value
        return g.Slice(value, *map(g.ints, ((begin,), (end,), (2 + axis,), (step,))))

    margins = ((0, 0), (0, 0), *eq.attrs["pad"])
    whole = padded(g, x, margins) if any(map(any, margins)) else x
    below, back = (g.Transpose(value, perm=[1, 0, *range(2, rank + 2)]) for value in (whole, dy))
    beside = _together(g, [seen(below, rank - 1, pixel) for pixel in range(last)])
    back = g.Transpose(g.Reshape(back, g.ints((moved.shape[1], -1))), perm=[1, 0])
    sums: list[str] = []
    for window in product(*map(range, others)):
        part = reduce(lambda value, at: seen(value, *at), enumerate(window), beside)
        sums.append(g.MatMul(g.Reshape(part, g.ints((last * given.shape[1], -1))), back))
    found = g.Reshape(_together(g, sums), g.ints((*others, last, given.shape[1], moved.shape[1])))
    return g.Transpose(found, perm=[rank + 1, rank, *range(rank)])
