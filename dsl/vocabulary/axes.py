"""Where the features of a value stand: on the last axis, or, as the channels of an image, on the first one."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor


def placed(x: Tensor, channels: bool) -> Tensor:
    """The same new tensor, whose features stand on the first axis behind the batch, or on the last one."""
    x.value.channels = channels if len(x.shape) > 2 else None  # of one axis there is nothing to tell
    return x


def as_image(x: Tensor) -> Tensor:
    """The same values, whose channels stand first, in training and where the model predicts, also of two axes."""
    return x if x.axis == 1 else placed(ops.reshape(x, shape=x.shape), True)


def along(vector: Tensor, x: Tensor) -> Tensor:
    """A vector with a number for each feature, in a shape that broadcasts over x."""
    behind = len(x.shape) - 1 - x.axis
    return ops.reshape(vector, shape=(*vector.shape, *[1] * behind)) if behind else vector


def turned(x: Tensor) -> Tensor:
    """The value with its features on the last axis."""
    axes = [axis for axis in range(len(x.shape)) if axis != x.axis]
    return x if x.axis == axes[-1] + 1 else placed(ops.permute(x, axes=(*axes, x.axis)), False)


def turned_back(y: Tensor, like: Tensor) -> Tensor:
    """The value with its last axis where the features of another stand."""
    rank = len(y.shape)
    if like.axis == rank - 1:
        return y
    axes = list(range(rank - 1))
    axes.insert(like.axis, rank - 1)
    return placed(ops.permute(y, axes=tuple(axes)), True)
