"""Layers of feed-forward nets."""

from __future__ import annotations

import math

from .. import ops
from ..ir import Tensor
from ..types import show_shape
from ..words import Flag, Initializer, Positive, Sizes, WordError, layer, net, weight
from .initializers import XAVIER, ZEROS


def need_features(x: Tensor, word: str) -> None:
    """Raise unless an example is one axis of features."""
    if len(x.shape) != 2:
        raise WordError(
            "shape-mismatch",
            f"{word} needs one axis of features, but {net().previous} gives {show_shape(x.shape)}",
            f"put flatten before {word}",
        )


@layer("dense", example="dense 8")
def dense(
    x: Tensor,
    units: Positive,
    bias: Flag = True,
    init: Initializer = XAVIER,
    bias_init: Initializer = ZEROS,
) -> Tensor:
    """Every output sees every input: x @ W + b, with W (in, out)."""
    need_features(x, "dense")
    z = x @ weight("W", (x.features, units), init)
    return z + weight("b", (units,), bias_init) if bias else z


@layer("flatten", gives="flat", example="flatten")
def flatten(x: Tensor) -> Tensor:
    """All axes of an example as one, the last axis fastest."""
    size = math.prod(d for d in x.shape[1:] if isinstance(d, int))
    return x if len(x.shape) == 2 else ops.reshape(x, shape=(x.shape[0], size))


@layer("reshape", gives="shaped", example="reshape [2, 3]")
def reshape(x: Tensor, shape: Sizes) -> Tensor:
    """The same numbers in the order of the last axis fastest, under another shape."""
    have = math.prod(d for d in x.shape[1:] if isinstance(d, int))
    if math.prod(shape) != have:
        raise WordError(
            "shape-mismatch",
            f"reshape to {show_shape(shape)} needs {math.prod(shape)} numbers,"
            f" but {net().previous} gives {show_shape(x.shape)}, which has {have}",
            "choose sizes whose product is the same",
        )
    return ops.reshape(x, shape=(x.shape[0], *shape))
