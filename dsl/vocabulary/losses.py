"""Losses that measure how far numbers are apart; each gives one number an example."""

from __future__ import annotations

from typing import Annotated

from .. import ops
from ..ir import Tensor
from ..types import NON_NEGATIVE, count
from ..words import Kind, PositiveReal, WordError, loss

NUMBERS = ("f32", "unit", "positive", "count", "simplex", "binary")

# One number for each output; the outputs of a loss are the last axis of its prediction.
Weights = Annotated[
    tuple[float, ...] | None, Kind("numbers", "a list of numbers of at least 0, one for each output", 0)
]
Level = Annotated[float, Kind("real", "a number between 0 and 1", 0, 1, low_open=True, high_open=True)]

# Below this a number divides as this, so that a target or a vector of zeros costs much and not infinitely much.
LEAST, LEAST_SQUARE = 1e-7, 1e-14


def weighed(x: Tensor, weights: tuple[float, ...] | None) -> Tensor:
    """The elements, those of each output times its weight."""
    return x if weights is None else x * listed(weights, x)


def listed(weights: tuple[float, ...], x: Tensor) -> Tensor:
    """The weights in the precision of x, whose outputs they must match in number."""
    if len(weights) != x.outputs:
        raise WordError(
            "shape-mismatch",
            f"there are {len(weights)} weights, but {x.outputs} outputs",
            "list a number for each output",
        )
    return ops.vector(x, values=weights, name="").named("weights")


def inner_axes(x: Tensor) -> tuple[int, ...]:
    """The axes of an example."""
    return tuple(range(1, len(x.shape)))


def example_mean(x: Tensor, weights: tuple[float, ...] | None = None) -> Tensor:
    """The mean over the elements of each example, (N,), each times its output's weight."""
    return ops.mean(weighed(x, weights), axes=inner_axes(x), keepdims=False)


def example_sum(x: Tensor, weights: tuple[float, ...] | None = None) -> Tensor:
    """The sum over the elements of each example, (N,), each times its output's weight."""
    return ops.total(weighed(x, weights), axes=inner_axes(x), keepdims=False)


def _error(p: Tensor, y: Tensor) -> Tensor:
    return (p - y).named("error")


