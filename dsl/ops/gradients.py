"""Primitives over all gradients of a step."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Equation, define
from ..types import Type


def _clip_type(limit: Type, *gradients: Type) -> tuple[Type, ...]:
    return tuple(Type(g.dtype, g.shape) for g in gradients)


def clip_by_norm_kernel(limit, *gradients):
    """Return the gradients scaled so that their joint norm is at most the limit, if any."""
    if limit is None:
        return gradients
    norm = np.sqrt(sum(np.vdot(g, g) for g in gradients))
    scale = np.minimum(limit / (norm + 1e-6), 1)
    return tuple(g * scale for g in gradients)


def _clip_onnx(g: Any, eq: Equation, limit: str, *gradients: str) -> tuple[str, ...]:
    squares = [g.ReduceSumSquare(x, keepdims=0) for x in gradients]
    norm = g.Sqrt(g.Sum(*squares))
    scale = g.Min(g.Div(limit, g.Add(norm, g.scalar(1e-6, eq.args[0].type))), g.one(eq))
    return tuple(g.Mul(x, scale) for x in gradients)


clip_by_norm = define(
    "clip_by_norm",
    _clip_type,
    # A single result is assigned as it is, and not as a tuple of one.
    numpy=lambda *types: (
        "clip_by_norm("
        + ", ".join(["limit", *(f"gradients{i}" for i in range(len(types) - 1))])
        + (")[0]" if len(types) == 2 else ")")
    ),
    kernels=(clip_by_norm_kernel,),
    onnx=_clip_onnx,
    cases=((("", "3,4", "5"), {}), (("", "3,4"), {})),
)
