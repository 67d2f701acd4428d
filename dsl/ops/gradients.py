"""Primitives over gradients of a step: they bound them together, or each element, or bring their norm to 1."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Equation, define
from ..types import Type


def _same_types(limit: Type, *gradients: Type) -> tuple[Type, ...]:
    return tuple(Type(g.dtype, g.shape) for g in gradients)


def _called(kernel: str) -> Any:
    """The call of a kernel; a single result is assigned as it is, and not as a tuple of one."""

    def spelled(*types: Type) -> str:
        given = ", ".join(["limit", *(f"gradients{i}" for i in range(len(types) - 1))])
        return f"{kernel}({given}){'[0]' if len(types) == 2 else ''}"

    return spelled


def _norm_onnx(g: Any, gradients: tuple[str, ...]) -> str:
    return g.Sqrt(g.Sum(*(g.ReduceSumSquare(x, keepdims=0) for x in gradients)))


def clip_by_norm_kernel(limit, *gradients):
    """Return the gradients scaled to a joint norm of at most the limit, if any."""
    if limit is None:
        return gradients
    norm = np.sqrt(sum(np.vdot(g, g) for g in gradients))
    scale = np.minimum(limit / (norm + 1e-6), 1)
    return tuple(g * scale for g in gradients)


def _clip_norm_onnx(g: Any, eq: Equation, limit: str, *gradients: str) -> tuple[str, ...]:
    norm = _norm_onnx(g, gradients)
    scale = g.Min(g.Div(limit, g.Add(norm, g.scalar(1e-6, eq.args[0].type))), g.one(eq))
    return tuple(g.Mul(x, scale) for x in gradients)


CASES = ((("", "3,4", "5"), {}), (("", "3,4"), {}))
clip_by_norm = define(
    "clip_by_norm",
    _same_types,
    numpy=_called("clip_by_norm"),
    kernels=(clip_by_norm_kernel,),
    onnx=_clip_norm_onnx,
    cases=CASES,
)


def clip_by_value_kernel(limit, *gradients):
    """Return the gradients with every element between -limit and the limit, if any."""
    if limit is None:
        return gradients
    return tuple(np.clip(g, -limit, limit) for g in gradients)


def _clip_value_onnx(g: Any, eq: Equation, limit: str, *gradients: str) -> tuple[str, ...]:
    return tuple(g.Clip(x, g.Neg(limit), limit) for x in gradients)


clip_by_value = define(
    "clip_by_value",
    _same_types,
    numpy=_called("clip_by_value"),
    kernels=(clip_by_value_kernel,),
    onnx=_clip_value_onnx,
    cases=(((" in positive", "3,4", "5"), {}), ((" in positive", "3,4"), {})),
)


def normalized_kernel(on, *gradients):
    """Return the gradients divided by their joint norm, if asked; zeros stay."""
    if not on:
        return gradients
    norm = np.sqrt(sum(np.vdot(g, g) for g in gradients))
    return tuple(g / np.maximum(norm, 1e-30) for g in gradients)


def _normalized_onnx(g: Any, eq: Equation, on: str, *gradients: str) -> tuple[str, ...]:
    norm = g.Max(_norm_onnx(g, gradients), g.scalar(1e-30, eq.args[0].type))
    return tuple(g.Div(x, norm) for x in gradients)


normalized = define(
    "normalized",
    _same_types,
    numpy=_called("normalized"),
    kernels=(normalized_kernel,),
    onnx=_normalized_onnx,
    cases=CASES,
)
