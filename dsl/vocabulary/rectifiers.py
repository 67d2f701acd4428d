"""Activations that let through what is positive and hold back what is not, sharply or softly."""

from __future__ import annotations

import math

from .. import ops
from ..context import weight
from ..ir import Tensor
from ..types import NON_NEGATIVE, Domain
from ..words import Flag, Init, Initializer, NonNegative, PositiveReal, Real, activation, layer
from .axes import along, by_features, need_features_last
from .initializers import filled


@activation("relu", example="relu")
def relu(x: Tensor) -> Tensor:
    """The positive part of x.

    Formula: f(x) = max(x, 0), with the slope 0 at 0
    Source: Nair and Hinton 2010, Rectified linear units improve restricted Boltzmann machines.
    Deeplearning4j: RELU.
    Keras: relu.
    PyTorch: ReLU.
    """
    return ops.maximum(x, 0)


@activation("relu6", example="relu6")
def relu6(x: Tensor) -> Tensor:
    """The positive part of x, at most 6.

    Formula: f(x) = min(max(x, 0), 6)
    Source: Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10.
    Deeplearning4j: RELU6.
    Keras: relu6.
    PyTorch: ReLU6.
    """
    return ops.clip(x, low=0, high=6)


@activation("leakyrelu", example="leakyrelu 0.1", aliases=("leaky_relu",))
def leakyrelu(x: Tensor, slope: Real = 0.01) -> Tensor:
    """The positive part of x, and a small share of the negative one.

    Formula: f(x) = x for x > 0, else slope * x
    Source: Maas et al. 2013, Rectifier nonlinearities improve neural network acoustic models.
    Deeplearning4j: LEAKYRELU, alpha = 0.01.
    Keras: LeakyReLU, whose slope is 0.3 unless told.
    PyTorch: LeakyReLU, negative_slope = 0.01.
    """
    return ops.where(x > 0, x, slope * x)


QUARTER = Init("0.25", lambda w: filled(w, 0.25))


@layer("prelu", gives="leaky", example="prelu")
@by_features
def prelu(x: Tensor, init: Initializer = QUARTER) -> Tensor:
    """A leakyrelu whose slopes are learned, one a feature; they begin at 0.25.

    Formula: f(x) = x for x > 0, else alpha * x, with alpha (features)
    Source: He et al. 2015, Delving deep into rectifiers.
    Deeplearning4j: PReLULayer, whose slopes begin at 0.
    Keras: PReLU, whose slopes begin at 0.
    PyTorch: PReLU(features), init = 0.25.
    """
    return ops.where(x > 0, x, along(weight("alpha", (x.features,), init), x) * x)


@activation("thresholdedrelu", example="thresholdedrelu", aliases=("thresholded_relu",))
def thresholdedrelu(x: Tensor, theta: NonNegative = 1.0) -> Tensor:
    """x where it passes a threshold, else 0.

    Formula: f(x) = x for x > theta, else 0
    Source: Konda et al. 2014, Zero-bias autoencoders and the benefits of co-adapting features.
    Deeplearning4j: THRESHOLDEDRELU, theta = 1.
    Keras: ThresholdedReLU, theta = 1, in Keras 2; threshold(x, theta, 0) since Keras 3.
    PyTorch: Threshold(theta, 0).
    """
    return ops.mask(x, x > theta).within(NON_NEGATIVE)


@activation("crelu", example="crelu")
def crelu(x: Tensor) -> Tensor:
    """The positive parts of x and of -x side by side, which doubles the features.

    Formula: f(x) = concat(max(x, 0), max(-x, 0))
    Source: Shang et al. 2016, Understanding and improving convolutional neural networks via concatenated rectified
    linear units.
    Deeplearning4j: has none.
    Keras: has none.
    PyTorch: has none.
    """
    need_features_last(x)
    above, below = ops.maximum(x, 0).named("above"), ops.maximum(-x, 0).named("below")
    return ops.concat(above, below, axis=x.axis)


@activation("elu", example="elu")
def elu(x: Tensor, alpha: PositiveReal = 1.0) -> Tensor:
    """x above 0, an exponential that nears -alpha below.

    Formula: f(x) = x for x > 0, else alpha * (exp(x) - 1)
    Source: Clevert et al. 2015, Fast and accurate deep network learning by exponential linear units (ELUs).
    Deeplearning4j: ELU, alpha = 1.
    Keras: elu, alpha = 1.
    PyTorch: ELU, alpha = 1.
    """
    return ops.where(x > 0, x, alpha * ops.expm1(ops.minimum(x, 0))).within(Domain(low=-alpha))


