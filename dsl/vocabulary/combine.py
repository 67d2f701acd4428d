"""Layers that join the current value and named ones."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..types import Type, show_shape
from ..words import WordError, layer


@layer("add", gives="total", example="add other")
def add(x: Tensor, other: Tensor, *others: Tensor) -> Tensor:
    """The sum of the current value and the named ones, which all have its shape."""
    total = x
    for value in (other, *others):
        same_shape("add", x.type, value.type)
        total = total + value
    return total


def same_shape(word: str, x: Type, y: Type) -> None:
    """Raise unless two values have one shape."""
    if x.shape != y.shape:
        raise WordError(
            "shape-mismatch",
            f"{word} needs values of one shape, but has {show_shape(x.shape)} and {show_shape(y.shape)}",
            "bring them to one shape, for example by a dense layer",
        )


@layer("concat", gives="joined", example="concat other")
def concat(x: Tensor, other: Tensor, *others: Tensor) -> Tensor:
    """The current value and the named ones side by side, along the features."""
    values = (x, other, *others)
    if any(v.shape[:-1] != x.shape[:-1] for v in values):
        raise WordError(
            "shape-mismatch",
            "concat needs values that differ in their features alone, but has "
            + " and ".join(show_shape(v.shape) for v in values),
            "put flatten before concat",
        )
    return ops.concat(*values, axis=len(x.shape) - 1)
