"""Initializers whose spread follows from the weight's numbers of inputs and outputs, fan_in and fan_out."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import Fresh, Init, PositiveReal, init
from .initializers import normal_numbers, uniform_numbers


def normal_of(w: Fresh, variance: Tensor) -> Tensor:
    """Normal numbers with mean 0 and a variance."""
    return ops.sqrt(variance) * normal_numbers(w)


def uniform_to(w: Fresh, bound: Tensor) -> Tensor:
    """Numbers uniform between a bound's negative and the bound."""
    return bound * (2 * uniform_numbers(w) - 1)


# Xavier, He and LeCun -------------------------------------------------------------------------------------------------


@init("xavier", example="xavier", aliases=("glorot", "xavier_normal", "glorot_normal"))
def xavier(w: Fresh) -> Tensor:
    """Normal numbers that keep the variance of values and of gradients on the way through tanh.

    Formula: w ~ N(0, 2 / (fan_in + fan_out))
    Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    Deeplearning4j: XAVIER.
    Keras: GlorotNormal, which is cut at two deviations.
    PyTorch: xavier_normal_.
    """
    return normal_of(w, 2 / (w.fan_in + w.fan_out))


@init("xavier_uniform", example="xavier_uniform", aliases=("glorot_uniform",))
def xavier_uniform(w: Fresh) -> Tensor:
    """Uniform numbers with the variance of xavier.

    Formula: w ~ U(-a, a), a = sqrt(6 / (fan_in + fan_out))
    Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    Deeplearning4j: XAVIER_UNIFORM.
    Keras: GlorotUniform.
    PyTorch: xavier_uniform_.
    """
    return uniform_to(w, ops.sqrt(6 / (w.fan_in + w.fan_out)))


@init("xavier_legacy", example="xavier_legacy")
def xavier_legacy(w: Fresh) -> Tensor:
    """Normal numbers with half the variance of xavier, for nets made with old versions of Deeplearning4j.

    Formula: w ~ N(0, 1 / (fan_in + fan_out))
    Source: Deeplearning4j up to 0.6.0.
    Deeplearning4j: XAVIER_LEGACY, which takes the weight's first two sizes for its fans.
    Keras: has none.
    PyTorch: has none.
    """
    return normal_of(w, 1 / (w.fan_in + w.fan_out))


@init("sigmoid_uniform", example="sigmoid_uniform")
def sigmoid_uniform(w: Fresh) -> Tensor:
    """Uniform numbers made for sigmoid, four times as wide as xavier_uniform.

    Formula: w ~ U(-a, a), a = 4 * sqrt(6 / (fan_in + fan_out))
    Source: Glorot and Bengio 2010, as in the deep learning tutorials of Theano.
    Deeplearning4j: SIGMOID_UNIFORM.
    Keras: has none.
    PyTorch: xavier_uniform_ with gain = 4.
    """
    return uniform_to(w, 4 * ops.sqrt(6 / (w.fan_in + w.fan_out)))


@init("he", example="he", aliases=("relu", "kaiming", "he_normal", "kaiming_normal"))
def he(w: Fresh) -> Tensor:
    """Normal numbers made for relu.

    Formula: w ~ N(0, 2 / fan_in)
    Source: He et al. 2015, Delving deep into rectifiers.
    Deeplearning4j: RELU.
    Keras: HeNormal, which is cut at two deviations.
    PyTorch: kaiming_normal_.
    """
    return normal_of(w, 2 / w.fan_in)


@init("he_uniform", example="he_uniform", aliases=("relu_uniform", "kaiming_uniform"))
def he_uniform(w: Fresh) -> Tensor:
    """Uniform numbers with the variance of he.

    Formula: w ~ U(-a, a), a = sqrt(6 / fan_in)
    Source: He et al. 2015, Delving deep into rectifiers.
    Deeplearning4j: RELU_UNIFORM.
    Keras: HeUniform.
    PyTorch: kaiming_uniform_.
    """
    return uniform_to(w, ops.sqrt(6 / w.fan_in))


@init("lecun", example="lecun", aliases=("lecun_normal", "xavier_fan_in"))
def lecun(w: Fresh) -> Tensor:
    """Normal numbers made for selu and tanh.

    Formula: w ~ N(0, 1 / fan_in)
    Source: LeCun et al. 1998, Efficient backprop.
    Deeplearning4j: LECUN_NORMAL, XAVIER_FAN_IN.
    Keras: LecunNormal, which is cut at two deviations.
    PyTorch: kaiming_normal_ with nonlinearity = "linear".
    """
    return normal_of(w, 1 / w.fan_in)


