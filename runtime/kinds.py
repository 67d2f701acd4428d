"""The kinds of fields: what the values of each must be, and how they are stored, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]

# How far from 1 the sum of an example's simplex may be, since data are rounded: shares with three decimals or more.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class FieldKind:
    """What the values of a kind must be.

    `bad` marks those that `what` says something of, None where every number will do; `sums` says that they sum to 1
    along the last axis; `ids` that they are ids of classes, which a file may also call by their labels.
    """

    dtype: np.dtype[Any]
    bad: Callable[[Array], Bools] | None = None
    what: str = ""
    help: str | None = None
    sums: bool = False
    ids: bool = False


_FLOAT, _ID, _BYTE = np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.uint8)


def _outside_unit(a: Array) -> Bools:
    return (a < 0) | (a > 1)


KINDS: Mapping[str, FieldKind] = {
    "f32": FieldKind(_FLOAT),
    "unit": FieldKind(
        _FLOAT, _outside_unit, "lies outside 0..1", "a unit lies in 0..1; scale it, or declare the field f32"
    ),
    "positive": FieldKind(_FLOAT, lambda a: a <= 0, "is not above 0", "declare the field f32 if 0 or less can occur"),
    "binary": FieldKind(
        _FLOAT,
        lambda a: (a != 0) & (a != 1),
        "is neither 0 nor 1",
        "what has more values is a class or a count; masks of 0 and 255 are divided by 255 first",
    ),
    "count": FieldKind(
        _FLOAT,
        lambda a: (a < 0) | (a % 1 != 0),
        "is no count, which is whole and not negative",
        "declare the field f32 if other numbers can occur",
    ),
    "simplex": FieldKind(
        _FLOAT, _outside_unit, "lies outside 0..1", "the values of a simplex are shares that sum to 1", sums=True
    ),
    "u8": FieldKind(
        _BYTE,
        lambda a: (a < 0) | (a > 255) | (a % 1 != 0),
        "is no whole number from 0 to 255",
        "declare the field unit or f32 if the pixels are scaled already",
    ),
    "class": FieldKind(_ID, ids=True),
    "category": FieldKind(_ID, ids=True),
    "token": FieldKind(_ID, ids=True),
    "length": FieldKind(_ID, lambda a: (a < 1) | (a % 1 != 0), "is no number of steps, which is whole and at least 1"),
    "inner_length": FieldKind(_ID, lambda a: (a < 0) | (a % 1 != 0), "is no number of steps, which is whole"),
}
