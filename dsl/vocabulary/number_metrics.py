"""Metrics of numbers: how far predictions lie from their targets, alone and beside the targets' own spread."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import metric
from .losses import NUMBERS
from .metrics import overall_mean


@metric("mse", example="mse", targets=NUMBERS, aliases=("mean_squared_error",))
def mse(p: Tensor, y: Tensor) -> Tensor:
    """The mean squared error.

    Formula: mse = mean((p - y)^2)
    Source: definition.
    Deeplearning4j: RegressionEvaluation.averageMeanSquaredError().
    Keras: MeanSquaredError.
    PyTorch: mse_loss.
    """
    return overall_mean(ops.square(_error(p, y)))


@metric("mae", example="mae", targets=NUMBERS, aliases=("mean_absolute_error",))
def mae(p: Tensor, y: Tensor) -> Tensor:
    """The mean absolute error.

    Formula: mae = mean(|p - y|)
    Source: definition.
    Deeplearning4j: RegressionEvaluation.averageMeanAbsoluteError().
    Keras: MeanAbsoluteError.
    PyTorch: l1_loss.
    """
    return overall_mean(ops.absolute(_error(p, y)))


@metric("rmse", example="rmse", targets=NUMBERS)
def rmse(p: Tensor, y: Tensor) -> Tensor:
    """The root of the mean squared error, over all columns together.

    Formula: rmse = sqrt(mean((p - y)^2))
    Source: definition.
    Deeplearning4j: RegressionEvaluation.averagerootMeanSquaredError(), the mean of each column's root.
    Keras: RootMeanSquaredError.
    PyTorch: has none.
    """
    return ops.sqrt(overall_mean(ops.square(_error(p, y))))


@metric("rse", example="rse", targets=NUMBERS)
def rse(p: Tensor, y: Tensor) -> Tensor:
    """The relative squared error: beside that of the targets' mean, the mean of columns; 1 of a constant target.

    Formula: rse = sum((p - y)^2) / sum((y - mean(y))^2) = 1 - r2
    Source: definition.
    Deeplearning4j: RegressionEvaluation.averagerelativeSquaredError(), infinite of a constant target.
    Keras: has none.
    PyTorch: has none.
    """
    relative, varies = _relative(p, y)
    return overall_mean(ops.where(varies, relative, 1))


@metric("r2", example="r2", targets=NUMBERS)
def r2(p: Tensor, y: Tensor) -> Tensor:
    """The share of variance explained, the mean of columns; 0 of a constant target.

    Formula: r2 = 1 - sum((p - y)^2) / sum((y - mean(y))^2)
    Source: Wright 1921, Correlation and causation.
    Deeplearning4j: RegressionEvaluation.averageRSquared().
    Keras: R2Score.
    PyTorch: has none.
    """
    relative, varies = _relative(p, y)
    return overall_mean(ops.where(varies, 1 - relative, 0))


@metric("pearson", example="pearson", targets=NUMBERS)
def pearson(p: Tensor, y: Tensor) -> Tensor:
    """The correlation of predictions and targets, the mean of columns; 0 where one of both is constant.

    Formula: pearson = sum((p - mean(p)) * (y - mean(y))) / sqrt(sum((p - mean(p))^2) * sum((y - mean(y))^2))
    Source: Pearson 1895, Note on regression and inheritance in the case of two parents.
    Deeplearning4j: RegressionEvaluation.averagePearsonCorrelation().
    Keras: PearsonCorrelation.
    PyTorch: corrcoef.
    """
    p, y = _centred(p).named("p_centred"), _centred(y).named("y_centred")
    scale = (ops.sqrt(_sums(ops.square(p))) * ops.sqrt(_sums(ops.square(y)))).named("scale")
    shared = _sums(p * y).named("shared")
    both = (scale > 0).named("both_vary")
    return overall_mean(ops.where(both, shared / ops.where(both, scale, 1), 0))


def _error(p: Tensor, y: Tensor) -> Tensor:
    return (p - y).named("error")


def _relative(p: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Each column's squared errors beside its targets' squared distances from their mean, and whether these vary."""
    left = _sums(ops.square(_error(p, y)))
    there = _sums(ops.square(_centred(y).named("y_centred"))).named("there")
    varies = (there > 0).named("varies")
    return (left / ops.where(varies, there, 1)).named("relative"), varies


def _sums(x: Tensor) -> Tensor:
    return ops.total(x, axes=(0,), keepdims=False)


def _centred(x: Tensor) -> Tensor:
    """Distances from the mean, taken from the first row so that those of a constant column are exactly 0."""
    moved = (x - ops.slice_axis(x, axis=0, start=0, stop=1)).named("moved")
    return moved - ops.mean(moved, axes=(0,), keepdims=True)
