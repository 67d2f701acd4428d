"""Primitives along the steps of a sequence, whose number is known only at run time."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Equation, define
from ..types import BINARY, Type
from .elementwise import flat


def _no_work(eq: Equation) -> int:
    return 0


def _counted_onnx(g: Any, eq: Equation, lengths: str, like: str) -> str:
    rank = eq.args[0].type.rank
    steps = g.Squeeze(g.Shape(like, start=rank, end=rank + 1), g.ints((0,)))
    zero, one = (g.constant(np.array(n, np.int64)) for n in (0, 1))
    return g.Less(g.Range(zero, steps, one), g.Unsqueeze(lengths, g.ints((rank,))))


def _counted_spelling(lengths: Type, like: Type) -> str:
    return f"np.arange(like.shape[{lengths.rank}]) < lengths[{':, ' * lengths.rank}None]"


# Which steps count, (N, T), of examples that have so many, or (N, S, T) of each S; `like` has the steps.
counted = define(
    "counted",
    lambda lengths, like: Type("bool", (*lengths.shape, like.shape[lengths.rank]), BINARY),
    numpy=_counted_spelling,
    onnx=_counted_onnx,
    flops=_no_work,
    cases=((("N of 3", "N,T,4"), {}), (("N,S of 3", "N,S,T,4"), {})),
    grad=flat,
)

# What is true as 1 and what is not as 0, in the precision of another value.
numbered = define(
    "numbered",
    lambda keep, like: Type(like.dtype, keep.shape, BINARY),
    numpy="keep.astype(like.dtype)",
    onnx=lambda g, eq, keep, like: g.Cast(keep, to=g.dtype(eq.results[0].type)),
    flops=_no_work,
    cases=((("N of bool", "N,4"), {}),),
    grad=flat,
)

# The rows that count; of metrics alone, which no graph computes, so it has no ONNX form.
chosen = define(
    "chosen",
    lambda x, keep: replace(x, shape=(f"{keep.shape[0]}*", *x.shape[1:])),
    numpy="x[keep]",
)
