"""Losses that compare probabilities; behind softmax or sigmoid they work on the scores, which cannot overflow."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..ops.losses import TINY
from ..types import SIMPLEX, UNIT
from ..words import NonNegative, Unit, loss
from .losses import Weights, example_mean, example_sum, listed, weighed

# A label is one probability of 1 among zeros.
DISTRIBUTIONS = ("simplex", "unit", "binary")
# What may be true to some degree, each by itself.
TRUTHS = ("binary", "unit", "simplex")


def _log(p: Tensor) -> Tensor:
    """The logarithm of probabilities, finite also where one is 0."""
    return ops.log(ops.maximum(p, TINY))


def _among_features(x: Tensor) -> Tensor:
    """The sum along the features, and of several an example the mean."""
    sums = ops.total(x, axes=(len(x.shape) - 1,), keepdims=False)
    return example_mean(sums) if len(sums.shape) > 1 else sums


@loss("xent", example="xent", prediction=UNIT, targets=TRUTHS, aliases=("binary_cross_entropy", "bce"))
def xent(p: Tensor, y: Tensor, smoothing: Unit = 0.0, weights: Weights = None) -> Tensor:
    """The cross-entropy of truth values, each by itself; smoothing=s moves each target by s/2 towards 1/2.

    Formula: mean(-y * log(p) - (1 - y) * log(1 - p)), over the elements of an example
    Source: definition; the smoothing is that of Szegedy et al. 2016, Rethinking the inception architecture.
    Deeplearning4j: XENT, which sums over the elements.
    Keras: BinaryCrossentropy(label_smoothing=s).
    PyTorch: BCELoss; after sigmoid BCEWithLogitsLoss.
    """
    return example_mean(ops.xent(p, _towards_half(y, smoothing)), weights)


def _towards_half(y: Tensor, smoothing: float) -> Tensor:
    return ((1 - smoothing) * y + smoothing / 2).named("smooth") if smoothing else y


@loss(
    "reconstruction_crossentropy",
    example="reconstruction_crossentropy",
    prediction=UNIT,
    targets=TRUTHS,
    aliases=("reconstruction_cross_entropy",),
)
def reconstruction_crossentropy(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The cross-entropy of truth values, summed: what it costs to say an example again.

    Formula: sum(-y * log(p) - (1 - y) * log(1 - p)), over the elements of an example
    Source: Vincent et al. 2010, Stacked denoising autoencoders.
    Deeplearning4j: RECONSTRUCTION_CROSSENTROPY, which later versions compute as kl_divergence.
    Keras: has none.
    PyTorch: has none; BCELoss(reduction="sum") / N.
    """
    return example_sum(ops.xent(p, y), weights)


@loss("rmse_xent", example="rmse_xent", prediction=UNIT, targets=TRUTHS)
def rmse_xent(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The root of the mean squared cross-entropy of truth values, which costs the worst element most.

    Formula: sqrt(mean((-y * log(p) - (1 - y) * log(1 - p))^2)), over the elements of an example
    Source: definition, since the name says no more.
    Deeplearning4j: RMSE_XENT in old versions, without an implementation.
    Keras: has none.
    PyTorch: has none.
    """
    squares = ops.square(ops.xent(p, y).named("entropy")).named("squares")
    return ops.sqrt(ops.maximum(example_mean(squares, weights), TINY)).named("losses")


@loss(
    "mcxent",
    example="mcxent",
    prediction=SIMPLEX,
    targets=("class", *DISTRIBUTIONS),
    aliases=("cross_entropy", "negativeloglikelihood", "nll", "sparse_mcxent"),
)
def mcxent(p: Tensor, y: Tensor, smoothing: Unit = 0.0, weights: Weights = None) -> Tensor:
    """The cross-entropy of classes; smoothing=s gives the share s of the target to all classes alike.

    With weights the terms of each class are multiplied by its number; nothing divides by their sum.

    Formula: -log(p[y]), or -sum(y * log(p)) where the target gives probabilities
    Source: definition; the smoothing is that of Szegedy et al. 2016, Rethinking the inception architecture.
    Deeplearning4j: MCXENT and NEGATIVELOGLIKELIHOOD; with labels SPARSE_MCXENT.
    Keras: CategoricalCrossentropy(label_smoothing=s); with labels SparseCategoricalCrossentropy.
    PyTorch: NLLLoss(log(p)); after softmax CrossEntropyLoss(label_smoothing=s), whose mean divides by the weights' sum.
    """
    if y.type.dtype != "i64":
        classes = p.outputs
        y = ((1 - smoothing) * y + smoothing / classes).named("smooth") if smoothing else y
        return -_among_features(weighed(y * _log(p), weights))
    own = ops.mcxent(p, y)
    if weights is not None:
        own = own * ops.lookup(listed(weights, p), y).named("weight")
    if not smoothing:
        return own
    spread = _among_features(weighed(_log(p).named("logs"), weights))
    return (1 - smoothing) * own - smoothing / p.outputs * spread


@loss(
    "kl_divergence",
    example="kl_divergence",
    prediction=SIMPLEX,
    targets=("simplex",),
    aliases=("kld", "kullback_leibler_divergence"),
)
def kl_divergence(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """How much more than y itself the prediction needs to say y: Kullback and Leibler's divergence.

    Formula: sum(y * (log(y) - log(p))), where y is 0 nothing
    Source: Kullback and Leibler 1951, On information and sufficiency.
    Deeplearning4j: KL_DIVERGENCE.
    Keras: KLDivergence.
    PyTorch: KLDivLoss(log(p), y, reduction="batchmean").
    """
    return _among_features(weighed(y * (_log(y) - _log(p).named("logs")), weights)).named("losses")


@loss(
    "focal",
    example="focal",
    prediction=UNIT,
    class_prediction=SIMPLEX,
    targets=("class", "binary"),
    aliases=("focal_loss",),
)
def focal(p: Tensor, y: Tensor, gamma: NonNegative = 2.0, alpha: Unit | None = None, weights: Weights = None) -> Tensor:
    """A cross-entropy in which examples that are right already count less, the less the larger gamma.

    With truth values alpha weighs those that are 1, and 1 - alpha those that are 0; with classes it weighs all alike,
    and weights= each by itself.

    Formula: -(1 - q)^gamma * log(q), where q is the probability given to what is true
    Source: Lin et al. 2017, Focal loss for dense object detection.
    Deeplearning4j: has none.
    Keras: BinaryFocalCrossentropy and CategoricalFocalCrossentropy, whose alpha is 0.25 where it is used.
    PyTorch: has none; torchvision's sigmoid_focal_loss has alpha 0.25.
    """
    if y.type.dtype == "i64":
        own = ops.mcxent(p, y)
        missed = ops.maximum(-ops.expm1(-own), TINY).named("missed")
        own = own if weights is None else own * ops.lookup(listed(weights, p), y).named("weight")
        return missed**gamma * own if alpha is None else alpha * (missed**gamma * own)
    # The logarithm of 1 - q is minus the cross-entropy with the opposite.
    opposite = (1 - y).named("opposite")
    missed = ops.exp(-gamma * ops.xent(p, opposite)).named("missed")
    own = missed * ops.xent(p, y).named("entropy")
    if alpha is not None:
        own = (alpha * y + (1 - alpha) * (1 - y)).named("share") * own
    return example_mean(own.named("losses"), weights)
