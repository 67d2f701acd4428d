"""Metrics of decisions: how often they are right, and how right and wrong ones are spread over the classes."""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops
from ..ir import Tensor
from ..ops.losses import one_hot
from ..types import UNIT, count
from ..words import metric

CLASSES = ("class", "binary")


def overall_mean(x: Tensor) -> Tensor:
    """The mean over all axes, none of which may be left."""
    return ops.mean(x, axes=tuple(range(len(x.shape))), keepdims=False) if x.shape else x


def class_count(y: Tensor) -> int | None:
    """The number of classes of a target of ids; None of truth values."""
    return int(y.type.domain.high) + 1 if y.type.dtype == "i64" else None


def truth(y: Tensor) -> Tensor:
    """What is true of each example: its class as truth values, one a class or of class 1 alone where there are two."""
    classes = class_count(y)
    return y > 0.5 if classes is None else one_hot(y, classes) if classes > 2 else ops.equal(y, 1)


@dataclass(frozen=True)
class Tally:
    """How often decisions for a class were right and wrong, and those against it: a number a class or a column."""

    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor


def tally(decided: Tensor, y: Tensor) -> Tally:
    """The tally of decisions; of two classes it is that of class 1."""
    chosen = (decided if class_count(y) is None else truth(decided)).named("chosen")
    true = truth(y).named("true")
    tp = _count(ops.logical_and(chosen, true)).named("tp")
    fp = (_count(chosen) - tp).named("fp")
    fn = (_count(true) - tp).named("fn")
    return Tally(tp, fp, fn, (ops.size(y, axes=(0,)) - tp - fp - fn).named("tn"))


def _count(x: Tensor) -> Tensor:
    return ops.total(x, axes=(0,), keepdims=False)


def _total(x: Tensor) -> Tensor:
    return ops.total(x, axes=tuple(range(len(x.shape))), keepdims=False)


def _macro(scores: Tensor, t: Tally) -> Tensor:
    """The mean of scores over the classes, or columns, that occur: those that are true or chosen of any example."""
    if count(scores.shape) == 1:
        return overall_mean(scores)
    occurring = _total(t.tp + t.fp + t.fn > 0)
    return _total(scores) / ops.maximum(occurring, 1)


# What a threshold may be tuned by: scores of counts ------------------------------------------------------------------


