"""Layers of feed-forward nets: with weights of their own, or with a number that the spec gives."""

from __future__ import annotations

from typing import Annotated

from .. import ops
from ..context import net, weight
from ..ir import Tensor
from ..types import SIGNED_UNIT, show_shape
from ..words import Flag, Initializer, Kind, Positive, Real, WordError, layer
from .axes import along, by_features, over_time
from .fan_initializers import XAVIER
from .initializers import ONES, ZEROS

# Its square still fits 32 bits.
Eps = Annotated[float, Kind("real", "a number of at least 1e-18", 1e-18)]


def need_features(x: Tensor, word: str) -> None:
    """Raise unless an example is one axis of features, or steps of such."""
    if len(x.shape) != 2 and not over_time(x):
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
    """Every output sees every input.

    Formula: f(x) = x @ W + b, with W (in, out) and b (out)
    Source: definition.
    Deeplearning4j: DenseLayer.
    Keras: Dense, whose first weights are xavier_uniform unless told.
    PyTorch: Linear, whose weight is (out, in) and whose first weights and biases are uniform to 1/sqrt(in).
    """
    need_features(x, "dense")
    z = x @ weight("W", (x.features, units), init)
    return z + weight("b", (units,), bias_init) if bias else z


@layer("elementwise", example="elementwise")
def elementwise(x: Tensor, bias: Flag = True, init: Initializer = ONES, bias_init: Initializer = ZEROS) -> Tensor:
    """Every feature has a weight and a bias of its own.

    Formula: f(x) = x * W + b, with W (features) and b (features)
    Source: definition.
    Deeplearning4j: ElementWiseMultiplicationLayer, whose first weights are those of any layer.
    Keras: has none.
    PyTorch: has none.
    """
    z = x * along(weight("W", (x.features,), init), x)
    return z + along(weight("b", (x.features,), bias_init), x) if bias else z


@layer("scale", gives="scaled", example="scale 0.5")
def scale(x: Tensor, factor: Real) -> Tensor:
    """Multiply every value by a number.

    Formula: f(x) = factor * x
    Source: definition.
    Deeplearning4j: ScaleVertex.
    Keras: Rescaling(factor).
    PyTorch: has none.
    """
    return factor * x


@layer("shift", gives="shifted", example="shift -0.5")
def shift(x: Tensor, offset: Real) -> Tensor:
    """Add a number to every value.

    Formula: f(x) = x + offset
    Source: definition.
    Deeplearning4j: ShiftVertex.
    Keras: Rescaling(1, offset).
    PyTorch: has none.
    """
    return x + offset


@layer("l2normalize", gives="unit", example="l2normalize", aliases=("l2_normalize",))
@by_features
def l2normalize(x: Tensor, eps: Eps = 1e-12) -> Tensor:
    """Scale the features of each example to the length 1; those shorter than eps are divided by eps.

    Formula: f(x) = x / max(sqrt(sum(x^2)), eps)
    Source: definition.
    Deeplearning4j: L2NormalizeVertex, eps = 1e-8, over all axes of an example.
    Keras: UnitNormalization.
    PyTorch: torch.nn.functional.normalize, eps = 1e-12.
    """
    squares = ops.total(ops.square(x), axes=(x.axis,), keepdims=True)
    return (x / root(squares, eps).named("length")).within(SIGNED_UNIT)


def root(squares: Tensor, eps: float) -> Tensor:
    """The square root, at least eps; taken so, its slope at 0 is finite."""
    least = float(f"{eps**2:.15g}")  # 1e-8 squared is 1e-16 to a reader
    return ops.sqrt(ops.maximum(squares, least))
