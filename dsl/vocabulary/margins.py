"""Losses that ask scores to be on the right side: margins, a critic, rankings of labels, and a soft F score."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..ops.losses import TINY
from ..types import BINARY, SIGNED_UNIT, UNIT
from ..words import PositiveReal, loss
from .losses import Weights, example_mean, example_sum

SIGNS = ("f32", "binary")


def _signs(y: Tensor) -> Tensor:
    """Targets of -1 and 1; those of 0 and 1 are made such."""
    return (2 * y - 1).named("signs") if y.type.domain.within(BINARY) else y


@loss("hinge", example="hinge", targets=SIGNS)
def hinge(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """What a score lacks to the margin 1 on its side; targets are -1 and 1, or binary.

    Formula: mean(max(1 - y * p, 0)), over the elements of an example
    Source: definition, as in Cortes and Vapnik 1995, Support-vector networks.
    Deeplearning4j: HINGE, which sums over the elements.
    Keras: Hinge.
    PyTorch: has none; HingeEmbeddingLoss is another one.
    """
    return example_mean(_lacking(p, y), weights)


@loss("squared_hinge", example="squared_hinge", targets=SIGNS)
def squared_hinge(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The square of what a score lacks to the margin 1 on its side; targets are -1 and 1, or binary.

    Formula: mean(max(1 - y * p, 0)^2), over the elements of an example
    Source: definition.
    Deeplearning4j: SQUARED_HINGE, which sums over the elements.
    Keras: SquaredHinge.
    PyTorch: has none.
    """
    return example_mean(ops.square(_lacking(p, y)), weights)


def _lacking(p: Tensor, y: Tensor) -> Tensor:
    return ops.maximum(1 - _signs(y) * p, 0).named("lacking")


@loss("wasserstein", example="wasserstein", targets=SIGNS)
def wasserstein(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """A critic's score times the label, -1 or 1, or binary: it parts the scores of the two by as much as it can.

    Formula: mean(y * p), over the elements of an example
    Source: Arjovsky et al. 2017, Wasserstein GAN, whose bound on the critic is the net's to keep.
    Deeplearning4j: WASSERSTEIN.
    Keras: has none.
    PyTorch: has none.
    """
    return example_mean(_signs(y) * p, weights)


@loss("multilabel", example="multilabel", prediction=SIGNED_UNIT, targets=("binary",), aliases=("bpmll",))
def multilabel(p: Tensor, y: Tensor) -> Tensor:
    """The cost of every pair of labels whose absent one scores near or above its present one, for scores in [-1, 1].

    An example that has all labels or none has no such pair, costs nothing, and teaches nothing.

    Formula: mean over pairs (k present, l absent) of exp(p_l - p_k)
    Source: Zhang and Zhou 2006, Multilabel neural networks with applications to functional genomics and text
    categorization.
    Deeplearning4j: LossMultiLabel.
    Keras: has none.
    PyTorch: has none; MultiLabelMarginLoss has a margin in place of the exponential.
    """
    # The sum over pairs is a product of sums, since exp(a - b) is exp(a) exp(-b).
    absent = (1 - y).named("missing")
    return _mean_where(ops.exp(-p), y, "present") * _mean_where(ops.exp(p), absent, "absent")


def _mean_where(x: Tensor, chosen: Tensor, name: str) -> Tensor:
    """The mean over the chosen elements of each example; 0 where there are none."""
    return (example_sum(x * chosen) / ops.maximum(example_sum(chosen), 1)).named(name)


@loss("fmeasure", example="fmeasure", prediction=UNIT, targets=("binary",), aliases=("f_measure",))
def fmeasure(p: Tensor, y: Tensor, beta: PositiveReal = 1.0) -> Tensor:
    """1 minus the F score of the whole batch, in which probabilities count as shares of a hit; the mean over outputs.

    Every example has the batch's value, so the mean over examples is that value. Where nothing is true and nothing is
    predicted it is 0.

    Formula: 1 - (1 + beta^2) * tp / ((1 + beta^2) * tp + beta^2 * fn + fp), tp = sum(y * p), over the batch
    Source: Pastor-Pellicer et al. 2013, F-measure as the error function to train neural networks.
    Deeplearning4j: LossFMeasure, for one output, or for two behind softmax.
    Keras: has none.
    PyTorch: has none.
    """
    weight = beta * beta
    wrong = (weight * _batch_sum(y * (1 - p)) + _batch_sum((1 - y) * p)).named("wrong")
    there = (weight * _batch_sum(y) + _batch_sum(p)).named("there")
    shares = wrong / ops.maximum(there, TINY)
    value = ops.mean(shares, axes=tuple(range(len(shares.shape))), keepdims=False)
    return ops.broadcast_like(value, ops.total(p, axes=tuple(range(1, len(p.shape))), keepdims=False))


def _batch_sum(x: Tensor) -> Tensor:
    return ops.total(x, axes=(0,), keepdims=False)
