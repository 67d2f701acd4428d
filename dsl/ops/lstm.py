"""A recurrent layer with a memory cell, over all steps of a sequence."""

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
    biases,
    each_step,
    native,
    parts,
    reordered,
    serves,
    shared_grad,
    sizes,
    step_flops,
    turned,
)
from .reduce import total
from .shape import concat, transpose


def lstm_kernel(xw, U, h, c):
    """Return the states, cells and gates (i f g o) of all steps."""
    # sigmoid(z) is (1 + tanh(z / 2)) / 2, so that one tanh serves all gates
    half = np.repeat(np.array([0.5, 0.5, 1, 0.5], xw.dtype), len(U))
    rest, scaled = 1 - half, U * half
    gates = np.ascontiguousarray(xw.swapaxes(0, 1)) * half  # (T, N, 4n), so that a step is one piece
    states, cells = (np.empty((*gates.shape[:2], len(U)), xw.dtype) for _ in range(2))
    for t, z in enumerate(gates):
        z += h @ scaled
        np.tanh(z, out=z)
        z *= half
        z += rest
        i, f, g, o = z.reshape(len(z), 4, -1).swapaxes(0, 1)
        c = np.multiply(f, c, out=cells[t])
        c += i * g
        h = np.multiply(o, np.tanh(c), out=states[t])
    return states.swapaxes(0, 1), cells.swapaxes(0, 1), gates.swapaxes(0, 1)


def lstm_grad_kernel(dh, dc, U, c, cells, gates):
    """Return the gradients of lstm's projected inputs, first state and cell."""
    dz = np.empty((gates.shape[1], len(gates), 4, len(U)), gates.dtype)
    dcs = np.broadcast_to(np.asarray(dc, cells.dtype), cells.shape)  # where no cell is read, dc is 0
    Ut, dh_next, dc_next = np.ascontiguousarray(U.T), 0, 0
    # from the last step to the first, since a step acts on those behind it
    for t in reversed(range(len(dz))):
        i, f, g, o = gates[:, t].reshape(len(gates), 4, -1).swapaxes(0, 1)
        tanh_c = np.tanh(cells[:, t])
        d = dh[:, t] + dh_next
        dc = d * o * (1 - tanh_c**2) + dcs[:, t] + dc_next
        dz[t, :, 0] = dc * g * i * (1 - i)
        dz[t, :, 1] = dc * (cells[:, t - 1] if t else c) * f * (1 - f)
        dz[t, :, 2] = dc * i * (1 - g**2)
        dz[t, :, 3] = d * tanh_c * o * (1 - o)
        dh_next = dz[t].reshape(len(gates), -1) @ Ut
        dc_next = dc * f
    return dz.reshape(*dz.shape[:2], -1).swapaxes(0, 1), dh_next, dc_next


def lstm_type(x: Type, W: Type, U: Type, b: Type, h: Type, c: Type) -> tuple[Type, Type, Type]:
    """The types of states, cells and gates."""
    count, steps, units = sizes(x, U)
    return (
        Type(x.dtype, (count, steps, units), SIGNED_UNIT),
        Type(x.dtype, (count, steps, units)),
        Type(x.dtype, (count, steps, 4 * units), SIGNED_UNIT),
    )


def _lstm_onnx(g: Any, eq: Equation, x: str, W: str, U: str, b: str, h: str, c: str) -> tuple[str, ...]:
    if serves(g, eq):
        order = (0, 3, 1, 2)  # ONNX has the gates in the order i o f g
        bias = biases(g, eq, reordered(g, b, 0, order, eq))
        matrices = [turned(g, reordered(g, w, 1, order, eq)) for w in (W, U)]
        return *native(g, eq, "LSTM", x, *matrices, bias, h, c), ""

    def step(h: Tensor, c: Tensor, z: Tensor, U: Tensor) -> Sequence[Tensor]:
        i, f, g, o = parts(z + matmul(h, U), 4)
        i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
        c = f * c + i * g
        h = o * tanh(c)
        return h, c, h, c, concat(i, f, g, o, axis=1)

    h_type, c_type = eq.args[4].type, eq.args[5].type
    z_type = eq.results[2].type
    loop = loop_of("lstm", step, (h_type, c_type), (z_type,), (eq.args[2].type,))
    found = g.scan(loop, (h, c), (g.Add(g.MatMul(x, W), b),), (U,))
    return found[2], found[3], found[4]


def _lstm_back(b: Backward, dh: Tensor | None, dc: Tensor | None, dgates: Tensor | None) -> tuple[Tensor, ...]:
    assert dgates is None
    x, W, U, _, h, c = b.args
    hs, cells, gates = b.results
    zero = x.builder.constant(0.0)
    dz, dh0, dc0 = lstm_grad(hs * 0 if dh is None else dh, zero if dc is None else dc, U, c, cells, gates)
    db = total(dz.named("dgates"), axes=(0, 1), keepdims=False)
    rows = each_step(dz).named("dgate_rows")
    return dz @ transpose(W), shared_grad(x, rows), shared_grad(before(hs, h).named("earlier"), rows), db, dh0, dc0


def lstm_grad_type(dh: Type, dc: Type, U: Type, c: Type, cells: Type, gates: Type) -> tuple[Type, Type, Type]:
    """The types of the gradients of projected inputs, first state and first cell."""
    first = Type(dh.dtype, (dh.shape[0], dh.shape[2]))
    return Type(dh.dtype, gates.shape), first, first


def _lstm_grad_onnx(g: Any, eq: Equation, dh: str, dc: str, U: str, c: str, cells: str, gates: str) -> tuple[str, ...]:
    earlier = g.Concat(g.Unsqueeze(c, g.ints((1,))), g.Slice(cells, g.ints((0,)), g.ints((-1,)), g.ints((1,))), axis=1)

    def step(
        d: Tensor, dc: Tensor, dh: Tensor, dcs: Tensor, gates: Tensor, cell: Tensor, earlier: Tensor, U: Tensor
    ) -> Sequence[Tensor]:
        i, f, g, o = parts(gates, 4)
        tanh_c, d = tanh(cell), dh + d
        dc = d * o * (1 - square(tanh_c)) + dcs + dc
        each = dc * g * i * (1 - i), dc * earlier * f * (1 - f), dc * i * (1 - square(g)), d * tanh_c * o * (1 - o)
        dz = concat(*each, axis=1)
        return dz @ transpose(U), dc * f, dz

    whole = dc if eq.args[1].type.shape else g.Expand(dc, g.Shape(cells))
    return backwards(g, eq, step, 2, (dh, whole, gates, cells, earlier), (U,), (0, 0, 5, 4, 4))


lstm_grad = define(
    "lstm_grad",
    lstm_grad_type,
    numpy="lstm_grad(dh, dc, U, c, cells, gates)",
    kernels=(lstm_grad_kernel,),
    onnx=_lstm_grad_onnx,
    cases=tuple((("N,T,2", dc, "2,8", "N,2", "N,T,2", "N,T,8 in unit"), {}) for dc in ("", "N,T,2")),
)
lstm = define(
    "lstm",
    lstm_type,
    numpy="lstm(x @ W + b, U, h, c)",
    kernels=(lstm_kernel,),
    onnx=_lstm_onnx,
    flops=step_flops(4),
    cases=((("N,T,3", "3,8", "2,8", "8", "N,2", "N,2"), {}),),
    grad=_lstm_back,
)
