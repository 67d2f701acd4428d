"""Primitives that pick and turn steps, each example's own where lengths are given."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..facts import no_work
from ..ir import Backward, Equation, Tensor, define
from ..types import Type
from .reduce import total


def reverse_steps_kernel(x, lengths):
    """Return each sequence with its steps in reverse; the padding behind them stays."""
    steps = np.arange(x.shape[1])
    order = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return x[np.arange(len(x))[:, None], order]


def _reversed_onnx(g: Any, eq: Equation, x: str, lengths: str) -> str:
    return g.ReverseSequence(x, lengths, batch_axis=0, time_axis=1)


reverse_steps = define(
    "reverse_steps",
    lambda x, lengths: replace(x, domain=x.domain.interval),
    numpy="reverse_steps(x, lengths)",
    kernels=(reverse_steps_kernel,),
    onnx=_reversed_onnx,
    flops=no_work,
    cases=((("N,T,4", "N of 1..3"), {}),),
    grad=lambda b, g: (reverse_steps(g, b.args[1]), None),
)


def _repeated_onnx(g: Any, eq: Equation, x: str, like: str) -> str:
    rank = eq.args[0].type.rank
    sizes = g.Concat(g.ints((1,)), g.Shape(like, start=1, end=2), g.ints([1] * (rank - 1)), axis=0)
    return g.Expand(g.Unsqueeze(x, g.ints((1,))), sizes)


# A value that stands at each of the steps that another has.
repeat_steps = define(
    "repeat_steps",
    lambda x, like: replace(x, shape=(x.shape[0], like.shape[1], *x.shape[1:])),
    numpy="np.repeat(x[:, None], like.shape[1], axis=1)",
    onnx=_repeated_onnx,
    flops=no_work,
    cases=((("N,4", "N,T,2"), {}),),
    grad=lambda b, g: (total(g, axes=(1,), keepdims=False), None),
)


def _one_step(x: Type) -> Type:
    return replace(x, shape=(x.shape[0], *x.shape[2:]), domain=x.domain.interval)


def last_grad_kernel(dh, x):
    """Return the gradient of x from that of its last step."""
    dx = np.zeros_like(x)
    dx[:, -1] = dh
    return dx


def _last_grad_onnx(g: Any, eq: Equation, dh: str, x: str) -> str:
    size, rank = g.Shape(x, start=1, end=2), eq.args[1].type.rank
    # Of all axes, as in `padded`: ONNX Runtime takes a Pad of some for one of all where it moves a Transpose past it.
    pads = g.Concat(g.ints((0,)), g.Sub(size, g.ints((1,))), g.ints([0] * (2 * rank - 2)), axis=0)
    return g.Pad(g.Unsqueeze(dh, g.ints((1,))), pads, g.zero(eq), g.ints(range(rank)))


last_grad = define(
    "last_grad",
    lambda dh, x: Type(dh.dtype, x.shape),
    numpy="last_grad(dh, x)",
    kernels=(last_grad_kernel,),
    onnx=_last_grad_onnx,
    cases=((("N,4", "N,T,4"), {}),),
)
last = define(
    "last",
    _one_step,
    numpy="x[:, -1]",
    onnx=lambda g, eq, x: g.Gather(x, g.constant(np.array(-1, np.int64)), axis=1),
    flops=no_work,
    cases=((("N,T,4",), {}),),
    grad=lambda b, g: (last_grad(g, b.args[0]),),
)


def last_of_grad_kernel(dh, x, lengths):
    """Return the gradient of x from that of the last step of each sequence."""
    dx = np.zeros_like(x)
    dx[np.arange(len(x)), lengths - 1] = dh
    return dx


def _last_of_onnx(g: Any, eq: Equation, x: str, lengths: str) -> str:
    at = g.Unsqueeze(g.Sub(lengths, g.constant(np.array(1, np.int64))), g.ints((1,)))
    return g.GatherND(x, at, batch_dims=1)


def _last_of_grad_onnx(g: Any, eq: Equation, dh: str, x: str, lengths: str) -> str:
    zero, one = (g.constant(np.array(n, np.int64)) for n in (0, 1))
    steps = g.Range(zero, g.Squeeze(g.Shape(x, start=1, end=2), g.ints((0,))), one)
    here = g.Equal(steps, g.Unsqueeze(g.Sub(lengths, one), g.ints((1,))))
    rank = eq.args[1].type.rank
    return g.Where(g.Unsqueeze(here, g.ints(range(2, rank))), g.Unsqueeze(dh, g.ints((1,))), g.zero(eq))


def _last_of_grad(b: Backward, g: Tensor) -> tuple[Tensor, None]:
    return last_of_grad(g, *b.args), None


last_of_grad = define(
    "last_of_grad",
    lambda dh, x, lengths: Type(dh.dtype, x.shape),
    numpy="last_of_grad(dh, x, lengths)",
    kernels=(last_of_grad_kernel,),
    onnx=_last_of_grad_onnx,
    cases=((("N,4", "N,T,4", "N of 1..3"), {}),),
)
last_of = define(
    "last_of",
    lambda x, lengths: _one_step(x),
    numpy="x[np.arange(len(x)), lengths - 1]",
    onnx=_last_of_onnx,
    flops=no_work,
    cases=((("N,T,4", "N of 1..3"), {}),),
    grad=_last_of_grad,
)
