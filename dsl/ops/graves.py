"""A recurrent layer with a memory cell that its gates look at, over all steps of a sequence."""

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
from .curves import sigmoid, tanh
from .elementwise import square
from .linear import matmul
from .lstm import lstm_grad_type, lstm_type
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
    step_flops,
    turned,
)
from .reduce import total
from .shape import concat, expand_dims, slice_axis, transpose


def graves_lstm_kernel(xw, U, P, h, c):
    """Return all states, cells and gates i f g o; i, f see the cell before, o after."""
    # sigmoid(z) is (1 + tanh(z / 2)) / 2
    gates = np.ascontiguousarray(xw.swapaxes(0, 1))  # (T, N, 4n), so that a step is one piece
    states, cells = (np.empty((*gates.shape[:2], len(U)), xw.dtype) for _ in range(2))
    for t, z in enumerate(gates):
        z += h @ U
        i, f, g, o = z.reshape(len(z), 4, -1).swapaxes(0, 1)
        i[:] = 0.5 + 0.5 * np.tanh(0.5 * (i + c * P[0]))
        f[:] = 0.5 + 0.5 * np.tanh(0.5 * (f + c * P[1]))
        np.tanh(g, out=g)
        c = np.multiply(f, c, out=cells[t])
        c += i * g
        o[:] = 0.5 + 0.5 * np.tanh(0.5 * (o + c * P[2]))
        h = np.multiply(o, np.tanh(c), out=states[t])
    return states.swapaxes(0, 1), cells.swapaxes(0, 1), gates.swapaxes(0, 1)


def graves_lstm_grad_kernel(dh, dc, U, P, c, cells, gates):
    """Return the gradients of graves_lstm's inputs, first state and cell."""
    dz = np.empty((gates.shape[1], len(gates), 4, len(U)), gates.dtype)
    dcs = np.broadcast_to(np.asarray(dc, cells.dtype), cells.shape)  # where no cell is read, dc is 0
    Ut, dh_next, dc_next = np.ascontiguousarray(U.T), 0, 0
    # from the last step to the first, since a step acts on those behind it
    for t in reversed(range(len(dz))):
        i, f, g, o = gates[:, t].reshape(len(gates), 4, -1).swapaxes(0, 1)
        tanh_c = np.tanh(cells[:, t])
        d = dh[:, t] + dh_next
        do = d * tanh_c * o * (1 - o)
        dc = d * o * (1 - tanh_c**2) + do * P[2] + dcs[:, t] + dc_next
        dz[t, :, 0] = dc * g * i * (1 - i)
        dz[t, :, 1] = dc * (cells[:, t - 1] if t else c) * f * (1 - f)
        dz[t, :, 2] = dc * i * (1 - g**2)
        dz[t, :, 3] = do
        dh_next = dz[t].reshape(len(gates), -1) @ Ut
        dc_next = dc * f + dz[t, :, 0] * P[0] + dz[t, :, 1] * P[1]
    return dz.reshape(*dz.shape[:2], -1).swapaxes(0, 1), dh_next, dc_next


def _row(P: Tensor, row: int) -> Tensor:
    return slice_axis(P, axis=0, start=row, stop=row + 1)


def _graves_onnx(g: Any, eq: Equation, x: str, W: str, U: str, b: str, P: str, h: str, c: str) -> tuple[str, ...]:
    if serves(g, eq):
        order = (0, 3, 1, 2)  # ONNX has the gates in the order i o f g
        bias = biases(g, eq, reordered(g, b, 0, order, eq))
        seen = g.Reshape(g.Gather(P, g.ints((0, 2, 1)), axis=0), g.ints((1, -1)))
        matrices = [turned(g, reordered(g, w, 1, order, eq)) for w in (W, U)]
        return *native(g, eq, "LSTM", x, *matrices, bias, h, c, seen=seen), ""

    def step(h: Tensor, c: Tensor, z: Tensor, U: Tensor, P: Tensor) -> Sequence[Tensor]:
        i, f, g, o = parts(z + matmul(h, U), 4)
        i, f, g = sigmoid(i + c * _row(P, 0)), sigmoid(f + c * _row(P, 1)), tanh(g)
        c = f * c + i * g
        o = sigmoid(o + c * _row(P, 2))
        h = o * tanh(c)
        return h, c, h, c, concat(i, f, g, o, axis=1)

    types = [value.type for value in eq.args]
    loop = loop_of("graves_lstm", step, types[5:], (eq.results[2].type,), (types[2], types[4]))
    found = g.scan(loop, (h, c), (g.Add(g.MatMul(x, W), b),), (U, P))
    return found[2], found[3], found[4]


