"""Layers that rearrange values, or take some of them."""

from __future__ import annotations

import math

from .. import ops
from ..context import net
from ..ir import Tensor
from ..types import show_shape
from ..words import Axes, Index, Positive, Sizes, WordError, layer
from .axes import by_features, placed
from .layers import need_features


def _known(x: Tensor, word: str) -> Sizes:
    """The sizes of an example; WordError where there are steps whose number only run time knows."""
    sizes = tuple(d for d in x.shape[1:] if isinstance(d, int))
    if len(sizes) < len(x.shape) - 1:
        message = f"{word} needs steps of a known number, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, "take one of the steps by last_step, or all by globalavgpool")
    return sizes


@layer("flatten", gives="flat", example="flatten")
def flatten(x: Tensor) -> Tensor:
    """All axes of an example as one, the last axis fastest.

    Formula: f(x)[i * n + j] = x[i, j] for n columns
    Source: definition.
    Deeplearning4j: CnnToFeedForwardPreProcessor, which it adds by itself.
    Keras: Flatten.
    PyTorch: Flatten.
    """
    size = math.prod(_known(x, "flatten"))
    return x if len(x.shape) == 2 else ops.reshape(x, shape=(x.shape[0], size))


@layer("reshape", gives="shaped", example="reshape [2, 3]")
def reshape(x: Tensor, shape: Sizes) -> Tensor:
    """The same numbers in the order of the last axis fastest, under another shape.

    Formula: flatten(f(x)) = flatten(x)
    Source: definition.
    Deeplearning4j: ReshapeVertex.
    Keras: Reshape.
    PyTorch: Unflatten.
    """
    have = math.prod(_known(x, "reshape"))
    if math.prod(shape) != have:
        raise WordError(
            "shape-mismatch",
            f"reshape to {show_shape(shape)} needs {math.prod(shape)} numbers,"
            f" but {net().previous} gives {show_shape(x.shape)}, which has {have}",
            "choose sizes whose product is the same",
        )
    made = ops.reshape(x, shape=(x.shape[0], *shape))
    made.value.step = None
    # Where the channels of an image are left the first axis, they stay its channels.
    return placed(made, True) if x.value.channels and len(shape) > 1 and shape[0] == x.features else made


@layer("permute", gives="turned", example="permute [1, 0]")
def permute(x: Tensor, axes: Axes) -> Tensor:
    """The axes of an example in another order; 0 is the first axis in the brackets of its type.

    Formula: f(x)[j, i] = x[i, j] for axes = [1, 0]
    Source: definition.
    Deeplearning4j: PermutePreprocessor.
    Keras: Permute, which counts axes from 1.
    PyTorch: torch.permute, which counts the batch as axis 0.
    """
    rank = len(x.shape) - 1
    if sorted(axes) != list(range(rank)):
        what = f"{net().previous} gives {show_shape(x.shape)}"
        message = f"permute names each axis once, and {what}, whose axes are {list(range(rank))}"
        raise WordError("bad-option", message, f"as in permute {list(reversed(range(rank)))}")
    named = [isinstance(x.shape[axis + 1], str) for axis in axes]
    if named != sorted(named, reverse=True):
        message = (
            f"permute would put steps behind sizes that are known, and {net().previous} gives {show_shape(x.shape)}"
        )
        help = "steps of a number that only run time knows come first; words over steps take them so"
        raise WordError("bad-option", message, help)
    turned = ops.permute(x, axes=(0, *(axis + 1 for axis in axes)))
    turned.value.step = None
    now = 1 + axes.index(x.axis - 1)
    return placed(turned, now == 1) if now in (1, rank) else turned


@layer("repeat_vector", gives="repeated", example="repeat_vector 3")
def repeat_vector(x: Tensor, times: Positive) -> Tensor:
    """The features several times, one below the other along a new first axis.

    Formula: f(x)[t, j] = x[j]
    Source: definition.
    Deeplearning4j: RepeatVector.
    Keras: RepeatVector.
    PyTorch: has none.
    """
    need_features(x, "repeat_vector")
    return ops.repeat(x, times=times)


@layer("unstack", gives="layer", example="unstack 1")
def unstack(x: Tensor, index: Index) -> Tensor:
    """What stands at a place along the first axis, which then is gone; places count from 0.

    Formula: f(x) = x[index]
    Source: definition.
    Deeplearning4j: UnstackVertex, which takes a share of the batch.
    Keras: has none.
    PyTorch: torch.select.
    """
    size = x.shape[1]
    if len(x.shape) == 2:
        message = f"unstack needs two axes or more, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("shape-mismatch", message, f"to take one of the features, write subset {index} {index}")
    if isinstance(size, int) and index >= size:
        message = f"unstack takes place {index}, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("bad-option", message, f"places go from 0 to {size - 1}")
    if isinstance(size, str) and index:
        message = f"unstack takes place {index}, but {net().previous} gives {show_shape(x.shape)}, which may be fewer"
        raise WordError("bad-option", message, "take the first by unstack 0, or the last by last_step")
    return ops.pick(x, index=index)


@layer("subset", gives="part", example="subset 1 3")
@by_features
def subset(x: Tensor, first: Index, last: Index) -> Tensor:
    """The features from the first to the last one named; they count from 0.

    Formula: f(x) = x[first], ..., x[last]
    Source: definition.
    Deeplearning4j: SubsetVertex.
    Keras: has none.
    PyTorch: torch.narrow.
    """
    if not first <= last < x.features:
        message = f"subset takes features {first} to {last}, but {net().previous} gives {show_shape(x.shape)}"
        raise WordError("bad-option", message, f"features go from 0 to {x.features - 1}, the first before the last")
    return ops.slice_axis(x, axis=x.axis, start=first, stop=last + 1)


@layer("split", gives="part", example="split 2 1")
@by_features
def split(x: Tensor, parts: Positive, part: Index) -> Tensor:
    """One of several equal parts of the features; parts count from 0.

    Formula: f(x) = x[part * n], ..., x[part * n + n - 1] for n = features / parts
    Source: definition.
    Deeplearning4j: SubsetVertex.
    Keras: has none.
    PyTorch: torch.chunk, all parts at once.
    """
    size, left = divmod(x.features, parts)
    if left or part >= parts:
        message = f"split takes part {part} of {parts}, but {net().previous} gives {show_shape(x.shape)}"
        help = f"parts go from 0 to {parts - 1}" if not left else "the number of features is a multiple of the parts"
        raise WordError("bad-option", message, help)
    return ops.slice_axis(x, axis=x.axis, start=part * size, stop=(part + 1) * size)
