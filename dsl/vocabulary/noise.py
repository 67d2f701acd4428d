"""Layers that act in training alone: they drop values, or add noise."""

from __future__ import annotations

from .. import ops
from ..context import net
from ..ir import Tensor
from ..types import Shape
from ..words import Number, Real, ScheduledAmount, ScheduledUnit, WordError, layer
from .axes import as_image, need_channels_first, over_time
from .rectifiers import SELU_ALPHA, SELU_SCALE


def acts(number: Number) -> bool:
    """Whether a layer changes anything: in training, unless its number is 0 all along."""
    return net().training and (isinstance(number, Tensor) or number != 0)


def kept(shape: Shape, rate: Number) -> Tensor:
    """Which values stay where a share is dropped."""
    return (net().draw(shape) >= rate).named("keep")


@layer("dropout", gives="dropped", example="dropout 20%")
def dropout(x: Tensor, rate: ScheduledUnit) -> Tensor:
    """In training, set a share of the values to 0 and scale the others so that the mean stays.

    Formula: f(x) = x / (1 - rate) with probability 1 - rate, else 0
    Source: Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting.
    Deeplearning4j: Dropout, whose number is the share kept.
    Keras: Dropout.
    PyTorch: Dropout.
    """
    return ops.mask(x / (1 - rate), kept(x.shape, rate)) if acts(rate) else x


@layer("spatial_dropout", gives="dropped", example="spatial_dropout 20%", aliases=("spatialdropout",))
def spatial_dropout(x: Tensor, rate: ScheduledUnit) -> Tensor:
    """In training, set a share of the channels to 0, each as a whole, and scale the others so that the mean stays.

    The first axis of an example holds the channels, or the last one where the features stand there, as those of steps
    and embeddings do; of one axis of features each is a channel of its own.

    Formula: f(x)[c] = x[c] / (1 - rate) with probability 1 - rate, else 0
    Source: Tompson et al. 2015, Efficient object localization using convolutional networks.
    Deeplearning4j: SpatialDropout, whose number is the share kept.
    Keras: SpatialDropout1D, 2D and 3D.
    PyTorch: Dropout1d, 2d and 3d.
    """
    if len(x.shape) == 3 and not over_time(x):
        need_channels_first(x, "spatial_dropout")
        x = as_image(x)
    channels = len(x.shape) - 1 if over_time(x) else 1
    maps = tuple(size if axis in (0, channels) else 1 for axis, size in enumerate(x.shape))
    return ops.mask(x / (1 - rate), kept(maps, rate)) if acts(rate) else x


# What selu gives far below 0.
SELU_LOWEST = -SELU_SCALE * SELU_ALPHA


@layer("alpha_dropout", gives="dropped", example="alpha_dropout 10%", aliases=("alphadropout",))
def alpha_dropout(x: Tensor, rate: ScheduledUnit) -> Tensor:
    """In training, set a share of the values to selu's lowest, then restore mean 0 and variance 1.

    Formula: f(x) = a * x + b with probability 1 - rate, else a * s + b, for s = -1.7581,
    a = ((1 - rate) * (1 + rate * s^2))^(-1/2) and b = -a * rate * s
    Source: Klambauer et al. 2017, Self-normalizing neural networks.
    Deeplearning4j: AlphaDropout, whose number is the share kept.
    Keras: AlphaDropout.
    PyTorch: AlphaDropout.
    """
    if not acts(rate):
        return x
    a = ((1 - rate) * (1 + SELU_LOWEST**2 * rate)) ** -0.5
    b = -SELU_LOWEST * rate * a
    return ops.where(kept(x.shape, rate), a * x + b, SELU_LOWEST * a + b)


@layer("gaussian_dropout", gives="noisy", example="gaussian_dropout 20%", aliases=("gaussiandropout",))
def gaussian_dropout(x: Tensor, rate: ScheduledUnit) -> Tensor:
    """In training, multiply each value by a normal number with mean 1 and the variance that dropout would have.

    Formula: f(x) = x * e, e ~ N(1, rate / (1 - rate))
    Source: Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting.
    Deeplearning4j: GaussianDropout.
    Keras: GaussianDropout.
    PyTorch: has none.
    """
    if not acts(rate):
        return x
    return x * (1 + (rate / (1 - rate)) ** 0.5 * net().draw(x.shape, "normal"))


@layer("gaussian_noise", gives="noisy", example="gaussian_noise 0.1", aliases=("gaussiannoise",))
def gaussian_noise(x: Tensor, deviation: ScheduledAmount) -> Tensor:
    """In training, add normal numbers with mean 0.

    Formula: f(x) = x + e, e ~ N(0, deviation^2)
    Source: definition.
    Deeplearning4j: GaussianNoise.
    Keras: GaussianNoise.
    PyTorch: has none.
    """
    return x + deviation * net().draw(x.shape, "normal") if acts(deviation) else x


@layer("rrelu", gives="leaky", example="rrelu", aliases=("randomized_relu",))
def rrelu(x: Tensor, low: Real = 1 / 8, high: Real = 1 / 3) -> Tensor:
    """A leakyrelu whose slopes are drawn in training, each value's its own, and are their mean in prediction.

    Formula: f(x) = x for x > 0, else a * x, a ~ U(low, high) in training and (low + high) / 2 in prediction
    Source: Xu et al. 2015, Empirical evaluation of rectified activations in convolutional network.
    Deeplearning4j: RRELU, low = 1/8 and high = 1/3; its gradient leaves the slopes out.
    Keras: has none.
    PyTorch: RReLU, low = 1/8 and high = 1/3.
    """
    if low > high:
        raise WordError("bad-option", f"rrelu draws slopes from {low:g} to {high:g}", "write the lower end first")
    slope = (low + high) / 2
    if net().training:
        slope = (low + (high - low) * net().draw(x.shape)).named("slope")
    return ops.where(x > 0, x, slope * x)
