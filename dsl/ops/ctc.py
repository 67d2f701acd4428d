"""What connectionist temporal classification needs of labels: their way with blanks, and shifts along it."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..facts import no_work
from ..ir import Equation, define
from ..types import BINARY, Dim, Type, point
from .elementwise import flat

# What stands for the logarithm of 0: the sum of two of them is still a number in 32 bits.
NEVER = -1e30


def _length(y: Type) -> Dim:
    """The length of the way: a blank before, between and behind the labels."""
    size = y.shape[1]
    return 2 * size + 1 if isinstance(size, int) else f"2*{size}+1"


def _truths(y: Type) -> Type:
    """Something of each place on the way that is true or not."""
    return Type("bool", (y.shape[0], _length(y)), BINARY)


def with_blanks_kernel(y):
    """Return labels with a blank, 0, before, between and behind them."""
    way = np.zeros((len(y), 2 * y.shape[1] + 1), y.dtype)
    way[:, 1::2] = y
    return way


def _woven(g: Any, y: str, zero: str) -> str:
    """Zeros and an array in turn, and a zero column in the end."""
    zeros = g.Expand(zero, g.Shape(y))
    last = g.ints((-1,))
    pairs = g.Concat(g.Unsqueeze(zeros, last), g.Unsqueeze(y, last), axis=2)
    column = g.Slice(zeros, g.ints((0,)), g.ints((1,)), g.ints((1,)))
    return g.Concat(g.Reshape(pairs, g.ints((0, -1))), column, axis=1)


with_blanks = define(
    "with_blanks",
    lambda y: replace(y, shape=(y.shape[0], _length(y))),
    numpy="with_blanks(y)",
    kernels=(with_blanks_kernel,),
    onnx=lambda g, eq, y: _woven(g, y, g.constant(np.array(0, np.int64))),
    flops=no_work,
    cases=((("N,3 of 4",), {}),),
    grad=flat,
)


def may_skip_kernel(y):
    """Return where the blank before may be left out: at labels unlike the last."""
    free = np.zeros((len(y), 2 * y.shape[1] + 1), bool)
    free[:, 3::2] = y[:, 1:] != y[:, :-1]
    return free


def _skip_onnx(g: Any, eq: Equation, y: str) -> str:
    one = g.ints((1,))
    before = g.Slice(y, g.ints((0,)), g.ints((-1,)), one)
    same = g.Equal(g.Slice(y, one, g.ints((np.iinfo(np.int64).max,)), one), before)
    first = g.Equal(g.Slice(y, g.ints((0,)), one, one), g.Slice(y, g.ints((0,)), one, one))
    ids = g.Cast(g.Not(g.Concat(first, same, axis=1)), to=g.dtype(eq.args[0].type))
    return g.Cast(_woven(g, ids, g.constant(np.array(0, np.int64))), to=g.dtype(eq.results[0].type))


may_skip = define(
    "may_skip",
    _truths,
    numpy="may_skip(y)",
    kernels=(may_skip_kernel,),
    onnx=_skip_onnx,
    flops=no_work,
    cases=((("N,3 of 4",), {}),),
    grad=flat,
)


def at_end_kernel(y):
    """Return where the way with blanks may end: at the last label or blank."""
    ends = 2 * (y > 0).sum(axis=1, keepdims=True)
    places = np.arange(2 * y.shape[1] + 1)
    return (places == ends) | (places == ends - 1)


def _end_onnx(g: Any, eq: Equation, y: str) -> str:
    zero, one, two = (g.constant(np.array(n, np.int64)) for n in (0, 1, 2))
    count = g.ReduceSum(g.Cast(g.Greater(y, zero), to=g.dtype(eq.args[0].type)), g.ints((1,)), keepdims=1)
    ends = g.Mul(count, two)
    size = g.Squeeze(g.Shape(y, start=1, end=2), g.ints((0,)))
    places = g.Range(zero, g.Add(g.Mul(size, two), one), one)
    return g.Or(g.Equal(places, ends), g.Equal(places, g.Sub(ends, one)))


at_end = define(
    "at_end",
    _truths,
    numpy="at_end(y)",
    kernels=(at_end_kernel,),
    onnx=_end_onnx,
    flops=no_work,
    cases=((("N,3 of 4",), {}),),
    grad=flat,
)


def shifted_kernel(x, by, fill):
    """Return each row moved by so many places, and filled where nothing comes from."""
    out = np.full_like(x, fill)
    if by > 0:
        out[:, by:] = x[:, :-by]
    else:
        out[:, :by] = x[:, -by:]
    return out


def _shifted_onnx(g: Any, eq: Equation, x: str) -> str:
    by, one = eq.attrs["by"], g.ints((1,))
    ends = ((0,), (-by,)) if by > 0 else ((-by,), (np.iinfo(np.int64).max,))
    kept = g.Slice(x, *(g.ints(end) for end in ends), one)
    pads = (0, by, 0, 0) if by > 0 else (0, 0, 0, -by)
    return g.Pad(kept, g.ints(pads), g.scalar(eq.attrs["fill"], eq.results[0].type))


shifted = define(
    "shifted",
    lambda x, *, by, fill: replace(x, domain=x.domain.interval.join(point(fill))),
    numpy="shifted(x, by, fill)",
    kernels=(shifted_kernel,),
    onnx=_shifted_onnx,
    flops=no_work,
    cases=((("N,5",), {"by": 2, "fill": -1.0}), (("N,5",), {"by": -1, "fill": 0.0})),
    grad=lambda b, g: (shifted(g, by=-b.attrs["by"], fill=0.0),),
)

# How many steps each example has, where all have as many.
all_steps = define(
    "all_steps",
    lambda x: Type("i64", (x.shape[0],)),
    numpy="np.full(len(x), x.shape[1])",
    onnx=lambda g, eq, x: g.Expand(g.Shape(x, start=1, end=2), g.Shape(x, start=0, end=1)),
    flops=no_work,
    cases=((("N,T,4",), {}),),
    grad=flat,
)
