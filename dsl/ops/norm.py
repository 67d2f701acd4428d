"""Primitives of norms: over the batch for each channel, over axes of an example, and over neighbouring channels."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from typing import Any

import numpy as np

from ..facts import elements
from ..ir import Backward, Equation, Tensor, define
from ..types import NON_NEGATIVE, REAL, Type
from .elementwise import sqrt
from .reduce import total
from .reshape import reshape
from .shape import padded

# Over the batch: the channels stand on axis 1, and what belongs to them has a number for each -------------------------


def _others(rank: int) -> tuple[int, ...]:
    """The axes that are not the channels'."""
    return (0, *range(2, rank))


def _channels(x: Type) -> int:
    size = x.shape[1]
    assert isinstance(size, int)
    return size


def _along(vector: Tensor, x: Tensor) -> Tensor:
    """A number for each channel in a shape that broadcasts over x; a single number as it is."""
    ones = len(x.shape) - 2
    return reshape(vector, shape=(*vector.shape, *[1] * ones)) if ones and vector.shape else vector


def _along_onnx(g: Any, x: Type, name: str, vector: Type) -> str:
    return g.Reshape(name, g.ints((-1, *[1] * (x.rank - 2)))) if x.rank > 2 and vector.shape else name


def batchnorm_kernel(x, gamma, beta, mean, var, train=True, eps=1e-5, momentum=0.1):
    """Return x normalised, the statistics used, and the running ones, moved."""
    x = np.moveaxis(x, 1, -1)  # the channels last, so that their numbers broadcast
    axes, count = tuple(range(x.ndim - 1)), x[..., 0].size
    centre = x.mean(axis=axes) if train else mean
    centred = x - centre
    spread = np.square(centred).mean(axis=axes) if train else var
    y = centred * (gamma / np.sqrt(spread + eps)) + beta
    if train and count > 1:  # one value has no variance, and moves nothing
        unbiased = spread * (count / (count - 1))
        mean = (1 - momentum) * mean + momentum * centre
        var = (1 - momentum) * var + momentum * unbiased
    return np.moveaxis(y, -1, 1), np.stack([centre, spread]), mean, var


def _batchnorm_type(
    x: Type, gamma: Type, beta: Type, mean: Type, var: Type, *, eps: float, momentum: float
) -> tuple[Type, Type, Type, Type]:
    stats = Type(x.dtype, (2, x.shape[1]))
    return Type(x.dtype, x.shape), stats, Type(mean.dtype, mean.shape), Type(var.dtype, var.shape, NON_NEGATIVE)


def _settings(**given: tuple[float, float]) -> str:
    """The settings of a call, but for those that are as its function has them."""
    return "".join(f", {name}={value!r}" for name, (value, usual) in given.items() if value != usual)


def _batchnorm_spelling(*types: Type, eps: float, momentum: float) -> str:
    return f"batchnorm(x, gamma, beta, mean, var{_settings(eps=(eps, 1e-5), momentum=(momentum, 0.1))})"


def _batchnorm_onnx(g: Any, eq: Equation, x: str, gamma: str, beta: str, mean: str, var: str) -> tuple[str, ...]:
    given, flat = eq.args[0].type, g.ints((-1,))
    axes = g.ints(_others(given.rank))
    batch_mean = g.ReduceMean(x, axes, keepdims=1)
    centred = g.Sub(x, batch_mean)
    batch_var = g.ReduceMean(g.Mul(centred, centred), axes, keepdims=1)
    gamma, beta = (_along_onnx(g, given, name, eq.args[i].type) for i, name in ((1, gamma), (2, beta)))
    scale = g.Div(gamma, g.Sqrt(g.Add(batch_var, g.scalar(eq.attrs["eps"], given))))
    means, variances = g.Reshape(batch_mean, flat), g.Reshape(batch_var, flat)
    first = g.ints((0,))
    stats = g.Concat(g.Unsqueeze(means, first), g.Unsqueeze(variances, first), axis=0)
    moved = _moved_onnx(g, eq, g.Shape(x), (mean, var), (means, variances))
    return g.Add(g.Mul(centred, scale), beta), stats, *moved


def _moved_onnx(g: Any, eq: Equation, shape: str, old: tuple[str, str], batch: tuple[str, str]) -> tuple[str, str]:
    """The running mean and variance, moved unless there is one value of each channel alone."""
    given, one = eq.args[0].type, g.one(eq)
    sizes = g.Gather(shape, g.ints(_others(given.rank)))
    count = g.Cast(g.ReduceProd(sizes, g.ints((0,)), keepdims=0), to=g.dtype(given))
    several = g.Greater(count, one)
    unbiased = g.Mul(batch[1], g.Div(count, g.Where(several, g.Sub(count, one), one)))
    share = g.Where(several, g.scalar(eq.attrs["momentum"], given), g.zero(eq))
    rest = g.Sub(one, share)
    mean, var = (g.Add(g.Mul(rest, o), g.Mul(share, n)) for o, n in zip(old, (batch[0], unbiased), strict=True))
    return mean, var


