"""Primitives that bend or saturate: functions of each element that activations are made of, with all their digits."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math

import numpy as np

from ..facts import elements
from ..ir import Equation, define
from ..types import OPEN_UNIT, Domain
from .elementwise import UNARY, Graph, absolute, exp, log1p_nodes, square, unary


def _tanh_onnx(g: Graph, eq: Equation, x: str) -> str:
    # ONNX Runtime's Tanh reaches 1.0000001, where 1 - y^2 has the wrong sign: docs/onnxruntime.md.
    type = eq.results[0].type
    return g.Clip(g.Tanh(x), g.scalar(-1, type), g.scalar(1, type))


tanh = define(
    "tanh",
    unary(lambda x: Domain(-1.0, 1.0)),
    numpy="np.tanh(x)",
    onnx=_tanh_onnx,
    cases=UNARY,
    grad=lambda b, g: (g * (1 - square(b.results[0])),),
)


def sigmoid_kernel(x):
    """Return 1 / (1 + exp(-x)) with all its digits, also near 0; no exp overflows."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def _sigmoid_onnx(g: Graph, eq: Equation, x: str) -> str:
    # Not Sigmoid, which in ONNX Runtime keeps no digits below -10 and is 0 below -18: docs/onnxruntime.md.
    return g.Div(g.Exp(g.Min(x, g.zero(eq))), g.Add(g.one(eq), g.Exp(g.Neg(g.Abs(x)))))


sigmoid = define(
    "sigmoid",
    unary(lambda x: OPEN_UNIT),
    numpy="sigmoid(x)",
    kernels=(sigmoid_kernel,),
    onnx=_sigmoid_onnx,
    cases=UNARY,
    grad=lambda b, g: (g * (b.results[0] * (1 - b.results[0])),),
    flops=lambda eq: 4 * elements(eq),
)


def softplus_nodes(g: Graph, eq: Equation, x: str) -> str:
    """max(x, 0) + log(1 + exp(-|x|)), where no exp overflows."""
    return g.Add(g.Max(x, g.zero(eq)), log1p_nodes(g, eq, g.Exp(g.Neg(g.Abs(x)))))


softplus = define(
    "softplus",
    unary(lambda x: Domain(low=0.0)),
    numpy="np.logaddexp(x, 0)",
    onnx=softplus_nodes,
    cases=UNARY,
    grad=lambda b, g: (g * sigmoid(b.args[0]),),
    flops=lambda eq: 4 * elements(eq),
)
softsign = define(
    "softsign",
    unary(lambda x: x.map(lambda v: v / (1 + abs(v)) if math.isfinite(v) else math.copysign(1, v))),
    numpy="x / (1 + np.abs(x))",
    onnx=lambda g, eq, x: g.Div(x, g.Add(g.one(eq), g.Abs(x))),
    cases=UNARY,
    # From x, since 1 - |softsign(x)| has lost its digits where x is large.
    grad=lambda b, g: (g / square(1 + absolute(b.args[0])),),
    flops=lambda eq: 3 * elements(eq),
)


def erf_kernel(x):
    """Return the error function of each element, by math.erf: NumPy has none."""
    values = [math.erf(value) for value in x.ravel().tolist()]
    return np.array(values, x.dtype).reshape(x.shape)


erf = define(
    "erf",
    unary(lambda x: Domain(-1.0, 1.0)),
    numpy="erf(x)",
    kernels=(erf_kernel,),
    onnx="Erf",
    cases=UNARY,
    grad=lambda b, g: (g * (2 / math.sqrt(math.pi) * exp(-square(b.args[0]))),),
    flops=lambda eq: 20 * elements(eq),
)
