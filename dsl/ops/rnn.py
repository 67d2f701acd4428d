"""A plain recurrent layer over all steps of a sequence."""

# ruff: noqa: N803, N806  (matrices are called as on the page)
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Backward, Equation, Tensor, define
from ..types import SIGNED_UNIT, Type
from .elementwise import square
from .recurrence import (
    backwards,
    before,
    biases,
    each_step,
    native,
    shared_grad,
    sizes,
    step_flops,
    turned,
)
from .reduce import total
from .shape import transpose


def rnn_kernel(xw, U, h):
    """Return the states tanh(xw + h @ U) of all steps, from projected inputs."""
    states = np.ascontiguousarray(xw.swapaxes(0, 1))  # (T, N, n), so that a step is one piece
    for z in states:
        z += h @ U
        h = np.tanh(z, out=z)
    return states.swapaxes(0, 1)


def rnn_grad_kernel(dh, U, h):
    """Return the gradients of rnn's inputs and first state, from those of h."""
    dz = np.empty_like(h.swapaxes(0, 1), order="C")
    d = 0
    # from the last step to the first, since a step acts on those behind it
    for t in reversed(range(len(dz))):
        dz[t] = (dh[:, t] + d) * (1 - h[:, t] ** 2)
        d = dz[t] @ U.T
    return dz.swapaxes(0, 1), d


def _rnn_type(x: Type, W: Type, U: Type, b: Type, h: Type) -> Type:
    count, steps, units = sizes(x, U)
    return Type(x.dtype, (count, steps, units), SIGNED_UNIT)


def _rnn_onnx(g: Any, eq: Equation, x: str, W: str, U: str, b: str, h: str) -> str:
    return native(g, eq, "RNN", x, turned(g, W), turned(g, U), biases(g, eq, b), h)[0]


def _rnn_back(b: Backward, g: Tensor) -> tuple[Tensor, ...]:
    x, W, U, _, h = b.args
    dz, dh = rnn_grad(g, U, b.results[0])
    dz = dz.named("dsteps")
    rows = each_step(dz).named("dstep_rows")
    return (
        dz @ transpose(W),
        shared_grad(x, rows),
        shared_grad(before(b.results[0], h).named("earlier"), rows),
        total(dz, axes=(0, 1), keepdims=False),
        dh,
    )


def _rnn_grad_type(dh: Type, U: Type, h: Type) -> tuple[Type, Type]:
    return Type(h.dtype, h.shape), Type(h.dtype, (h.shape[0], h.shape[2]))


def _rnn_grad_onnx(g: Any, eq: Equation, dh: str, U: str, h: str) -> tuple[str, ...]:
    def step(d: Tensor, dh: Tensor, h: Tensor, U: Tensor) -> Sequence[Tensor]:
        dz = (dh + d) * (1 - square(h))
        return dz @ transpose(U), dz

    return backwards(g, eq, step, 1, (dh, h), (U,))


rnn_grad = define(
    "rnn_grad",
    _rnn_grad_type,
    numpy="rnn_grad(dh, U, h)",
    kernels=(rnn_grad_kernel,),
    onnx=_rnn_grad_onnx,
    cases=((("N,T,4", "4,4", "N,T,4"), {}),),
)
rnn = define(
    "rnn",
    _rnn_type,
    numpy="rnn(x @ W + b, U, h)",
    kernels=(rnn_kernel,),
    onnx=_rnn_onnx,
    flops=step_flops(1),
    cases=((("N,T,3", "3,4", "4,4", "4", "N,4"), {}),),
    grad=_rnn_back,
)
