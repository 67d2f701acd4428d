"""Primitives that bring a weight back within what the spec asks of it.

A norm is that of one output's weights: a column of a matrix, or, of more axes, what has one place on the first.
"""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Equation, define
from ..types import NON_NEGATIVE as AT_LEAST_0
from ..types import SIGNED_UNIT, Type

CASE = ("4,3",)


def _norms_onnx(g: Any, eq: Equation, w: str) -> str:
    rank = eq.args[0].type.rank
    axes = g.ints(range(1, rank) if rank > 2 else (0,))
    return g.Sqrt(g.ReduceSum(g.Mul(w, w), axes, keepdims=1))


def norms(w):
    """Return the norm of each column of a matrix, or filter of a convolution."""
    axes = tuple(range(1, w.ndim)) if w.ndim > 2 else 0
    return np.sqrt(np.square(w).sum(axis=axes, keepdims=True))


def non_negative_kernel(w):
    """Return a weight with 0 in the place of what is negative."""
    return np.maximum(w, 0)


non_negative = define(
    "non_negative",
    lambda w: Type(w.dtype, w.shape, AT_LEAST_0),
    numpy="non_negative(w)",
    kernels=(non_negative_kernel,),
    onnx="Relu",
    cases=((CASE, {}),),
)


def max_norm_kernel(w, limit):
    """Return a weight scaled so that no output's norm is above the limit."""
    return w / np.maximum(norms(w) / limit, 1)


def _max_norm_onnx(g: Any, eq: Equation, w: str) -> str:
    limit = g.scalar(eq.attrs["limit"], eq.args[0].type)
    return g.Div(w, g.Max(g.Div(_norms_onnx(g, eq, w), limit), g.one(eq)))


max_norm = define(
    "max_norm",
    lambda w, *, limit: Type(w.dtype, w.shape),
    numpy="max_norm(w, limit)",
    kernels=(norms, max_norm_kernel),
    onnx=_max_norm_onnx,
    cases=((CASE, {"limit": 1.5}), (("2,4,3",), {"limit": 4.0})),
)


def min_max_norm_kernel(w, low, high):
    """Return a weight scaled so that each output's norm lies between two numbers."""
    size = norms(w)
    return w * (np.clip(size, low, high) / np.maximum(size, 1e-30))  # zeros stay zeros


def _min_max_norm_onnx(g: Any, eq: Equation, w: str) -> str:
    size = _norms_onnx(g, eq, w)
    low, high, tiny = (g.scalar(n, eq.args[0].type) for n in (eq.attrs["low"], eq.attrs["high"], 1e-30))
    return g.Mul(w, g.Div(g.Clip(size, low, high), g.Max(size, tiny)))


min_max_norm = define(
    "min_max_norm",
    lambda w, *, low, high: Type(w.dtype, w.shape),
    numpy="min_max_norm(w, low, high)",
    kernels=(norms, min_max_norm_kernel),
    onnx=_min_max_norm_onnx,
    cases=((CASE, {"low": 1.0, "high": 2.0}),),
)


def unit_norm_kernel(w):
    """Return a weight scaled so that each output's norm is 1."""
    return w / np.maximum(norms(w), 1e-30)  # zeros stay zeros


unit_norm = define(
    "unit_norm",
    lambda w: Type(w.dtype, w.shape, SIGNED_UNIT),
    numpy="unit_norm(w)",
    kernels=(norms, unit_norm_kernel),
    onnx=lambda g, eq, w: g.Div(w, g.Max(_norms_onnx(g, eq, w), g.scalar(1e-30, eq.args[0].type))),
    cases=((CASE, {}),),
)
