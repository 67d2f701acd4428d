"""Losses: from a prediction and its target to one number an example."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..ops.losses import TINY
from ..types import SIMPLEX, UNIT
from ..words import loss

NUMBERS = ("f32", "unit", "positive", "binary")


def example_mean(x: Tensor) -> Tensor:
    """The mean over the elements of each example, (N,)."""
    return ops.mean(x, axes=tuple(range(1, len(x.shape))), keepdims=False)


@loss("mse", example="mse", targets=NUMBERS, aliases=("mean_squared_error",))
def mse(p: Tensor, y: Tensor) -> Tensor:
    """The mean squared error: mean((p - y)^2) over an example's elements."""
    return example_mean(ops.square((p - y).named("error")))


@loss("mae", example="mae", targets=NUMBERS, aliases=("mean_absolute_error",))
def mae(p: Tensor, y: Tensor) -> Tensor:
    """The mean absolute error: mean(|p - y|) over an example's elements."""
    return example_mean(ops.absolute((p - y).named("error")))


@loss("xent", example="xent", prediction=UNIT, targets=("binary", "unit"), aliases=("binary_cross_entropy", "bce"))
def xent(p: Tensor, y: Tensor) -> Tensor:
    """The binary cross-entropy: mean(-y log p - (1 - y) log(1 - p)) over an example's elements.

    After sigmoid both are one gate, softplus(z) - y z, which saturated scores cannot overflow.
    """
    return example_mean(ops.xent(p, y))


@loss(
    "mcxent",
    example="mcxent",
    prediction=SIMPLEX,
    targets=("class", "unit", "binary"),
    aliases=("cross_entropy", "negativeloglikelihood", "nll"),
)
def mcxent(p: Tensor, y: Tensor) -> Tensor:
    """The cross-entropy of classes: -log p[y], or -sum(y log p) where the target gives probabilities.

    After softmax both are one gate, so that exp cannot overflow.
    """
    if y.type.dtype == "i64":
        return ops.mcxent(p, y)
    return -ops.total(y * ops.log(ops.maximum(p, TINY)), axes=(len(p.shape) - 1,), keepdims=False)