def _graves_back(b: Backward, dh: Tensor | None, dc: Tensor | None, dgates: Tensor | None) -> tuple[Tensor, ...]:
    assert dgates is None
    x, W, U, _, P, h, c = b.args
    hs, cells, gates = b.results
    zero = x.builder.constant(0.0)
    dz, dh0, dc0 = graves_lstm_grad(hs * 0 if dh is None else dh, zero if dc is None else dc, U, P, c, cells, gates)
    rows = each_step(dz.named("dgates")).named("dgate_rows")
    di, df, _, do = parts(dz, 4)
    earlier = before(cells, c).named("earlier_cells")
    seen = {"dPi": di * earlier, "dPf": df * earlier, "dPo": do * cells}
    sums = [total(each, axes=(0, 1), keepdims=False).named(name) for name, each in seen.items()]
    dP = concat(*(expand_dims(each, axis=0) for each in sums), axis=0)
    db = total(dz, axes=(0, 1), keepdims=False)
    dU = shared_grad(before(hs, h).named("earlier"), rows)
    return dz @ transpose(W), shared_grad(x, rows), dU, db, dP, dh0, dc0


def _graves_grad_onnx(
    g: Any, eq: Equation, dh: str, dc: str, U: str, P: str, c: str, cells: str, gates: str
) -> tuple[str, ...]:
    earlier = g.Concat(g.Unsqueeze(c, g.ints((1,))), g.Slice(cells, g.ints((0,)), g.ints((-1,)), g.ints((1,))), axis=1)

    def step(
        d: Tensor,
        dc: Tensor,
        dh: Tensor,
        dcs: Tensor,
        gates: Tensor,
        cell: Tensor,
        earlier: Tensor,
        U: Tensor,
        P: Tensor,
    ) -> Sequence[Tensor]:
        i, f, g, o = parts(gates, 4)
        tanh_c, d = tanh(cell), dh + d
        do = d * tanh_c * o * (1 - o)
        dc = d * o * (1 - square(tanh_c)) + do * _row(P, 2) + dcs + dc
        di, df = dc * g * i * (1 - i), dc * earlier * f * (1 - f)
        dz = concat(di, df, dc * i * (1 - square(g)), do, axis=1)
        return dz @ transpose(U), dc * f + di * _row(P, 0) + df * _row(P, 1), dz

    whole = dc if eq.args[1].type.shape else g.Expand(dc, g.Shape(cells))
    return backwards(g, eq, step, 2, (dh, whole, gates, cells, earlier), (U, P), (0, 0, 6, 5, 5))


graves_lstm_grad = define(
    "graves_lstm_grad",
    lambda dh, dc, U, P, c, cells, gates: lstm_grad_type(dh, dc, U, c, cells, gates),
    numpy="graves_lstm_grad(dh, dc, U, P, c, cells, gates)",
    kernels=(graves_lstm_grad_kernel,),
    onnx=_graves_grad_onnx,
    cases=tuple((("N,T,2", dc, "2,8", "3,2", "N,2", "N,T,2", "N,T,8 in unit"), {}) for dc in ("", "N,T,2")),
)
graves_lstm = define(
    "graves_lstm",
    lambda x, W, U, b, P, h, c: lstm_type(x, W, U, b, h, c),
    numpy="graves_lstm(x @ W + b, U, P, h, c)",
    kernels=(graves_lstm_kernel,),
    onnx=_graves_onnx,
    flops=step_flops(4),
    cases=((("N,T,3", "3,8", "2,8", "8", "3,2", "N,2", "N,2"), {}),),
    grad=_graves_back,
)
