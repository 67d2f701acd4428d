"""Losses that are minus the logarithm of a density: of counts, and of numbers under a mixture of Gaussians."""

from __future__ import annotations

import math

from .. import ops
from ..ir import Tensor
from ..ops.losses import TINY
from ..types import POSITIVE, Shape
from ..words import Positive, WordError, loss
from .losses import Weights, example_mean

COUNTS = ("count", "positive")


@loss("expll", example="expll", prediction=POSITIVE, targets=COUNTS, aliases=("poisson_rate",))
def expll(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The Poisson loss of a rate, but for what the target alone decides; the rate is positive, as after softplus.

    Formula: mean(p - y * log(p)), over the elements of an example
    Source: definition: minus the logarithm of Poisson's probability, without log(y!).
    Deeplearning4j: POISSON, and EXPLL in old versions, which sum over the elements.
    Keras: Poisson.
    PyTorch: PoissonNLLLoss(log_input=False, eps=0).
    """
    logs = ops.log(ops.maximum(p, TINY)).named("logs")
    return example_mean((p - y * logs).named("losses"), weights)


@loss("poisson", example="poisson", targets=COUNTS)
def poisson(p: Tensor, y: Tensor, weights: Weights = None) -> Tensor:
    """The Poisson loss of the logarithm of a rate, which may be any number: the chain ends without an activation.

    Beyond p = 30 the exponential goes on as a straight line.

    Formula: mean(exp(p) - y * p), over the elements of an example
    Source: definition: minus the logarithm of Poisson's probability, without log(y!).
    Deeplearning4j: has none; its POISSON takes the rate and is expll.
    Keras: has none; its Poisson takes the rate and is expll.
    PyTorch: PoissonNLLLoss.
    """
    return example_mean((ops.steady_exp(p) - y * p).named("losses"), weights)


# Deviations are bounded from below: a density that grows without bound teaches nothing.
LEAST_LOG_DEVIATION = -15


def _mixture_shape(target: Shape, mixtures: int) -> Shape:
    """Each component has a weight, a deviation, and a mean as wide as the target."""
    if len(target) != 2 or not isinstance(target[1], int):
        raise WordError("shape-mismatch", "mixture_density needs a target of one axis", "declare it as f32[2]")
    return (target[0], (target[1] + 2) * mixtures)


@loss(
    "mixture_density",
    example="mixture_density mixtures=2",
    targets=("f32", "unit", "positive", "count", "simplex"),
    predicts=_mixture_shape,
    aliases=("mdn",),
)
def mixture_density(p: Tensor, y: Tensor, mixtures: Positive) -> Tensor:
    """Minus the logarithm of the target's density under Gaussians that the prediction describes.

    For a target of d numbers the prediction has (d + 2) * mixtures: first the scores of the components, whose softmax
    weighs them; then the logarithms of their deviations, each the same in all directions and held above -15; then their
    means, one component after the other. The chain ends without an activation.

    Formula: -log(sum_k softmax(a)_k * normal(y | mean_k, exp(s_k)))
    Source: Bishop 1994, Mixture density networks.
    Deeplearning4j: LossMixtureDensity, without the bound.
    Keras: has none.
    PyTorch: has none; torch.distributions.MixtureSameFamily gives the density.
    """
    size = y.outputs
    shares = ops.log_softmax(ops.slice_axis(p, axis=1, start=0, stop=mixtures)).named("shares")
    spans = ops.slice_axis(p, axis=1, start=mixtures, stop=2 * mixtures)
    spans = ops.maximum(spans, LEAST_LOG_DEVIATION).named("spans")
    means = ops.slice_axis(p, axis=1, start=2 * mixtures, stop=p.outputs)
    means = ops.reshape(means, shape=(p.shape[0], mixtures, size)).named("means")
    gaps = (ops.expand_dims(y, axis=1) - means).named("gaps")
    distances = ops.total(ops.square(gaps), axes=(2,), keepdims=False).named("distances")
    narrow = ops.exp(-2 * spans).named("narrow")
    logs = shares - 0.5 * distances * narrow - size * spans - 0.5 * size * math.log(2 * math.pi)
    return -ops.logsumexp(logs.named("logs"))
