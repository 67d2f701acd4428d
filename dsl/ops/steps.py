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
from ..facts import no_work
from ..ir import Equation, Tensor, define
from ..types import BINARY, WHOLE, Dim, Type
from .elementwise import flat, mask, where
from .shape import expand_dims


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
    flops=no_work,
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


# How many places a window has in so many steps; data with fewer steps than it needs are refused, but for none at all.
shorter = define(
    "shorter",
    _shorter_type,
    numpy=_shorter_spelling,
    onnx=_shorter_onnx,
    flops=no_work,
    cases=tuple((("N of 2..9",), {"plus": plus, "over": over}) for plus, over in ((-1, 1), (0, 2), (1, 3), (2, 1))),
    grad=flat,
)


def lengths_along(lengths: Tensor, dim: Dim) -> Tensor:
    """The lengths of examples along a dimension that follows from the one that they are of."""
    steps = derived(dim)
    if steps is None or steps.name == steps.base:
        return lengths
    found = shorter(lengths, plus=steps.plus, over=steps.over)
    if lengths.type.domain.low <= 0 and steps.of(0):
        # What is padding as a whole has no steps, and so no place for a window either, whatever its margins.
        found = mask(found, lengths > 0).within(WHOLE)
    return found.named("lengths")


def _first_type(x: Type, *, axis: int) -> Type:
    return replace(x, shape=(*x.shape[:axis], 1, *x.shape[axis + 1 :]))


# The first along an axis, held fixed: what stands in the place of padding, where it moves no loss.
stand_in = define(
    "stand_in",
    _first_type,
    numpy=lambda x, axis: f"x[{':, ' * axis}:1]",
    onnx=lambda g, eq, x: g.Slice(x, g.ints((0,)), g.ints((1,)), g.ints((eq.attrs["axis"],))),
    flops=no_work,
    cases=((("N,T,4",), {"axis": 1}), (("N,4",), {"axis": 0})),
    grad=flat,
)


def filled(x: Tensor, keep: Tensor, axis: int) -> Tensor:
    """The value with its first step along an axis in the place of those that do not count.

    No gradient passes through these, also where a formula has no finite slope at what padding holds, such as 0.
    """
    for behind in range(len(keep.shape), len(x.shape)):
        keep = expand_dims(keep, axis=behind)
    return where(keep, x, stand_in(x, axis=axis)).within(x.type.domain)


# What is true as 1 and what is not as 0, in the precision of another value.
numbered = define(
    "numbered",
    lambda keep, like: Type(like.dtype, keep.shape, BINARY),
    numpy="keep.astype(like.dtype)",
    onnx=lambda g, eq, keep, like: g.Cast(keep, to=g.dtype(eq.results[0].type)),
    flops=no_work,
    cases=((("N of bool", "N,4"), {}),),
    grad=flat,
)

# The rows that count, and these in their places again, the others being 0.
chosen = define(
    "chosen",
    lambda x, keep: replace(x, shape=(f"{keep.shape[0]}*", *x.shape[1:])),
    numpy="x[keep]",
    onnx=lambda g, eq, x, keep: g.Compress(x, keep, axis=0),
    flops=no_work,
    grad=lambda b, g: (put_back(g, b.args[1]), None),
)


def put_back_kernel(rows, keep):
    """Return the rows in the places to keep, in their order, and 0 elsewhere."""
    x = np.zeros((len(keep), *rows.shape[1:]), rows.dtype)
    x[keep] = rows
    return x


def _put_back_onnx(g: Any, eq: Equation, rows: str, keep: str) -> str:
    ones = g.Cast(keep, to=g.dtype(Type("i64", ())))
    first = g.constant(np.array(0, np.int64))
    places = g.Max(g.Sub(g.CumSum(ones, first), g.constant(np.array(1, np.int64))), first)
    counted = g.Unsqueeze(keep, g.ints(tuple(range(1, eq.args[0].type.rank))))
    return g.Where(counted, g.Gather(rows, places, axis=0), g.zero(eq))


put_back = define(
    "put_back",
    lambda rows, keep: Type(rows.dtype, (*keep.shape, *rows.shape[1:])),
    numpy="put_back(rows, keep)",
    kernels=(put_back_kernel,),
    onnx=_put_back_onnx,
    flops=no_work,
    grad=lambda b, g: (chosen(g, b.args[1]), None),
)
