"""Initializers: the first values of a weight."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..words import Fresh, Init, NonNegative, Real, WordError, init


def normal_numbers(w: Fresh) -> Tensor:
    """Standard normal numbers of the weight's shape, from its own stream."""
    return w.builder.emit(ops.draw_normal, key=w.name, shape=w.shape)


def uniform_numbers(w: Fresh) -> Tensor:
    """Numbers uniform in [0, 1) of the weight's shape, from its own stream."""
    return w.builder.emit(ops.draw_uniform, key=w.name, shape=w.shape)


def filled(w: Fresh, number: float) -> Tensor:
    """One number everywhere."""
    return w.builder.emit(ops.random.fill, number=number, shape=w.shape)


@init("zeros", example="zeros", aliases=("zero",))
def zeros(w: Fresh) -> Tensor:
    """0 everywhere."""
    return filled(w, 0.0)


@init("ones", example="ones")
def ones(w: Fresh) -> Tensor:
    """1 everywhere."""
    return filled(w, 1.0)


@init("constant", example="constant(0.1)")
def constant(w: Fresh, value: Real) -> Tensor:
    """One number everywhere."""
    return filled(w, value)


@init("normal", example="normal(0, 0.05)")
def normal(w: Fresh, mean: Real = 0.0, deviation: NonNegative | None = None) -> Tensor:
    """Normal numbers; the deviation is 1/sqrt(fan_in) unless given."""
    scale = 1 / ops.sqrt(w.fan_in) if deviation is None else deviation
    return mean + scale * normal_numbers(w)


@init("uniform", example="uniform(-0.1, 0.1)")
def uniform(w: Fresh, low: Real | None = None, high: Real | None = None) -> Tensor:
    """Uniform numbers from low to high, by default from -1/sqrt(fan_in) to 1/sqrt(fan_in)."""
    if low is None and high is None:
        return (2 * uniform_numbers(w) - 1) / ops.sqrt(w.fan_in)
    if low is None or high is None or low > high:
        raise WordError("bad-option", "uniform needs both its ends, the lower first", "write uniform(-0.1, 0.1)")
    return low + (high - low) * uniform_numbers(w)


@init("xavier", example="xavier", aliases=("glorot",))
def xavier(w: Fresh) -> Tensor:
    """Normal with variance 2/(fan_in + fan_out) (Glorot and Bengio 2010)."""
    return ops.sqrt(2 / (w.fan_in + w.fan_out)) * normal_numbers(w)


@init("he", example="he", aliases=("relu", "kaiming"))
def he(w: Fresh) -> Tensor:
    """Normal with variance 2/fan_in, made for relu (He et al. 2015)."""
    return ops.sqrt(2 / w.fan_in) * normal_numbers(w)


@init("lecun", example="lecun")
def lecun(w: Fresh) -> Tensor:
    """Normal with variance 1/fan_in, made for selu and tanh (LeCun et al. 1998)."""
    return ops.sqrt(1 / w.fan_in) * normal_numbers(w)


@init("orthogonal", example="orthogonal")
def orthogonal(w: Fresh, gain: Real = 1.0) -> Tensor:
    """Orthonormal rows or columns, times a gain (Saxe et al. 2013); a bias cannot be orthogonal."""
    if len(w.shape) != 2:
        raise WordError("bad-option", "orthogonal needs a matrix, and a bias is none", "use zeros for a bias")
    return gain * w.builder.emit(ops.draw_orthogonal, key=w.name, shape=w.shape)


XAVIER = Init("xavier", xavier)
ZEROS = Init("zeros", zeros)