def _accuracy(tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
    return (tp + tn) / (tp + fp + fn + tn)


def _f1(tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
    return tp / ops.maximum(tp + (fp + fn) / 2, 0.5)


def _gmeasure(tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
    return tp / ops.maximum(ops.sqrt((tp + fp) * (tp + fn)), 1)


def _mcc(tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
    # Two roots, since the product of all four sums would not fit 64 bits.
    scale = ops.sqrt((tp + fp) * (tp + fn)) * ops.sqrt((tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / ops.maximum(scale.named("scale"), 1)


def _kappa(tp: Tensor, fp: Tensor, fn: Tensor, tn: Tensor) -> Tensor:
    scale = ((tp + fp) * (fp + tn) + (tp + fn) * (fn + tn)).named("scale")
    return 2 * (tp * tn - fp * fn) / ops.maximum(scale, 1)


# Metrics --------------------------------------------------------------------------------------------------------------


@metric("accuracy", example="accuracy", prediction=UNIT, targets=CLASSES, decides=True, score=_accuracy)
def accuracy(decided: Tensor, y: Tensor) -> Tensor:
    """The share of decisions that are right.

    Formula: accuracy = right / all
    Source: definition.
    Deeplearning4j: Evaluation.accuracy(); of several columns EvaluationBinary has one for each.
    Keras: Accuracy, BinaryAccuracy, SparseCategoricalAccuracy.
    PyTorch: has none.
    """
    if class_count(y) is None:
        return overall_mean(ops.equal(decided, truth(y)))
    return overall_mean(ops.equal(decided, y))


@metric("precision", example="precision", prediction=UNIT, targets=CLASSES, decides=True)
def precision(decided: Tensor, y: Tensor) -> Tensor:
    """The share of the decisions for a class that are right.

    Of two classes it is that of class 1; of more, and of several columns, the mean over those that occur (macro): those
    that are true or chosen of any example. A class that is never chosen has 0.

    Formula: precision = tp / (tp + fp)
    Source: Kent et al. 1955, Machine literature searching VIII: operational criteria for designing information
    retrieval systems.
    Deeplearning4j: Evaluation.precision(), whose mean leaves out the classes that are never chosen.
    Keras: Precision, which is over all classes together (micro).
    PyTorch: has none.
    """
    t = tally(decided, y)
    return _macro(t.tp / ops.maximum(t.tp + t.fp, 1), t)


@metric("recall", example="recall", prediction=UNIT, targets=CLASSES, decides=True)
def recall(decided: Tensor, y: Tensor) -> Tensor:
    """The share of a class that is found.

    Of two classes it is that of class 1; of more, and of several columns, the mean over those that occur (macro): those
    that are true or chosen of any example. A class that is never true has 0.

    Formula: recall = tp / (tp + fn)
    Source: Kent et al. 1955, Machine literature searching VIII: operational criteria for designing information
    retrieval systems.
    Deeplearning4j: Evaluation.recall(), whose mean leaves out the classes that are never true.
    Keras: Recall, which is over all classes together (micro).
    PyTorch: has none.
    """
    t = tally(decided, y)
    return _macro(t.tp / ops.maximum(t.tp + t.fn, 1), t)


@metric("f1", example="f1", prediction=UNIT, targets=CLASSES, decides=True, score=_f1)
def f1(decided: Tensor, y: Tensor) -> Tensor:
    """The harmonic mean of precision and recall.

    Of two classes it is that of class 1; of more, and of several columns, the mean over those that occur (macro): those
    that are true or chosen of any example. It is 0 where nothing is found.

    Formula: f1 = tp / (tp + (fp + fn) / 2)
    Source: van Rijsbergen 1979, Information Retrieval.
    Deeplearning4j: Evaluation.f1(), whose mean leaves out the classes that are never true or never chosen.
    Keras: F1Score, which gives one a class by default.
    PyTorch: has none.
    """
    t = tally(decided, y)
    return _macro(_f1(t.tp, t.fp, t.fn, t.tn).named("f1"), t)


@metric("gmeasure", example="gmeasure", prediction=UNIT, targets=CLASSES, decides=True, score=_gmeasure)
def gmeasure(decided: Tensor, y: Tensor) -> Tensor:
    """The geometric mean of precision and recall.

    Of two classes it is that of class 1; of more, and of several columns, the mean over those that occur (macro): those
    that are true or chosen of any example. It is 0 where nothing is found.

    Formula: gmeasure = sqrt(precision * recall) = tp / sqrt((tp + fp) * (tp + fn))
    Source: Fowlkes and Mallows 1983, A method for comparing two hierarchical clusterings.
    Deeplearning4j: Evaluation.gMeasure(), whose mean counts classes that do not occur as 0.
    Keras: has none.
    PyTorch: has none.
    """
    t = tally(decided, y)
    return _macro(_gmeasure(t.tp, t.fp, t.fn, t.tn).named("gmeasure"), t)


@metric("mcc", example="mcc", prediction=UNIT, targets=CLASSES, decides=True, score=_mcc)
def mcc(decided: Tensor, y: Tensor) -> Tensor:
    """The correlation of decisions with the truth, from -1 to 1; 0 where one of both never changes.

    Of several columns it is the mean.

    Formula: mcc = (tp * tn - fp * fn) / sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)); of more classes the
    covariance of the one-hot decisions and truths over the root of the product of their variances
    Source: Matthews 1975, Comparison of the predicted and observed secondary structure of T4 phage lysozyme; Gorodkin
    2004, Comparing two K-category assignments by a K-category correlation coefficient.
    Deeplearning4j: Evaluation.matthewsCorrelation(), of more than two classes the mean of each against the rest.
    Keras: has none.
    PyTorch: has none.
    """
    t = tally(decided, y)
    if (class_count(y) or 2) == 2:
        return overall_mean(_mcc(t.tp, t.fp, t.fn, t.tn))
    n, picked, there = ops.size(y, axes=(0,)), (t.tp + t.fp).named("picked"), (t.tp + t.fn).named("there")
    spreads = (ops.sqrt(n * n - _total(ops.square(x))) for x in (picked, there))
    picked_spread, there_spread = spreads
    return (n * _total(t.tp) - _total(picked * there)) / ops.maximum(picked_spread * there_spread, 1)


@metric("kappa", example="kappa", prediction=UNIT, targets=CLASSES, decides=True, score=_kappa)
def kappa(decided: Tensor, y: Tensor) -> Tensor:
    """How far decisions agree with the truth beyond chance; 0 where both are always the same class.

    Of several columns it is the mean.

    Formula: kappa = (accuracy - chance) / (1 - chance); chance = sum over classes of (share chosen) * (share true)
    Source: Cohen 1960, A coefficient of agreement for nominal scales.
    Deeplearning4j: has none.
    Keras: has none.
    PyTorch: has none.
    """
    t = tally(decided, y)
    if (class_count(y) or 2) == 2:
        return overall_mean(_kappa(t.tp, t.fp, t.fn, t.tn))
    n, picked, there = ops.size(y, axes=(0,)), (t.tp + t.fp).named("picked"), (t.tp + t.fn).named("there")
    chance = _total(picked * there).named("chance")
    return (n * _total(t.tp) - chance) / ops.maximum(n * n - chance, 1)


@metric("confusion", example="confusion", prediction=UNIT, targets=CLASSES, decides=True)
def confusion(decided: Tensor, y: Tensor) -> Tensor:
    """The table of counts: a row for each true class, a column for each decision; of several columns a table each.

    It stands in the report of `netc train`, in history.csv and in JSON, but not in the line of an epoch.

    Formula: confusion[i][j] = how many examples of class i were decided to be of class j
    Source: definition.
    Deeplearning4j: Evaluation.getConfusionMatrix().
    Keras: has none.
    PyTorch: has none.
    """
    classes = class_count(y)
    if classes is None:
        return y.builder.emit(ops.scores.confusion, truth(y).named("true"), decided.named("chosen"), classes=2)
    return y.builder.emit(ops.scores.confusion, y, decided, classes=classes)
