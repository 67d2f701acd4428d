"""Primitives along the steps of a sequence, whose number is known only at run time."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..derived_steps import derived
from ..ir import Equation, Tensor, define
from ..types import BINARY, Dim, Type
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


def _shorter_type(lengths: Type, *, plus: int, over: int) -> Type:
    domain = lengths.domain.map(lambda n: math.floor((n + plus) / over))
    return Type("i64", lengths.shape, replace(domain, whole=True))


def _shorter_spelling(lengths: Type, plus: int, over: int) -> str:
    moved = f"lengths {'+' if plus > 0 else '-'} {abs(plus)}" if plus else "lengths"
    return moved if over == 1 else f"({moved}) // {over}" if plus else f"{moved} // {over}"


def _shorter_onnx(g: Any, eq: Equation, lengths: str) -> str:
    plus, over = eq.attrs["plus"], eq.attrs["over"]
    moved = g.Add(lengths, g.constant(np.array(plus, np.int64))) if plus else lengths
    return g.Div(moved, g.constant(np.array(over, np.int64))) if over > 1 else moved


# How many places a window has in so many steps; data with fewer steps than it needs are refused, so none is negative.
shorter = define(
    "shorter",
    _shorter_type,
    numpy=_shorter_spelling,
    onnx=_shorter_onnx,
    flops=_no_work,
    cases=tuple((("N of 2..9",), {"plus": plus, "over": over}) for plus, over in ((-1, 1), (0, 2), (1, 3), (2, 1))),
    grad=flat,
)


def lengths_along(lengths: Tensor, dim: Dim) -> Tensor:
    """The lengths of examples along a dimension that follows from the one that they are of."""
    steps = derived(dim)
    if steps is None or steps.name == steps.base:
        return lengths
    return shorter(lengths, plus=steps.plus, over=steps.over).named("lengths")


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
