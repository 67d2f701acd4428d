"""Activations: functions of each element, and softmax over the features."""

from __future__ import annotations

import math

from .. import ops
from ..ir import Tensor
from ..words import PositiveReal, Real, WordError, activation, net


@activation("identity", example="identity", aliases=("linear",))
def identity(x: Tensor) -> Tensor:
    """The value as it is: x."""
    return x


@activation("relu", example="relu")
def relu(x: Tensor) -> Tensor:
    """The positive part: max(x, 0). Its slope at 0 is 0."""
    return ops.maximum(x, 0)


@activation("leakyrelu", example="leakyrelu 0.1", aliases=("leaky_relu",))
def leakyrelu(x: Tensor, slope: Real = 0.01) -> Tensor:
    """x above 0, slope * x below (Maas et al. 2013)."""
    return ops.where(x > 0, x, slope * x)


@activation("elu", example="elu")
def elu(x: Tensor, alpha: PositiveReal = 1.0) -> Tensor:
    """x above 0, alpha * (exp(x) - 1) below (Clevert et al. 2015)."""
    return ops.where(x > 0, x, alpha * ops.expm1(ops.minimum(x, 0)))


# Klambauer et al. 2017: the constants for which mean 0 and variance 1 are a fixed point.
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


@activation("selu", example="selu")
def selu(x: Tensor) -> Tensor:
    """The self-normalising 1.0507 * elu(x, alpha=1.6733) (Klambauer et al. 2017)."""
    return ops.where(x > 0, SELU_SCALE * x, SELU_SCALE * SELU_ALPHA * ops.expm1(ops.minimum(x, 0)))


@activation("gelu", example="gelu")
def gelu(x: Tensor) -> Tensor:
    """x times the normal distribution's P(X <= x): 0.5 x (1 + erf(x / sqrt(2))) (Hendrycks and Gimpel 2016)."""
    return x * (0.5 * (1 + ops.erf(x * math.sqrt(0.5))))


@activation("tanh", example="tanh")
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return ops.tanh(x)


@activation("sigmoid", example="sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """The logistic function 1 / (1 + exp(-x))."""
    return ops.sigmoid(x)


@activation("softplus", example="softplus")
def softplus(x: Tensor) -> Tensor:
    """The smooth positive part: log(1 + exp(x))."""
    return ops.softplus(x)


@activation("softmax", gives="probs", example="softmax")
def softmax(x: Tensor) -> Tensor:
    """Probabilities over the features: exp(x) / sum(exp(x))."""
    if x.features == 1:
        raise WordError(
            "softmax-of-one",
            "softmax over one feature is 1 whatever the input",
            "use sigmoid with xent for two classes, or give the layer before it one output a class",
        )
    if x.type.domain.simplex is not None:
        raise WordError(
            "softmax-twice",
            f"{net().previous} already gives probabilities that sum to 1; a second softmax flattens them",
            "take one of them away",
        )
    return ops.softmax(x)
