"""Functions of each element that losses need, in forms that neither overflow nor lose the digits of small numbers."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..facts import elements
from ..ir import Equation, define
from ..types import NON_NEGATIVE, POSITIVE, REAL, UNIT, Domain, Type
from .curves import softplus_nodes, tanh
from .elementwise import clip, exp, minimum
from .linear import softmax
from .shape import expand_dims

# Where exp goes on as its tangent: e^30 is 1e13, more than anyone counts, and its square still fits float32.
STEEPEST = 30


def _unary(domain: Domain) -> Any:
    def type_of(x: Type) -> Type:
        return Type(x.dtype, x.shape, domain)

    return type_of


def _logcosh_onnx(g: Any, eq: Equation, x: str) -> str:
    size = g.Abs(x)
    two, half = g.scalar(-2, eq.results[0].type), g.scalar(math.log(2), eq.results[0].type)
    return g.Add(size, g.Sub(g.Log(g.Add(g.one(eq), g.Exp(g.Mul(two, size)))), half))


logcosh = define(
    "logcosh",
    _unary(NON_NEGATIVE),
    numpy="np.logaddexp(x, -x) - math.log(2)",
    onnx=_logcosh_onnx,
    cases=((("N,4",), {}),),
    grad=lambda b, g: (g * tanh(b.args[0]),),
    flops=lambda eq: 4 * elements(eq),
)


def _lowered(g: Any, eq: Equation, x: str) -> tuple[str, str]:
    """Of x held above -30: itself, and its softplus."""
    low = g.Max(x, g.scalar(-STEEPEST, eq.results[0].type))
    return low, softplus_nodes(g, eq, low)


def _log_softplus_onnx(g: Any, eq: Equation, x: str) -> str:
    rest = g.Min(g.Add(x, g.scalar(STEEPEST, eq.results[0].type)), g.zero(eq))
    return g.Add(g.Log(_lowered(g, eq, x)[1]), rest)


# Below -30 the logarithm of softplus is its argument.
log_softplus = define(
    "log_softplus",
    _unary(REAL),
    numpy=f"np.log(np.logaddexp(np.maximum(x, -{STEEPEST}), 0)) + np.minimum(x + {STEEPEST}, 0)",
    onnx=_log_softplus_onnx,
    cases=((("N,4",), {}),),
    grad=lambda b, g: (g * log_softplus_slope(b.args[0]),),
    flops=lambda eq: 7 * elements(eq),
)


def log_softplus_slope_kernel(x):
    """Return the slope of log(softplus(x)), which is 1 where x is far below 0."""
    low = np.maximum(x, -30)
    rate = np.logaddexp(low, 0)
    return np.exp(low - rate) / rate


def _log_softplus_slope_onnx(g: Any, eq: Equation, x: str) -> str:
    low, rate = _lowered(g, eq, x)
    return g.Div(g.Exp(g.Sub(low, rate)), rate)


log_softplus_slope = define(
    "log_softplus_slope",
    _unary(UNIT),
    numpy="log_softplus_slope(x)",
    kernels=(log_softplus_slope_kernel,),
    onnx=_log_softplus_slope_onnx,
    cases=((("N,4",), {}),),
    flops=lambda eq: 7 * elements(eq),
)


def _steady_exp_onnx(g: Any, eq: Equation, x: str) -> str:
    top, before = (g.scalar(n, eq.results[0].type) for n in (STEEPEST, STEEPEST - 1))
    return g.Mul(g.Exp(g.Min(x, top)), g.Max(g.Sub(x, before), g.one(eq)))


steady_exp = define(
    "steady_exp",
    _unary(POSITIVE),
    numpy=f"np.exp(np.minimum(x, {STEEPEST})) * np.maximum(x - {STEEPEST - 1}, 1)",
    onnx=_steady_exp_onnx,
    cases=((("N,4",), {}),),
    grad=lambda b, g: (g * exp(minimum(b.args[0], STEEPEST)),),
    flops=lambda eq: 4 * elements(eq),
    note=f"a straight line beyond {STEEPEST}, so exp cannot overflow",
)


def logsumexp_kernel(x):
    """Return the logarithm of the sum of exponentials of each row."""
    top = x.max(axis=-1)
    return top + np.log(np.exp(x - top[..., None]).sum(axis=-1))  # none exceeds 1


def _logsumexp_onnx(g: Any, eq: Equation, x: str) -> str:
    last = g.ints((-1,))
    top = g.ReduceMax(x, last, keepdims=1)
    total = g.ReduceSum(g.Exp(g.Sub(x, top)), last, keepdims=0)
    return g.Add(g.Squeeze(top, last), g.Log(total))


logsumexp = define(
    "logsumexp",
    lambda x: Type(x.dtype, x.shape[:-1], REAL),
    numpy="logsumexp(x)",
    kernels=(logsumexp_kernel,),
    onnx=_logsumexp_onnx,
    cases=((("N,4",), {}),),
    grad=lambda b, g: (expand_dims(g, axis=len(g.shape)) * softmax(b.args[0]),),
    flops=lambda eq: 4 * elements(eq),
)


def huber_kernel(error, delta):
    """Return half the square of each error, in a straight line beyond delta."""
    size = np.abs(error)
    near = np.minimum(size, delta)
    return near * (size - 0.5 * near)


def _huber_onnx(g: Any, eq: Equation, error: str) -> str:
    size = g.Abs(error)
    near = g.Min(size, g.scalar(eq.attrs["delta"], eq.results[0].type))
    return g.Mul(near, g.Sub(size, g.Mul(near, g.scalar(0.5, eq.results[0].type))))


huber = define(
    "huber",
    lambda error, *, delta: Type(error.dtype, error.shape, NON_NEGATIVE),
    numpy="huber(error, delta)",
    kernels=(huber_kernel,),
    onnx=_huber_onnx,
    cases=((("N,4",), {"delta": 1.0}), (("N,4",), {"delta": 0.5})),
    grad=lambda b, g: (g * clip(b.args[0], low=-b.attrs["delta"], high=b.attrs["delta"]),),
    flops=lambda eq: 5 * elements(eq),
)
