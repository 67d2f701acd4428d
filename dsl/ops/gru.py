"""A recurrent layer with two gates, over all steps of a sequence."""

# ruff: noqa: N803, N806  (matrices are called as on the page)
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir import Backward, Equation, Tensor, define
from ..loop import loop_of
from ..types import SIGNED_UNIT, Type
from .curves import sigmoid, tanh
from .elementwise import square
from .linear import matmul
from .recurrence import (
    backwards,
    before,
    each_step,
    native,
    parts,
    reordered,
    shared_grad,
    sizes,
    step_flops,
    turned,
    zeros,
)
from .reduce import total
from .shape import concat, transpose


def gru_kernel(xw, U, c, h):
    """Return the states, gates (r z n) and candidates' inner products of all steps."""
    # sigmoid(z) is (1 + tanh(z / 2)) / 2, so that one tanh serves both gates
    gates = np.ascontiguousarray(xw.swapaxes(0, 1))  # (T, N, 3n), so that a step is one piece
    states, inner = (np.empty((*gates.shape[:2], len(U)), xw.dtype) for _ in range(2))
    both = 2 * len(U)
    for t, z in enumerate(gates):
        hu = h @ U
        z[:, :both] = 0.5 + 0.5 * np.tanh(0.5 * (z[:, :both] + hu[:, :both]))
        inner[t] = hu[:, both:] + c
        z[:, both:] = np.tanh(z[:, both:] + z[:, : len(U)] * inner[t])
        states[t] = z[:, both:] + z[:, len(U) : both] * (h - z[:, both:])
        h = states[t]
    return states.swapaxes(0, 1), gates.swapaxes(0, 1), inner.swapaxes(0, 1)


def gru_grad_kernel(dh, U, first, h, gates, inner):
    """Return the gradients of gru's inputs, of h @ U + c and of the first state."""
    dz = np.empty((gates.shape[1], len(gates), 3, len(U)), gates.dtype)
    dhu, Ut, back = np.empty_like(dz), np.ascontiguousarray(U.T), 0
    # from the last step to the first, since a step acts on those behind it
    for t in reversed(range(len(dz))):
        r, z, n = gates[:, t].reshape(len(gates), 3, -1).swapaxes(0, 1)
        d = dh[:, t] + back
        dn = d * (1 - z) * (1 - n**2)
        dz[t, :, 0] = dn * inner[:, t] * r * (1 - r)
        dz[t, :, 1] = d * ((h[:, t - 1] if t else first) - n) * z * (1 - z)
        dz[t, :, 2] = dn
        dhu[t] = dz[t]
        dhu[t, :, 2] *= r
        back = d * z + dhu[t].reshape(len(gates), -1) @ Ut
    return *(a.reshape(*a.shape[:2], -1).swapaxes(0, 1) for a in (dz, dhu)), back


def _gru_type(x: Type, W: Type, U: Type, b: Type, c: Type, h: Type) -> tuple[Type, Type, Type]:
    count, steps, units = sizes(x, U)
    return (
        Type(x.dtype, (count, steps, units), SIGNED_UNIT.join(h.domain)),
        Type(x.dtype, (count, steps, 3 * units), SIGNED_UNIT),
        Type(x.dtype, (count, steps, units)),
    )


def _gru_onnx(g: Any, eq: Equation, x: str, W: str, U: str, b: str, c: str, h: str) -> tuple[str, ...]:
    units = eq.args[4].type.shape[0]
    assert isinstance(units, int)
    if not g.reads(*eq.results[1:]):
        order = (1, 0, 2)  # ONNX has the gates in the order z r n
        inputs = reordered(g, b, 0, order, eq)
        inner = g.Concat(zeros(g, 2 * units), c, axis=0)
        bias = g.Unsqueeze(g.Concat(inputs, inner, axis=0), g.ints((0,)))
        matrices = [turned(g, reordered(g, w, 1, order, eq)) for w in (W, U)]
        return native(g, eq, "GRU", x, *matrices, bias, h, linear_before_reset=1)[0], "", ""

    def step(h: Tensor, z: Tensor, U: Tensor, c: Tensor) -> Sequence[Tensor]:
        (xr, xz, xn), (hr, hz, hn) = parts(z, 3), parts(matmul(h, U), 3)
        r, z, inner = sigmoid(xr + hr), sigmoid(xz + hz), hn + c
        n = tanh(xn + r * inner)
        h = n + z * (h - n)
        return h, h, concat(r, z, n, axis=1), inner

    types = eq.args[5].type, eq.results[1].type, eq.args[2].type, eq.args[4].type
    loop = loop_of("gru", step, types[:1], types[1:2], types[2:])
    found = g.scan(loop, (h,), (g.Add(g.MatMul(x, W), b),), (U, c))
    return found[1], found[2], found[3]


def _gru_back(b: Backward, dh: Tensor | None, *others: Tensor | None) -> tuple[Tensor, ...]:
    assert dh is not None and not any(others)
    x, W, U, _, _, h = b.args
    dz, dhu, dh0 = gru_grad(dh, U, h, *b.results)
    dz, dhu = dz.named("dgates"), dhu.named("dinner")
    db = total(dz, axes=(0, 1), keepdims=False)
    dc = total(parts(dhu, 3)[2], axes=(0, 1), keepdims=False)
    return (
        dz @ transpose(W),
        shared_grad(x, each_step(dz)),
        shared_grad(before(b.results[0], h).named("earlier"), each_step(dhu)),
        db,
        dc,
        dh0,
    )


def _gru_grad_type(dh: Type, U: Type, first: Type, h: Type, gates: Type, inner: Type) -> tuple[Type, Type, Type]:
    return Type(dh.dtype, gates.shape), Type(dh.dtype, gates.shape), Type(dh.dtype, first.shape)


def _gru_grad_onnx(
    g: Any, eq: Equation, dh: str, U: str, first: str, h: str, gates: str, inner: str
) -> tuple[str, ...]:
    earlier = g.Concat(g.Unsqueeze(first, g.ints((1,))), g.Slice(h, g.ints((0,)), g.ints((-1,)), g.ints((1,))), axis=1)

    def step(back: Tensor, dh: Tensor, gates: Tensor, inner: Tensor, earlier: Tensor, U: Tensor) -> Sequence[Tensor]:
        r, z, n = parts(gates, 3)
        d = dh + back
        dn = d * (1 - z) * (1 - square(n))
        dr, dz = dn * inner * r * (1 - r), d * (earlier - n) * z * (1 - z)
        dhu = concat(dr, dz, dn * r, axis=1)
        return d * z + dhu @ transpose(U), concat(dr, dz, dn, axis=1), dhu

    return backwards(g, eq, step, 1, (dh, gates, inner, earlier), (U,), (0, 4, 5, 3))


gru_grad = define(
    "gru_grad",
    _gru_grad_type,
    numpy="gru_grad(dh, U, first, h, gates, inner)",
    kernels=(gru_grad_kernel,),
    onnx=_gru_grad_onnx,
    cases=((("N,T,2", "2,6", "N,2", "N,T,2", "N,T,6 in unit", "N,T,2"), {}),),
)
gru = define(
    "gru",
    _gru_type,
    numpy="gru(x @ W + b, U, c, h)",
    kernels=(gru_kernel,),
    onnx=_gru_onnx,
    flops=step_flops(3),
    cases=((("N,T,3", "3,6", "2,6", "6", "2", "N,2"), {}),),
    grad=_gru_back,
)