@loss("mse", example="mse", targets=NUMBERS, aliases=("mean_squared_error", "squared_loss"))
def mse(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The mean squared error.

    Formula: mean((p - y)^2), over the elements of an example
    Source: definition.
    Deeplearning4j: MSE, and SQUARED_LOSS, which means the same there.
    Keras: MeanSquaredError.
    PyTorch: MSELoss.
    """
    return example_mean(ops.square(_error(p, y)), weights)


@loss("l2", example="l2", targets=NUMBERS, aliases=("sum_squared_error",))
def l2(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The sum of squared errors, without a root.

    Formula: sum((p - y)^2), over the elements of an example
    Source: definition.
    Deeplearning4j: L2.
    Keras: has none.
    PyTorch: has none; MSELoss(reduction="sum") / N.
    """
    return example_sum(ops.square(_error(p, y)), weights)


@loss("mae", example="mae", targets=NUMBERS, aliases=("mean_absolute_error",))
def mae(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The mean absolute error.

    Formula: mean(|p - y|), over the elements of an example
    Source: definition.
    Deeplearning4j: MEAN_ABSOLUTE_ERROR.
    Keras: MeanAbsoluteError.
    PyTorch: L1Loss.
    """
    return example_mean(ops.absolute(_error(p, y)), weights)


@loss("l1", example="l1", targets=NUMBERS, aliases=("sum_absolute_error",))
def l1(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The sum of absolute errors.

    Formula: sum(|p - y|), over the elements of an example
    Source: definition.
    Deeplearning4j: L1.
    Keras: has none.
    PyTorch: has none; L1Loss(reduction="sum") / N.
    """
    return example_sum(ops.absolute(_error(p, y)), weights)


@loss(
    "mape",
    example="mape",
    # Where 0 is usual, as among counts, shares and truth values, nothing has a percentage.
    targets=("f32", "unit", "positive"),
    aliases=("mean_absolute_percentage_error",),
)
def mape(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The mean absolute error in percent of the target; a target nearer to 0 than 1e-7 counts as 1e-7.

    Formula: 100 * mean(|p - y| / max(|y|, 1e-7)), over the elements of an example
    Source: definition.
    Deeplearning4j: MEAN_ABSOLUTE_PERCENTAGE_ERROR, which divides by 0 where the target is 0.
    Keras: MeanAbsolutePercentageError.
    PyTorch: has none.
    """
    share = (_error(p, y) / ops.maximum(ops.absolute(y), LEAST)).named("share")
    return 100 * example_mean(ops.absolute(share), weights)


@loss(
    "msle",
    example="msle",
    prediction=NON_NEGATIVE,
    targets=("unit", "positive", "count", "simplex", "binary"),
    aliases=("mean_squared_logarithmic_error",),
)
def msle(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The mean squared error of logarithms, for predictions and targets that are not negative.

    Formula: mean((log(1 + p) - log(1 + y))^2), over the elements of an example
    Source: definition.
    Deeplearning4j: MEAN_SQUARED_LOGARITHMIC_ERROR.
    Keras: MeanSquaredLogarithmicError.
    PyTorch: has none.
    """
    return example_mean(ops.square(_error(ops.log1p(p), ops.log1p(y))), weights)


@loss("huber", example="huber", targets=NUMBERS)
def huber(p: Tensor, y: Tensor, delta: PositiveReal = 1.0, weights: Weights = None) -> Tensor:
    """Half the squared error up to delta, and from there on a straight line, which outliers pull less.

    Formula: mean(where(|e| < delta, e^2 / 2, delta * (|e| - delta / 2))), e = p - y
    Source: Huber 1964, Robust estimation of a location parameter.
    Deeplearning4j: has none among its losses.
    Keras: Huber.
    PyTorch: HuberLoss; SmoothL1Loss with beta is this divided by beta.
    """
    return example_mean(ops.huber(_error(p, y), delta=delta).named("losses"), weights)


@loss("logcosh", example="logcosh", targets=NUMBERS, aliases=("log_cosh",))
def logcosh(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The logarithm of the hyperbolic cosine of the error: a smooth huber.

    Formula: mean(log(cosh(p - y))), over the elements of an example
    Source: definition.
    Deeplearning4j: has none among its losses.
    Keras: LogCosh.
    PyTorch: has none.
    """
    return example_mean(ops.logcosh(_error(p, y)).named("losses"), weights)


@loss("quantile", example="quantile q=0.9", targets=NUMBERS, aliases=("pinball",))
def quantile(p: Tensor, y: Tensor, q: Level = 0.5, weights: Weights = None) -> Tensor:
    """The pinball loss, which the q-th quantile of the target minimises; q=0.5 is half the absolute error.

    Formula: mean(where(y > p, q * (y - p), (1 - q) * (p - y))), over the elements of an example
    Source: Koenker and Bassett 1978, Regression quantiles.
    Deeplearning4j: has none.
    Keras: has none.
    PyTorch: has none.
    """
    error = _error(p, y)
    above = (error > 0).named("above")
    return example_mean(ops.where(above, round(1 - q, 15) * error, -q * error).named("losses"), weights)


@loss("cosine_proximity", example="cosine_proximity", targets=NUMBERS, aliases=("cosine_similarity",))
def cosine_proximity(p: Tensor, y: Tensor) -> Tensor:
    """Minus the cosine of the angle between prediction and target, so that -1 is best.

    A vector shorter than 1e-7 counts as if its length were 1e-7.

    Formula: -sum(p * y) / (|p| * |y|), over the elements of an example
    Source: definition.
    Deeplearning4j: COSINE_PROXIMITY.
    Keras: CosineSimilarity.
    PyTorch: CosineEmbeddingLoss for like pairs is 1 more.
    """
    if count(p.shape) == 1:
        message = "cosine_proximity of one number is its sign, from which nothing can be learned"
        raise WordError("shape-mismatch", message, "of one number, mse tells more")
    lengths = (_length(p) * _length(y)).named("lengths")
    return -(example_sum(p * y) / lengths).named("cosines")


def _length(x: Tensor) -> Tensor:
    return ops.sqrt(ops.maximum(example_sum(ops.square(x)), LEAST_SQUARE))