def _batchnorm_grad(b: Backward, g: Tensor, *others: Tensor | None) -> tuple[Tensor | None, ...]:
    assert not any(others)  # the running statistics lead to no loss
    x, gamma = b.args[:2]
    return *batchnorm_grad(g, x, gamma, b.results[1], eps=b.attrs["eps"]), None, None


batchnorm = define(
    "batchnorm",
    _batchnorm_type,
    numpy=_batchnorm_spelling,
    kernels=(batchnorm_kernel,),
    onnx=_batchnorm_onnx,
    flops=lambda eq: 7 * elements(eq),
    cases=(
        (("N,4", "4", "4", "4", "4 in positive"), {"eps": 1e-5, "momentum": 0.1}),
        (("N,3,2,2", "3", "3", "3", "3 in positive"), {"eps": 0.1, "momentum": 0.5}),
        (("N,3,2", "", "", "3", "3 in positive"), {"eps": 1e-5, "momentum": 0.1}),
        (("1,3", "3", "3", "3", "3 in positive"), {"eps": 1e-5, "momentum": 0.1}),
    ),
    grad=_batchnorm_grad,
)


def batchnorm_grad_kernel(dy, x, gamma, stats, eps=1e-5):
    """Return the gradients for x, which moves its mean and variance, gamma and beta."""
    dy, x = np.moveaxis(dy, 1, -1), np.moveaxis(x, 1, -1)
    axes = tuple(range(x.ndim - 1))
    mean, var = stats
    deviation = np.sqrt(var + eps)
    normal = (x - mean) / deviation
    dgamma, dbeta = (dy * normal).sum(axis=axes), dy.sum(axis=axes)
    count = x.size // mean.size
    dx = (dy - dbeta / count - normal * (dgamma / count)) * (gamma / deviation)
    return np.moveaxis(dx, -1, 1), dgamma, dbeta


def _batchnorm_grad_type(dy: Type, x: Type, gamma: Type, stats: Type, *, eps: float) -> tuple[Type, Type, Type]:
    vector = Type(dy.dtype, (x.shape[1],))
    return Type(dy.dtype, dy.shape), vector, vector


def _batchnorm_grad_spelling(*types: Type, eps: float) -> str:
    return f"batchnorm_grad(dy, x, gamma, stats{_settings(eps=(eps, 1e-5))})"


def _batchnorm_grad_onnx(g: Any, eq: Equation, dy: str, x: str, gamma: str, stats: str) -> tuple[str, ...]:
    given = eq.args[1].type
    axes, flat, each = g.ints(_others(given.rank)), g.ints((-1,)), (-1, *[1] * (given.rank - 2))
    mean, var = (g.Reshape(g.Gather(stats, g.ints((row,)), axis=0), g.ints(each)) for row in (0, 1))
    gamma = _along_onnx(g, given, gamma, eq.args[2].type)
    deviation = g.Sqrt(g.Add(var, g.scalar(eq.attrs["eps"], given)))
    normal = g.Div(g.Sub(x, mean), deviation)
    product = g.Mul(dy, normal)
    sums = [g.Reshape(g.ReduceSum(v, axes, keepdims=1), flat) for v in (product, dy)]
    means = [g.ReduceMean(v, axes, keepdims=1) for v in (product, dy)]
    dx = g.Mul(g.Sub(g.Sub(dy, means[1]), g.Mul(normal, means[0])), g.Div(gamma, deviation))
    return dx, *sums


batchnorm_grad = define(
    "batchnorm_grad",
    _batchnorm_grad_type,
    numpy=_batchnorm_grad_spelling,
    kernels=(batchnorm_grad_kernel,),
    onnx=_batchnorm_grad_onnx,
    flops=lambda eq: 11 * elements(eq),
    cases=(
        (("N,4", "N,4", "4", "2,4 in positive"), {"eps": 1e-5}),
        (("N,3,2,2", "N,3,2,2", "", "2,3 in positive"), {"eps": 0.1}),
    ),
)


def _predict_onnx(g: Any, eq: Equation, x: str, gamma: str, beta: str, mean: str, var: str) -> str:
    given = eq.args[0].type
    if not eq.args[1].type.shape:
        gamma = g.constant(np.ones(_channels(given), np.float32), "ones")
    if not eq.args[2].type.shape:
        beta = g.constant(np.zeros(_channels(given), np.float32), "zeros")
    return g.BatchNormalization(x, gamma, beta, mean, var, epsilon=eq.attrs["eps"])


def _predict_grad(b: Backward, g: Tensor) -> tuple[Tensor | None, ...]:
    x, gamma, _, mean, var = b.args
    axes = _others(len(x.shape))
    deviation = sqrt(var + b.attrs["eps"])
    normal = (x - _along(mean, x)) / _along(deviation, x)
    dgamma = total(g * normal, axes=axes, keepdims=False)
    return g * _along(gamma / deviation, x), dgamma, total(g, axes=axes, keepdims=False), None, None


