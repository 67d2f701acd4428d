"""Primitives of attention: the softmax of scores that count, and what tells one step from another."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..facts import elements, no_work
from ..ir import Backward, Equation, Tensor, define
from ..types import BINARY, REAL, SIGNED_UNIT, UNIT, Type
from .elementwise import flat
from .linear import row_sum

# The lengths of waves grow from 2 pi to this times 2 pi, as in Vaswani et al. 2017 and Su et al. 2021.
LONGEST_WAVE = 10000.0


def split_heads_kernel(x, heads):
    """Return the features of each step as heads, (..., heads, T, size of a head)."""
    return x.reshape(*x.shape[:-1], heads, -1).swapaxes(-3, -2)


def join_heads_kernel(x):
    """Return the heads of each step side by side, (..., T, features)."""
    x = x.swapaxes(-3, -2)
    return x.reshape(*x.shape[:-2], -1)


def _split_type(x: Type, *, heads: int) -> Type:
    return replace(x, shape=(*x.shape[:-2], heads, x.shape[-2], _width(x) // heads), domain=x.domain.interval)


def _join_type(x: Type) -> Type:
    heads = x.shape[-3]
    assert isinstance(heads, int)
    return replace(x, shape=(*x.shape[:-3], x.shape[-2], heads * _width(x)), domain=x.domain.interval)


def _width(x: Type) -> int:
    size = x.shape[-1]
    assert isinstance(size, int)
    return size


def _swap(rank: int) -> list[int]:
    """The order of axes that lets the third from behind and the second change places."""
    return [*range(rank - 3), rank - 2, rank - 3, rank - 1]


def _split_onnx(g: Any, eq: Equation, x: str) -> str:
    rank = eq.args[0].type.rank
    # 0 leaves an axis as it is.
    apart = g.Reshape(x, g.ints([0] * (rank - 1) + [eq.attrs["heads"], eq.results[0].type.shape[-1]]))
    return g.Transpose(apart, perm=_swap(rank + 1))


def _join_onnx(g: Any, eq: Equation, x: str) -> str:
    rank = eq.args[0].type.rank
    return g.Reshape(g.Transpose(x, perm=_swap(rank)), g.ints([0] * (rank - 2) + [eq.results[0].type.shape[-1]]))


def _join_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    return (split_heads(g, heads=b.args[0].shape[-3]),)


split_heads = define(
    "split_heads",
    _split_type,
    numpy="split_heads(x, heads)",
    kernels=(split_heads_kernel,),
    onnx=_split_onnx,
    flops=no_work,
    cases=((("N,T,6",), {"heads": 3}), (("T,4",), {"heads": 2}), (("N,2,T,4",), {"heads": 2})),
    grad=lambda b, g: (join_heads(g),),
    called="heads",
)
join_heads = define(
    "join_heads",
    _join_type,
    numpy="join_heads(x)",
    kernels=(join_heads_kernel,),
    onnx=_join_onnx,
    flops=no_work,
    cases=((("N,3,T,2",), {}), (("2,T,2",), {}), (("N,2,2,T,2",), {})),
    grad=_join_grad,
    called="joined",
)


def masked_softmax_kernel(x, keep):
    """Return the softmax of each row over the places to keep, and 0 elsewhere."""
    x = np.where(keep, x, -np.inf)
    largest = x.max(axis=-1, keepdims=True)
    x -= np.maximum(largest, np.finfo(x.dtype).min)  # so that exp cannot overflow
    np.exp(x, out=x)
    x /= np.maximum(x.sum(axis=-1, keepdims=True), 1)  # it is 0 where none is kept
    return x


def _masked_softmax_onnx(g: Any, eq: Equation, x: str, keep: str) -> str:
    # Of a row without any to keep the softmax of infinities would be no number.
    lowest = g.scalar(np.finfo(np.float32).min, eq.results[0].type)
    return g.Where(keep, g.Softmax(g.Where(keep, x, lowest), axis=-1), g.zero(eq))


# What is not kept has the gradient 0, as its share in the result is.
masked_softmax = define(
    "masked_softmax",
    lambda x, keep: Type(x.dtype, x.shape, UNIT),
    numpy="masked_softmax(x, keep)",
    kernels=(masked_softmax_kernel,),
    onnx=_masked_softmax_onnx,
    flops=lambda eq: 5 * elements(eq),
    cases=((("N,4", "N,4 of bool"), {}), (("N,2,T,4", "T,4 of bool"), {}), (("N,T,4", "N,1,4 of bool"), {})),
    grad=lambda b, g: (b.results[0] * (g - row_sum(g * b.results[0])), None),
)


def _steps_of(g: Any, x: str) -> str:
    """The steps of a value from 0, as whole numbers."""
    zero, one = (g.constant(np.array(n, np.int64)) for n in (0, 1))
    return g.Range(zero, g.Squeeze(g.Shape(x, start=-2, end=-1), g.ints((0,))), one)


def _causal_onnx(g: Any, eq: Equation, x: str) -> str:
    steps = _steps_of(g, x)
    return g.GreaterOrEqual(g.Unsqueeze(steps, g.ints((1,))), steps)


# Which steps each step sees that knows no later one.
causal = define(
    "causal",
    lambda x: Type("bool", (x.shape[-2], x.shape[-2]), BINARY),
    numpy="np.tri(x.shape[-2], dtype=bool)",
    onnx=_causal_onnx,
    flops=no_work,
    cases=((("N,T,4",), {}), (("N,2,T,4",), {})),
    grad=flat,
)


# Positions ------------------------------------------------------------------------------------------------------------


def sine_positions_kernel(x):
    """Return the place of each step of x as sines and cosines of lengthening waves."""
    steps, features = x.shape[-2:]
    wave = np.arange(features) // 2
    angles = np.arange(steps)[:, None] / 10000 ** (2 * wave / features)
    turn = np.arange(features) % 2 * np.pi / 2  # a sine a quarter on is a cosine
    return np.sin(angles + turn).astype(x.dtype)


def _sine_onnx(g: Any, eq: Equation, x: str) -> str:
    features = eq.args[0].type.shape[-1]
    wave = np.arange(features) // 2
    angles = _angles(g, x, LONGEST_WAVE ** (2 * wave / features))
    turned = g.Add(angles, g.constant(np.arange(features) % 2 * np.pi / 2))
    return g.Cast(g.Sin(turned), to=g.dtype(eq.results[0].type))


def _angles(g: Any, x: str, lengths: Any) -> str:
    """Each step over each length, in float64: a thousand steps on, float32 would have lost three digits."""
    steps = g.Cast(_steps_of(g, x), to=g.dtype(Type("f64", ())))
    return g.Div(g.Unsqueeze(steps, g.ints((1,))), g.constant(lengths))


sine_positions = define(
    "sine_positions",
    lambda x: Type(x.dtype, x.shape[-2:], SIGNED_UNIT),
    numpy="sine_positions(x)",
    kernels=(sine_positions_kernel,),
    onnx=_sine_onnx,
    cases=((("N,T,4",), {}), (("N,T,5",), {})),
    grad=flat,
)


def rotated_kernel(x, way=1):
    """Return x with pairs of features, one of either half, turned with the steps."""
    steps, half = x.shape[-2], x.shape[-1] // 2
    angles = np.arange(steps)[:, None] / 10000 ** (np.arange(half) / half)
    cos, sin = np.cos(angles).astype(x.dtype), (way * np.sin(angles)).astype(x.dtype)
    left, right = x[..., :half], x[..., half:]
    return np.concatenate((left * cos - right * sin, right * cos + left * sin), axis=-1)


def _rotated_onnx(g: Any, eq: Equation, x: str) -> str:
    type = eq.args[0].type
    half = _width(type) // 2
    angles = _angles(g, x, LONGEST_WAVE ** (np.arange(half) / half))
    cos, sin = (g.Cast(wave, to=g.dtype(type)) for wave in (g.Cos(angles), g.Sin(angles)))
    left, right = (g.Slice(x, g.ints((at,)), g.ints((at + half,)), g.ints((-1,))) for at in (0, half))
    turns = (g.Mul(left, sin), g.Mul(right, sin))
    both = (g.Mul(left, cos), turns[1]), (g.Mul(right, cos), turns[0])
    signs = (g.Sub, g.Add) if eq.attrs["way"] == 1 else (g.Add, g.Sub)
    return g.Concat(*(sign(*pair) for sign, pair in zip(signs, both, strict=True)), axis=-1)


def _rotated_grad(b: Backward, g: Tensor) -> tuple[Tensor]:
    return (rotated(g, way=-b.attrs["way"]),)


rotated = define(
    "rotated",
    lambda x, *, way: Type(x.dtype, x.shape, REAL),
    numpy=lambda x, way: "rotated(x)" if way == 1 else "rotated(x, way)",
    kernels=(rotated_kernel,),
    onnx=_rotated_onnx,
    flops=lambda eq: 4 * elements(eq),
    cases=((("N,T,4",), {"way": 1}), (("N,2,T,6",), {"way": -1})),
    grad=_rotated_grad,
)


def rows_for_kernel(table, x):
    """Return the first rows of a table, one for each step of x."""
    if x.shape[-2] > len(table):
        raise ValueError(f"there are {len(table)} positions, not {x.shape[-2]}")
    return table[: x.shape[-2]]


# A step beyond the table is an error of Gather's too.
rows_for = define(
    "rows_for",
    lambda table, x: Type(table.dtype, (x.shape[-2], *table.shape[1:]), table.domain.interval),
    numpy="rows_for(table, x)",
    kernels=(rows_for_kernel,),
    onnx=lambda g, eq, table, x: g.Gather(table, _steps_of(g, x), axis=0),
    flops=no_work,
    cases=((("8,4", "N,T,4"), {}),),
    grad=lambda b, g: (below_rows(g, rows=b.args[0].shape[0]), None),
)


def _below_onnx(g: Any, eq: Equation, x: str) -> str:
    missing = g.Sub(g.ints((eq.attrs["rows"],)), g.Shape(x, start=0, end=1))
    return g.Pad(x, g.Concat(g.ints((0, 0)), missing, g.ints((0,)), axis=0))


# As many rows, of which those that are missing are 0.
below_rows = define(
    "below_rows",
    lambda x, *, rows: Type(x.dtype, (rows, *x.shape[1:]), REAL),
    numpy="np.pad(x, ((0, rows - len(x)), (0, 0)))",
    onnx=_below_onnx,
    flops=no_work,
    cases=((("T,4",), {"rows": 8}),),
)