@init("lecun_uniform", example="lecun_uniform")
def lecun_uniform(w: Fresh) -> Tensor:
    """Uniform numbers with the variance of lecun.

    Formula: w ~ U(-a, a), a = sqrt(3 / fan_in)
    Source: LeCun et al. 1998, Efficient backprop.
    Deeplearning4j: LECUN_UNIFORM, whose bound is 3 / sqrt(fan_in), which is too wide.
    Keras: LecunUniform.
    PyTorch: kaiming_uniform_ with nonlinearity = "linear".
    """
    return uniform_to(w, ops.sqrt(3 / w.fan_in))


# Variance scaling: one variance, two laws, three fans -----------------------------------------------------------------


@init("var_scaling_normal_fan_in", example="var_scaling_normal_fan_in")
def var_scaling_normal_fan_in(w: Fresh, scale: PositiveReal = 1.0) -> Tensor:
    """Normal numbers whose variance is a scale over the inputs.

    Formula: w ~ N(0, scale / fan_in)
    Source: definition.
    Deeplearning4j: VAR_SCALING_NORMAL_FAN_IN.
    Keras: VarianceScaling with mode = "fan_in" and distribution = "untruncated_normal".
    PyTorch: has none.
    """
    return normal_of(w, scale / w.fan_in)


@init("var_scaling_normal_fan_out", example="var_scaling_normal_fan_out")
def var_scaling_normal_fan_out(w: Fresh, scale: PositiveReal = 1.0) -> Tensor:
    """Normal numbers whose variance is a scale over the outputs.

    Formula: w ~ N(0, scale / fan_out)
    Source: definition.
    Deeplearning4j: VAR_SCALING_NORMAL_FAN_OUT.
    Keras: VarianceScaling with mode = "fan_out" and distribution = "untruncated_normal".
    PyTorch: has none.
    """
    return normal_of(w, scale / w.fan_out)


@init("var_scaling_normal_fan_avg", example="var_scaling_normal_fan_avg")
def var_scaling_normal_fan_avg(w: Fresh, scale: PositiveReal = 1.0) -> Tensor:
    """Normal numbers whose variance is a scale over the mean of inputs and outputs.

    Formula: w ~ N(0, 2 * scale / (fan_in + fan_out))
    Source: definition.
    Deeplearning4j: VAR_SCALING_NORMAL_FAN_AVG.
    Keras: VarianceScaling with mode = "fan_avg" and distribution = "untruncated_normal".
    PyTorch: has none.
    """
    return normal_of(w, 2 * scale / (w.fan_in + w.fan_out))


@init("var_scaling_uniform_fan_in", example="var_scaling_uniform_fan_in")
def var_scaling_uniform_fan_in(w: Fresh, scale: PositiveReal = 1.0) -> Tensor:
    """Uniform numbers whose variance is a scale over the inputs.

    Formula: w ~ U(-a, a), a = sqrt(3 * scale / fan_in)
    Source: definition.
    Deeplearning4j: VAR_SCALING_UNIFORM_FAN_IN, whose bound is 3 / sqrt(fan_in), which is too wide.
    Keras: VarianceScaling with mode = "fan_in" and distribution = "uniform".
    PyTorch: has none.
    """
    return uniform_to(w, ops.sqrt(3 * scale / w.fan_in))


@init("var_scaling_uniform_fan_out", example="var_scaling_uniform_fan_out")
def var_scaling_uniform_fan_out(w: Fresh, scale: PositiveReal = 1.0) -> Tensor:
    """Uniform numbers whose variance is a scale over the outputs.

    Formula: w ~ U(-a, a), a = sqrt(3 * scale / fan_out)
    Source: definition.
    Deeplearning4j: VAR_SCALING_UNIFORM_FAN_OUT, whose bound is 3 / sqrt(fan_out), which is too wide.
    Keras: VarianceScaling with mode = "fan_out" and distribution = "uniform".
    PyTorch: has none.
    """
    return uniform_to(w, ops.sqrt(3 * scale / w.fan_out))


@init("var_scaling_uniform_fan_avg", example="var_scaling_uniform_fan_avg")
def var_scaling_uniform_fan_avg(w: Fresh, scale: PositiveReal = 1.0) -> Tensor:
    """Uniform numbers whose variance is a scale over the mean of inputs and outputs.

    Formula: w ~ U(-a, a), a = sqrt(6 * scale / (fan_in + fan_out))
    Source: definition.
    Deeplearning4j: VAR_SCALING_UNIFORM_FAN_AVG, whose bound is 3 over the root of the mean, which is too wide.
    Keras: VarianceScaling with mode = "fan_avg" and distribution = "uniform".
    PyTorch: has none.
    """
    return uniform_to(w, ops.sqrt(6 * scale / (w.fan_in + w.fan_out)))


XAVIER = Init("xavier", xavier)