batchnorm_predict = define(
    "batchnorm_predict",
    lambda x, gamma, beta, mean, var, *, eps: Type(x.dtype, x.shape),
    numpy=lambda *types, eps: f"batchnorm(x, gamma, beta, mean, var, train=False{_settings(eps=(eps, 1e-5))})[0]",
    kernels=(batchnorm_kernel,),
    onnx=_predict_onnx,
    flops=lambda eq: 3 * elements(eq),
    cases=(
        (("N,4", "4", "4", "4", "4 in positive"), {"eps": 1e-5}),
        (("N,3,2,2", "3", "3", "3", "3 in positive"), {"eps": 0.1}),
    ),
    grad=_predict_grad,
)

# Over axes of an example ----------------------------------------------------------------------------------------------


def normalize_kernel(x, axes, eps):
    """Return x with mean 0 and deviation 1 over axes, and the deviation it had."""
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + eps)
    return centred / deviation, deviation


def _kept(x: Type, axes: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))


def _axes_text(axes: tuple[int, ...]) -> str:
    return str(axes[0] if len(axes) == 1 else axes)


def _normalize_onnx(g: Any, eq: Equation, x: str) -> tuple[str, str]:
    axes = g.ints(eq.attrs["axes"])
    centred = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    var = g.ReduceMean(g.Mul(centred, centred), axes, keepdims=1)
    deviation = g.Sqrt(g.Add(var, g.scalar(eq.attrs["eps"], eq.args[0].type)))
    return g.Div(centred, deviation), deviation


def _normalize_grad(b: Backward, g: Tensor, ddeviation: Tensor | None) -> tuple[Tensor]:
    assert ddeviation is None
    return (normalize_grad(g, b.results[0], b.results[1], axes=b.attrs["axes"]),)


normalize = define(
    "normalize",
    lambda x, *, axes, eps: (Type(x.dtype, x.shape), Type(x.dtype, _kept(x, axes), NON_NEGATIVE)),
    numpy=lambda x, axes, eps: f"normalize(x, {_axes_text(axes)}, {eps!r})",
    kernels=(normalize_kernel,),
    onnx=_normalize_onnx,
    flops=lambda eq: 6 * elements(eq),
    cases=((("N,4",), {"axes": (1,), "eps": 1e-5}), (("N,2,3,2",), {"axes": (2, 3), "eps": 0.1})),
    grad=_normalize_grad,
)


def normalize_grad_kernel(dy, normal, deviation, axes):
    """Return the gradient of normalize for x, whose mean and deviation move too."""
    along = (dy * normal).mean(axis=axes, keepdims=True)
    return (dy - dy.mean(axis=axes, keepdims=True) - normal * along) / deviation


def _normalize_grad_onnx(g: Any, eq: Equation, dy: str, normal: str, deviation: str) -> str:
    axes = g.ints(eq.attrs["axes"])
    along = g.ReduceMean(g.Mul(dy, normal), axes, keepdims=1)
    return g.Div(g.Sub(g.Sub(dy, g.ReduceMean(dy, axes, keepdims=1)), g.Mul(normal, along)), deviation)


normalize_grad = define(
    "normalize_grad",
    lambda dy, normal, deviation, *, axes: Type(dy.dtype, dy.shape),
    numpy=lambda dy, normal, deviation, axes: f"normalize_grad(dy, normal, deviation, {_axes_text(axes)})",
    kernels=(normalize_grad_kernel,),
    onnx=_normalize_grad_onnx,
    flops=lambda eq: 7 * elements(eq),
    cases=((("N,4", "N,4", "N,1 in positive"), {"axes": (1,)}),),
)

# Over neighbouring channels -------------------------------------------------------------------------------------------


def neighbours_kernel(x, size):
    """Return for each channel the sum over it and its nearest ones, `size` in all."""
    padded = np.zeros((len(x), x.shape[1] + size - 1, *x.shape[2:]), x.dtype)
    padded[:, size // 2 : size // 2 + x.shape[1]] = x
    return sum(padded[:, i : i + x.shape[1]] for i in range(size))


def _neighbours_onnx(g: Any, eq: Equation, x: str) -> str:
    size, half = eq.attrs["size"], eq.attrs["size"] // 2
    given, none = eq.args[0].type, (0, 0)
    channels, wide = _channels(given), padded(g, x, [none, (half, half), *[none] * (given.rank - 2)])
    return g.Sum(*(g.Slice(wide, g.ints((i,)), g.ints((i + channels,)), g.ints((1,))) for i in range(size)))


neighbours = define(
    "neighbours",
    lambda x, *, size: Type(x.dtype, x.shape, NON_NEGATIVE if x.domain.low >= 0 else REAL),
    numpy="neighbours(x, size)",
    kernels=(neighbours_kernel,),
    onnx=_neighbours_onnx,
    flops=lambda eq: eq.attrs["size"] * elements(eq),
    cases=((("N,4",), {"size": 3}), (("N,3,2",), {"size": 5})),
    # A channel is in the sums of those that are in its own.
    grad=lambda b, g: (neighbours(g, size=b.attrs["size"]),),
)
