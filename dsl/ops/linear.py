"""The matrix product and softmax."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import numpy as np

from ..ir import Equation, Tensor, define, elements
from ..types import REAL, SIMPLEX, Domain, Type
from .elementwise import exp
from .reduce import total
from .shape import permute, transpose


def _matmul_type(a: Type, b: Type) -> Type:
    assert a.rank == b.rank >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2], (a, b)
    return Type(a.dtype, (*a.shape[:-1], b.shape[-1]), REAL)


def _turned(x: Tensor) -> Tensor:
    """Each matrix transposed."""
    axes = range(len(x.shape) - 2)
    return permute(x, axes=(*axes, len(axes) + 1, len(axes))) if axes else transpose(x)


def _matmul_flops(eq: Equation) -> int:
    inner = eq.args[0].type.shape[-1]
    return 2 * elements(eq) * (inner if isinstance(inner, int) else 1)


matmul = define(
    "matmul",
    _matmul_type,
    numpy="a @ b",
    onnx="MatMul",
    flops=_matmul_flops,
    cases=((("N,4", "4,3"), {}), (("2,N,4", "2,4,3"), {})),
    grad=lambda b, g: (g @ _turned(b.args[1]), _turned(b.args[0]) @ g),
)


def _softmax_type(x: Type) -> Type:
    return Type(x.dtype, x.shape, SIMPLEX)


def softmax_kernel(x):
    """Return the softmax of each row."""
    exps = np.exp(x - x.max(axis=-1, keepdims=True))  # so that exp cannot overflow
    return exps / exps.sum(axis=-1, keepdims=True)


def log_softmax_kernel(x):
    """Return the logarithm of the softmax of each row."""
    shifted = x - x.max(axis=-1, keepdims=True)  # so that exp cannot overflow
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _row_sum(x: Tensor) -> Tensor:
    return total(x, axes=(len(x.shape) - 1,), keepdims=True)


softmax = define(
    "softmax",
    _softmax_type,
    numpy="softmax(x)",
    kernels=(softmax_kernel,),
    onnx=lambda g, eq, x: g.Softmax(x, axis=-1),
    flops=lambda eq: 5 * elements(eq),
    cases=((("N,4",), {}),),
    grad=lambda b, g: (b.results[0] * (g - _row_sum(g * b.results[0])),),
)
log_softmax = define(
    "log_softmax",
    lambda x: Type(x.dtype, x.shape, Domain(high=0.0, high_open=False)),
    numpy="log_softmax(x)",
    kernels=(log_softmax_kernel,),
    onnx=lambda g, eq, x: g.LogSoftmax(x, axis=-1),
    flops=lambda eq: 5 * elements(eq),
    cases=((("N,4",), {}),),
    grad=lambda b, g: (g - exp(b.results[0]) * _row_sum(g),),
)
