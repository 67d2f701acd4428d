"""Initializers: the first values of a weight, from fixed numbers and from laws that the spec gives in full."""

from __future__ import annotations

from .. import ops
from ..ir import Tensor
from ..types import count
from ..words import Chance, Fresh, Init, NonNegative, Positive, Real, WordError, init


def normal_numbers(w: Fresh) -> Tensor:
    """Standard normal numbers of the weight's shape, from its own stream."""
    return w.builder.emit(ops.draw_normal, key=w.name, shape=w.shape)


def uniform_numbers(w: Fresh) -> Tensor:
    """Numbers uniform in [0, 1) of the weight's shape, from its own stream."""
    return w.builder.emit(ops.draw_uniform, key=w.name, shape=w.shape)


def filled(w: Fresh, number: float) -> Tensor:
    """One number everywhere."""
    return w.builder.emit(ops.random.fill, number=number, shape=w.shape)


# Fixed numbers --------------------------------------------------------------------------------------------------------


@init("zeros", example="zeros", aliases=("zero",))
def zeros(w: Fresh) -> Tensor:
    """0 everywhere.

    Formula: w = 0
    Source: definition.
    Deeplearning4j: ZERO.
    Keras: Zeros.
    PyTorch: zeros_.
    """
    return filled(w, 0.0)


@init("ones", example="ones", aliases=("one",))
def ones(w: Fresh) -> Tensor:
    """1 everywhere.

    Formula: w = 1
    Source: definition.
    Deeplearning4j: ONES.
    Keras: Ones.
    PyTorch: ones_.
    """
    return filled(w, 1.0)


@init("constant", example="constant(0.1)")
def constant(w: Fresh, value: Real) -> Tensor:
    """One number everywhere; the number alone means the same.

    Formula: w = value
    Source: definition.
    Deeplearning4j: ConstantDistribution.
    Keras: Constant.
    PyTorch: constant_.
    """
    return filled(w, value)


@init("identity", example="identity", aliases=("eye",))
def identity(w: Fresh, gain: Real = 1.0) -> Tensor:
    """1 on the diagonal of a square matrix and 0 elsewhere, times a gain.

    Formula: w[i, j] = gain for i = j, else 0
    Source: definition.
    Deeplearning4j: IDENTITY; WeightInitIdentity(scale) has the gain.
    Keras: Identity, gain = 1, which also fills matrices that are not square.
    PyTorch: eye_, which also fills matrices that are not square.
    """
    if len(w.shape) != 2 or w.shape[0] != w.shape[1]:
        message = f"identity needs a square matrix, and {w.name} has the shape {list(w.shape)}"
        raise WordError("bad-option", message, "give the layer as many outputs as inputs, or take orthogonal")
    return gain * w.builder.emit(ops.eye, size=w.shape[0])


@init("orthogonal", example="orthogonal")
def orthogonal(w: Fresh, gain: Real = 1.0) -> Tensor:
    """A random matrix with orthonormal rows or columns, times a gain; each filter of a convolution is a row.

    Formula: w = gain * q, where q is uniform among the matrices with q' q = 1 or q q' = 1
    Source: Saxe et al. 2013, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks.
    Deeplearning4j: OrthogonalDistribution, gain = 1.
    Keras: Orthogonal, gain = 1.
    PyTorch: orthogonal_, gain = 1.
    """
    if len(w.shape) < 2:
        raise WordError("bad-option", "orthogonal needs a matrix, and a bias is none", "use zeros for a bias")
    rows = w.builder.emit(ops.draw_orthogonal, key=w.name, shape=(w.shape[0], count(w.shape[1:])))
    drawn = rows if len(w.shape) == 2 else ops.reshape(rows, shape=w.shape)
    return drawn if gain == 1 else gain * drawn


# Laws -----------------------------------------------------------------------------------------------------------------


@init("normal", example="normal(0, 0.05)")
def normal(w: Fresh, mean: Real = 0.0, deviation: NonNegative | None = None) -> Tensor:
    """Normal numbers; unless given, the deviation is 1/sqrt(fan_in).

    Formula: w ~ N(mean, deviation^2)
    Source: definition.
    Deeplearning4j: NORMAL has the deviation 1/sqrt(fan_in), NormalDistribution any.
    Keras: RandomNormal, whose deviation is 0.05 unless told.
    PyTorch: normal_, whose deviation is 1 unless told.
    """
    return mean + _deviation(w, deviation) * normal_numbers(w)


@init("truncated_normal", example="truncated_normal(0, 0.05)")
def truncated_normal(w: Fresh, mean: Real = 0.0, deviation: NonNegative | None = None) -> Tensor:
    """Normal numbers, drawn again where they lie beyond two deviations.

    The deviation is that of the law before it is cut; what is left has 0.8796 of it. The default is 1/sqrt(fan_in).

    Formula: w ~ N(mean, deviation^2) given |w - mean| <= 2 * deviation
    Source: definition.
    Deeplearning4j: TruncatedNormalDistribution.
    Keras: TruncatedNormal, whose deviation is 0.05 unless told.
    PyTorch: trunc_normal_, whose ends are numbers, and -2 and 2 unless told.
    """
    numbers = w.builder.emit(ops.draw_truncated, key=w.name, shape=w.shape)
    return mean + _deviation(w, deviation) * numbers


def _deviation(w: Fresh, given: float | None) -> Tensor | float:
    return 1 / ops.sqrt(w.fan_in) if given is None else given


@init("lognormal", example="lognormal(-2, 0.25)", aliases=("log_normal",))
def lognormal(w: Fresh, mean: Real = 0.0, deviation: NonNegative = 1.0) -> Tensor:
    """Positive numbers whose logarithms are normal.

    Formula: log(w) ~ N(mean, deviation^2)
    Source: definition.
    Deeplearning4j: LogNormalDistribution.
    Keras: has none.
    PyTorch: Tensor.log_normal_, whose mean is 1 and deviation 2 unless told.
    """
    return ops.exp(mean + deviation * normal_numbers(w))


@init("uniform", example="uniform(-0.1, 0.1)")
def uniform(w: Fresh, low: Real | None = None, high: Real | None = None) -> Tensor:
    """Uniform numbers between two ends, by default -1/sqrt(fan_in) and 1/sqrt(fan_in).

    Formula: w ~ U(low, high)
    Source: definition.
    Deeplearning4j: UNIFORM has the ends 1/sqrt(fan_in), UniformDistribution any.
    Keras: RandomUniform, whose ends are -0.05 and 0.05 unless told.
    PyTorch: uniform_, whose ends are 0 and 1 unless told.
    """
    if low is None and high is None:
        return (2 * uniform_numbers(w) - 1) / ops.sqrt(w.fan_in)
    if low is None or high is None or low > high:
        raise WordError("bad-option", "uniform needs both its ends, the lower first", "write uniform(-0.1, 0.1)")
    return low + (high - low) * uniform_numbers(w)


@init("binomial", example="binomial(4, 0.3)")
def binomial(w: Fresh, trials: Positive, chance: Chance = 0.5) -> Tensor:
    """Whole numbers: how many of some trials succeed.

    Formula: w ~ B(trials, chance)
    Source: definition.
    Deeplearning4j: BinomialDistribution.
    Keras: has none.
    PyTorch: has none.
    """
    return w.builder.emit(ops.draw_binomial, key=w.name, shape=w.shape, trials=trials, share=chance)


ONES, ZEROS = Init("ones", ones), Init("zeros", zeros)
