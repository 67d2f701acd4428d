"""Layers of feed-forward nets."""

from __future__ import annotations

import math

from .. import ops
from ..ir import Tensor
from ..types import Type, show_shape
from ..words import Flag, Initializer, Positive, Sizes, Unit, WordError, layer, net, weight
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


@layer("dropout", gives="dropped", example="dropout 20%")
def dropout(x: Tensor, rate: Unit) -> Tensor:
    """In training, sets a share `rate` of the values to 0 and scales the others by 1/(1 - rate).

    Srivastava et al. 2014. The number is the share dropped, as in Keras and PyTorch; in Deeplearning4j it is the
    share kept.
    """
    if not net().training or rate == 0:
        return x
    keep = (net().draw(x) >= rate).named("keep")
    return ops.mask(x / (1 - rate), keep)


@layer("standardize", gives="standard", example="standardize")
def standardize(x: Tensor) -> Tensor:
    """(x - mean) / deviation by feature, learned from the training rows and exported with the model.

    The deviation is that of the population; a constant feature has deviation 1.
    """
    mean, deviation = net().learned(x, {"mean": 0.0, "deviation": 1.0}, _moments)
    return (x - mean) / deviation


def _moments(x: Tensor) -> dict[str, Tensor]:
    wide = ops.cast(x, dtype="f64").named("wide")
    mean = ops.mean(wide, axes=(0,), keepdims=False).named("mean")
    deviation = ops.sqrt(ops.mean(ops.square(wide - mean), axes=(0,), keepdims=False))
    constant = ops.spread(wide, axis=0) <= 0
    return {"mean": mean, "deviation": ops.where(constant, 1, deviation)}


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
