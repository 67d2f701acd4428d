"""The matrix product and softmax."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..facts import always, elements, no_work
from ..ir import Backward, Equation, Tensor, define
from ..types import REAL, SIMPLEX, Domain, Type, broadcast, rows
from .elementwise import exp
from .reduce import total
from .reshape import reshape
from .shape import transpose


def _matmul_type(a: Type, b: Type) -> Type:
    assert min(a.rank, b.rank) >= 2 and a.shape[-1] == b.shape[-2], (a, b)
    return Type(a.dtype, (*broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), REAL)


def _transposed_type(x: Type) -> Type:
    return replace(x, shape=(*x.shape[:-2], x.shape[-1], x.shape[-2]), domain=x.domain.interval)


def _transposed_onnx(g: Any, eq: Equation, x: str) -> str:
    axes = range(eq.args[0].type.rank - 2)
    return g.Transpose(x, perm=[*axes, len(axes) + 1, len(axes)])


# Each matrix of an array of several.
transposed = define(
    "transposed",
    _transposed_type,
    numpy="x.mT",
    onnx=_transposed_onnx,
    flops=no_work,
    cheap=always,
    cases=((("N,2,3",), {}), (("N,2,T,3",), {})),
    grad=lambda b, g: (transposed(g),),
)


def _matmul_grad(b: Backward, g: Tensor) -> tuple[Tensor, Tensor]:
    left, right = b.args
    if len(right.shape) > 2 or len(left.shape) == 2:
        return g @ _turned(right), _turned(left) @ g
    # One matrix for every row of all the axes in front: one product sums what it gets from each.
    every = transpose(reshape(left, shape=(rows(left.shape), left.shape[-1])))
    return g @ transpose(right), every @ reshape(g, shape=(rows(g.shape), g.shape[-1]))


def _turned(x: Tensor) -> Tensor:
    return transposed(x) if len(x.shape) > 2 else transpose(x)


def _matmul_flops(eq: Equation) -> int:
    inner = eq.args[0].type.shape[-1]
    return 2 * elements(eq) * (inner if isinstance(inner, int) else 1)


matmul = define(
    "matmul",
    _matmul_type,
    numpy="a @ b",
    onnx="MatMul",
    flops=_matmul_flops,
    cases=((("N,4", "4,3"), {}), (("2,N,4", "2,4,3"), {}), (("N,T,4", "4,3"), {}), (("2,4", "N,4,T"), {})),
    grad=_matmul_grad,
)


# The share of one alone, whatever its score.
_ALL = replace(SIMPLEX, low=1.0, low_open=False, high_open=False)


def _softmax_type(x: Type) -> Type:
    return Type(x.dtype, x.shape, _ALL if x.shape[-1] == 1 else SIMPLEX)


def softmax_kernel(x):
    """Return the softmax of each row."""
    exps = np.exp(x - x.max(axis=-1, keepdims=True))  # so that exp cannot overflow
    return exps / exps.sum(axis=-1, keepdims=True)


def log_softmax_kernel(x):
    """Return the logarithm of the softmax of each row."""
    shifted = x - x.max(axis=-1, keepdims=True)  # so that exp cannot overflow
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def row_sum(x: Tensor) -> Tensor:
    """The sum of each row, along the last axis."""
    return total(x, axes=(len(x.shape) - 1,), keepdims=True)


softmax = define(
    "softmax",
    _softmax_type,
    numpy="softmax(x)",
    kernels=(softmax_kernel,),
    onnx=lambda g, eq, x: g.Softmax(x, axis=-1),
    flops=lambda eq: 5 * elements(eq),
    cases=((("N,4",), {}),),
    grad=lambda b, g: (b.results[0] * (g - row_sum(g * b.results[0])),),
)
log_softmax = define(
    "log_softmax",
    lambda x: Type(x.dtype, x.shape, Domain(high=0.0, high_open=False)),
    numpy="log_softmax(x)",
    kernels=(log_softmax_kernel,),
    onnx=lambda g, eq, x: g.LogSoftmax(x, axis=-1),
    flops=lambda eq: 5 * elements(eq),
    cases=((("N,4",), {}),),
    grad=lambda b, g: (g - exp(b.results[0]) * row_sum(g),),
)
