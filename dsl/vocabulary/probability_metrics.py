"""Metrics of probabilities: how they rank the examples, what they cost, and how far they can be believed."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..ops import scores
from ..ops.losses import one_hot
from ..ops.reduce import amax
from ..types import REAL, UNIT
from ..words import Positive, WordError, metric
from .metrics import CLASSES, class_count, overall_mean, truth


@metric("top_k", example="top_k(k=2)", prediction=REAL, targets=("class",))
def top_k(p: Tensor, y: Tensor, k: Positive = 5) -> Tensor:
    """The share of examples whose class is among the k most probable; ties go to the first index.

    Formula: top_k = mean(rank of p[y] <= k)
    Source: definition.
    Deeplearning4j: Evaluation.topNAccuracy(), N of its constructor.
    Keras: TopKCategoricalAccuracy, k=5.
    PyTorch: has none.
    """
    if k > p.outputs:
        raise WordError("bad-option", f"top_k looks at {k} classes, but there are {p.outputs}", "make k smaller")
    return overall_mean(scores.top_k(p, y, k=k))


def _columns(p: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Scores and truth values in columns: one a class, class 1 alone of two, or those of the target."""
    if class_count(y) == 2:
        return ops.pick(p, index=1), truth(y).named("true")
    return p, truth(y).named("true")


@metric("roc_auc", example="roc_auc", prediction=REAL, targets=CLASSES)
def roc_auc(p: Tensor, y: Tensor) -> Tensor:
    """The area under the receiver operating characteristic: how often a one ranks above a zero, ties counting half.

    Of more than two classes it is the mean of each against the rest, of several columns their mean; columns without
    ones or without zeros are left out. It is 0.5, as by chance, where none is left. It is exact, by ranks.

    Formula: roc_auc = (sum of the ranks of ones - n1 * (n1 + 1) / 2) / (n1 * n0), for n1 ones and n0 zeros
    Source: Mann and Whitney 1947, On a test of whether one of two random variables is stochastically larger than the
    other; Hanley and McNeil 1982, The meaning and use of the area under a receiver operating characteristic (ROC)
    curve.
    Deeplearning4j: ROC, ROCBinary and ROCMultiClass, exact with thresholdSteps=0.
    Keras: AUC, an approximation by 200 thresholds.
    PyTorch: has none.
    """
    return scores.roc_auc(*_columns(p, y))


@metric("pr_auc", example="pr_auc", prediction=REAL, targets=CLASSES)
def pr_auc(p: Tensor, y: Tensor) -> Tensor:
    """The area under precision over recall, in steps: the average precision.

    Of two classes it is that of class 1; of more the mean of each against the rest, of several columns their mean;
    columns without ones are left out, and it is 0 where none is left.

    Formula: pr_auc = sum((recall[i] - recall[i - 1]) * precision[i]) over falling scores
    Source: Davis and Goadrich 2006, The relationship between precision-recall and ROC curves; definition as
    scikit-learn's average_precision_score.
    Deeplearning4j: ROC.calculateAUCPR(), by trapezoids between the points.
    Keras: AUC with curve="PR", an approximation by 200 thresholds.
    PyTorch: has none.
    """
    return scores.pr_auc(*_columns(p, y))


@metric("log_loss", example="log_loss", prediction=UNIT, targets=CLASSES)
def log_loss(p: Tensor, y: Tensor) -> Tensor:
    """The mean of -log of the probability that was given to the truth, no smaller than 1e-30.

    Formula: log_loss = mean(-log(p[y])); of truth values mean(-y * log(p) - (1 - y) * log(1 - p))
    Source: Good 1952, Rational decisions.
    Deeplearning4j: as the score of LossMCXENT and LossBinaryXENT.
    Keras: BinaryCrossentropy, SparseCategoricalCrossentropy.
    PyTorch: as the losses nll_loss and binary_cross_entropy.
    """
    return overall_mean(ops.xent(p, y) if class_count(y) is None else ops.mcxent(p, y))


@metric("brier", example="brier", prediction=UNIT, targets=CLASSES)
def brier(p: Tensor, y: Tensor) -> Tensor:
    """The mean squared distance of probabilities from the truth; of classes the sum over them.

    Formula: brier = mean((p - y)^2); of classes mean(sum((p - onehot(y))^2))
    Source: Brier 1950, Verification of forecasts expressed in terms of probability.
    Deeplearning4j: has none.
    Keras: as MeanSquaredError.
    PyTorch: has none.
    """
    classes = class_count(y)
    if classes is None:
        return overall_mean(ops.square(p - y))
    squares = ops.square(p - one_hot(y, classes))
    return overall_mean(ops.total(squares, axes=(len(p.shape) - 1,), keepdims=False))


@metric("calibration", example="calibration", prediction=UNIT, targets=CLASSES)
def calibration(p: Tensor, y: Tensor, bins: Positive = 10) -> Tensor:
    """The expected calibration error: the mean distance between probability and frequency, in bins of equal width.

    Of classes the probability is that of the decision and the frequency how often it is right; of truth values it is
    the probability of a one. A bin holds its lower end, the last one both; of several columns it is the mean.

    Formula: calibration = sum over bins of (share of examples) * |mean of p - frequency|
    Source: Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning; Guo et al. 2017, On
    calibration of modern neural networks.
    Deeplearning4j: EvaluationCalibration has the bins, as a reliability diagram, and not this number.
    Keras: has none.
    PyTorch: has none.
    """
    if class_count(y) is None:
        return scores.calibration(p, truth(y), bins=bins)
    right = ops.equal(ops.argmax(p, axis=1), y)
    return scores.calibration(amax(p, axes=(1,), keepdims=False), right, bins=bins)