@activation("celu", example="celu")
def celu(x: Tensor, alpha: PositiveReal = 1.0) -> Tensor:
    """An elu whose slope at 0 is 1 whatever alpha is.

    Formula: f(x) = x for x > 0, else alpha * (exp(x / alpha) - 1)
    Source: Barron 2017, Continuously differentiable exponential linear units.
    Deeplearning4j: has none.
    Keras: celu, alpha = 1.
    PyTorch: CELU, alpha = 1.
    """
    return ops.where(x > 0, x, alpha * ops.expm1(ops.minimum(x, 0) / alpha)).within(Domain(low=-alpha))


# Klambauer et al. 2017: the constants for which mean 0 and variance 1 are a fixed point.
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


@activation("selu", example="selu")
def selu(x: Tensor) -> Tensor:
    """An elu scaled so that mean 0 and variance 1 carry over from layer to layer; its initializer is lecun.

    Formula: f(x) = 1.0507 * x for x > 0, else 1.0507 * 1.6733 * (exp(x) - 1)
    Source: Klambauer et al. 2017, Self-normalizing neural networks.
    Deeplearning4j: SELU.
    Keras: selu.
    PyTorch: SELU.
    """
    below = SELU_SCALE * SELU_ALPHA * ops.expm1(ops.minimum(x, 0))
    return ops.where(x > 0, SELU_SCALE * x, below).within(Domain(low=-SELU_SCALE * SELU_ALPHA))


# Soft rectifiers: a little below 0 they dip to a lowest value, found where the slope is 0. --------------------------


@activation("gelu", example="gelu")
def gelu(x: Tensor, approximate: Flag = False) -> Tensor:
    """x times the probability that a standard normal number is at most x.

    Formula: f(x) = x * (1 + erf(x / sqrt(2))) / 2; with approximate=true
    f(x) = x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2
    Source: Hendrycks and Gimpel 2016, Gaussian error linear units (GELUs).
    Deeplearning4j: GELU, which is x * sigmoid(1.702 * x); precise=true is the form with tanh.
    Keras: gelu, approximate = False.
    PyTorch: GELU, approximate = "none".
    """
    if approximate:
        inner = math.sqrt(2 / math.pi) * x * (1 + 0.044715 * ops.square(x))
        return (x * (0.5 * (1 + ops.tanh(inner).named("gate")))).within(_above(-0.17004075057125406))
    return (x * (0.5 * (1 + ops.erf(x * math.sqrt(0.5))))).within(_above(-0.1699712074799037))


@activation("swish", example="swish", aliases=("silu",))
def swish(x: Tensor, beta: PositiveReal = 1.0) -> Tensor:
    """x times its own sigmoid.

    Formula: f(x) = x * sigmoid(beta * x)
    Source: Ramachandran et al. 2017, Searching for activation functions; as silu in Elfwing et al. 2017.
    Deeplearning4j: SWISH, beta = 1.
    Keras: silu, beta = 1.
    PyTorch: SiLU, beta = 1.
    """
    return (x * ops.sigmoid(beta * x).named("gate")).within(_above(-0.2784645427610738 / beta))


@activation("hardswish", example="hardswish", aliases=("hard_swish", "hard_silu"))
def hardswish(x: Tensor) -> Tensor:
    """A swish made of straight lines: x times its own hardsigmoid.

    Formula: f(x) = x * min(max(x + 3, 0), 6) / 6
    Source: Howard et al. 2019, Searching for MobileNetV3.
    Deeplearning4j: has none.
    Keras: hard_silu.
    PyTorch: Hardswish.
    """
    return (x * ops.clip(x + 3, low=0, high=6) / 6).within(_above(-0.375))


@activation("mish", example="mish")
def mish(x: Tensor) -> Tensor:
    """A smooth relu that dips a little below 0, x times the tanh of its softplus.

    Formula: f(x) = x * tanh(log(1 + exp(x)))
    Source: Misra 2019, Mish: a self regularized non-monotonic activation function.
    Deeplearning4j: MISH.
    Keras: mish.
    PyTorch: Mish.
    """
    return (x * ops.tanh(ops.softplus(x)).named("gate")).within(_above(-0.30884341301725041))


def _above(lowest: float) -> Domain:
    return Domain(low=lowest, low_open=False)


@activation("softplus", example="softplus")
def softplus(x: Tensor) -> Tensor:
    """The smooth positive part of x.

    Formula: f(x) = log(1 + exp(x))
    Source: Dugas et al. 2001, Incorporating second-order functional knowledge for better option pricing.
    Deeplearning4j: SOFTPLUS.
    Keras: softplus.
    PyTorch: Softplus, which gives x itself above 20.
    """
    return ops.softplus(x)
