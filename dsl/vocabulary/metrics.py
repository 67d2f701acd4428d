"""Metrics: from all predictions of a set and their targets to one number."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..ops.losses import TINY, one_hot
from ..types import Domain
from ..words import metric
from .losses import NUMBERS

DECIDED = Domain(0.0, 1.0, False, False)
CLASSES = ("class", "binary")


def overall_mean(x: Tensor) -> Tensor:
    """The mean over the whole set."""
    return ops.mean(x, axes=tuple(range(len(x.shape))), keepdims=False)


def _hits(p: Tensor, y: Tensor) -> Tensor:
    """Whether each decision is right; a probability of 1/2 decides for 1."""
    if y.type.dtype == "i64":
        return ops.equal(_decided(p), y)
    return ops.equal(p >= 0.5, y > 0.5)


@metric("accuracy", example="accuracy", prediction=DECIDED, targets=CLASSES)
def accuracy(p: Tensor, y: Tensor) -> Tensor:
    """The share of decisions that are right."""
    return overall_mean(_hits(p, y))


@metric("f1", example="f1", prediction=DECIDED, targets=CLASSES)
def f1(p: Tensor, y: Tensor) -> Tensor:
    """2 tp / (2 tp + fp + fn) of the class 1, or its mean over the classes that occur (macro)."""
    if y.type.dtype == "i64":
        chosen = one_hot(_decided(p), p.features).named("chosen")
        true = one_hot(y, p.features).named("true")
    else:
        chosen, true = (p >= 0.5).named("chosen"), (y > 0.5).named("true")
    both = _count(ops.logical_and(chosen, true)).named("both")
    either = (_count(chosen) + _count(true)).named("either")
    scores = 2 * both / ops.maximum(either, 1)
    axes = tuple(range(len(scores.shape)))
    occurring = ops.total(either > 0, axes=axes, keepdims=False)
    return ops.total(scores, axes=axes, keepdims=False) / ops.maximum(occurring, 1)


def _count(x: Tensor) -> Tensor:
    return ops.total(x, axes=(0,), keepdims=False)


@metric("mae", example="mae", targets=NUMBERS)
def mae(p: Tensor, y: Tensor) -> Tensor:
    """The mean absolute error."""
    return overall_mean(ops.absolute(p - y))


@metric("rmse", example="rmse", targets=NUMBERS)
def rmse(p: Tensor, y: Tensor) -> Tensor:
    """The root of the mean squared error."""
    return ops.sqrt(overall_mean(ops.square(p - y)))


@metric("r2", example="r2", targets=NUMBERS)
def r2(p: Tensor, y: Tensor) -> Tensor:
    """The share of variance explained: 1 - sum((p - y)^2) / sum((y - mean(y))^2), its mean over several targets.

    Of a constant target it is 0.
    """
    left = ops.total(ops.square(p - y), axes=(0,), keepdims=False).named("left")
    centred = y - ops.mean(y, axes=(0,), keepdims=True)
    there = ops.total(ops.square(centred), axes=(0,), keepdims=False).named("there")
    return overall_mean(ops.where(there > 0, 1 - left / ops.maximum(there, TINY), 0))


def _decided(p: Tensor) -> Tensor:
    return ops.argmax(p, axis=len(p.shape) - 1).named("decided")
