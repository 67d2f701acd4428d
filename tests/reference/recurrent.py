"""Recurrent layers in plain numbers: primitives by name, and layers from x (N, 6), which is [3, 2] to them."""

# ruff: noqa: N803, N806  (matrices are called as in the sources)

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .numbers import Array, sigmoid, tanh

Row = list[float]
Rows = list[Row]


def times(row: Sequence[float], matrix: Array) -> Row:
    return [math.fsum(a * b for a, b in zip(row, column, strict=True)) for column in matrix.T.tolist()]


def plus(*rows: Sequence[float]) -> Row:
    return [math.fsum(numbers) for numbers in zip(*rows, strict=True)]


def parts(row: Row, count: int) -> list[Row]:
    size = len(row) // count
    return [row[k * size : (k + 1) * size] for k in range(count)]


# One step of each cell: from what x gives and the state, to the state and what is kept of the step -------------------


def rnn_step(z: Row, h: Row, p: dict[str, Array]) -> Row:
    """Elman 1990."""
    return [tanh(v) for v in plus(z, times(h, p["U"]))]


def gru_step(z: Row, h: Row, p: dict[str, Array]) -> tuple[Row, Row, Row]:
    """Cho et al. 2014 with the candidate of PyTorch's GRU: the state, the gates r z n, and h @ U + c of n."""
    (xr, xz, xn), (hr, hz, hn) = parts(z, 3), parts(times(h, p["U"]), 3)
    r, u = ([sigmoid(v) for v in plus(a, b)] for a, b in ((xr, hr), (xz, hz)))
    inner = plus(hn, p["c"].tolist())
    n = [tanh(a + b * c) for a, b, c in zip(xn, r, inner, strict=True)]
    state = [(1 - a) * b + a * c for a, b, c in zip(u, n, h, strict=True)]
    return state, r + u + n, inner


def lstm_step(z: Row, h: Row, c: Row, p: dict[str, Array]) -> tuple[Row, Row, Row]:
    """Gers et al. 2000, with the peepholes of Gers and Schmidhuber 2000 where there are some: state, cell, gates."""
    P = p.get("P", np.zeros((3, len(h)))).tolist()
    zi, zf, zg, zo = parts(plus(z, times(h, p["U"])), 4)
    i = [sigmoid(a + w * s) for a, w, s in zip(zi, P[0], c, strict=True)]
    f = [sigmoid(a + w * s) for a, w, s in zip(zf, P[1], c, strict=True)]
    g = [tanh(a) for a in zg]
    cell = [b * s + a * v for a, b, v, s in zip(i, f, g, c, strict=True)]
    o = [sigmoid(a + w * s) for a, w, s in zip(zo, P[2], cell, strict=True)]
    return [a * tanh(s) for a, s in zip(o, cell, strict=True)], cell, i + f + g + o


# All steps ------------------------------------------------------------------------------------------------------------


def projected(x: Array, W: Array, b: Array) -> list[Rows]:
    return [[plus(times(row, W), b.tolist()) for row in example] for example in x.tolist()]


def run_rnn(x: Array, p: dict[str, Array], first: Array) -> Array:
    found: list[Rows] = []
    for steps, h in zip(projected(x, p["W"], p["b"]), first.tolist(), strict=True):
        states: Rows = []
        for z in steps:
            h = rnn_step(z, h, p)
            states.append(h)
        found.append(states)
    return np.array(found)


def run_gru(x: Array, p: dict[str, Array], first: Array) -> tuple[Array, Array, Array]:
    found: list[list[tuple[Row, Row, Row]]] = []
    for steps, h in zip(projected(x, p["W"], p["b"]), first.tolist(), strict=True):
        kept: list[tuple[Row, Row, Row]] = []
        for z in steps:
            kept.append(gru_step(z, h, p))
            h = kept[-1][0]
        found.append(kept)
    return tuple(np.array([[step[k] for step in kept] for kept in found]) for k in range(3))  # type: ignore[return-value]


def run_lstm(x: Array, p: dict[str, Array], first: Array, cell: Array) -> tuple[Array, Array, Array]:
    found: list[list[tuple[Row, Row, Row]]] = []
    for steps, h, c in zip(projected(x, p["W"], p["b"]), first.tolist(), cell.tolist(), strict=True):
        kept: list[tuple[Row, Row, Row]] = []
        for z in steps:
            kept.append(lstm_step(z, h, c, p))
            h, c, _ = kept[-1]
        found.append(kept)
    return tuple(np.array([[step[k] for step in kept] for kept in found]) for k in range(3))  # type: ignore[return-value]


# The way back, number by number ---------------------------------------------------------------------------------------


def rnn_grad(dh: Array, U: Array, h: Array) -> tuple[Array, Array]:
    dz, back = np.zeros(h.shape), np.zeros((len(h), h.shape[2]))
    for n in range(len(h)):
        for t in reversed(range(h.shape[1])):
            dz[n, t] = [(d + b) * (1 - s * s) for d, b, s in zip(dh[n, t], back[n], h[n, t], strict=True)]
            back[n] = times(dz[n, t].tolist(), U.T)
    return dz, back


def lstm_grad(
    dh: Array, dc: Array, U: Array, c: Array, cells: Array, gates: Array, P: Array | None = None
) -> tuple[Array, Array, Array]:
    units = len(U)
    P = np.zeros((3, units)) if P is None else P
    dcs = np.broadcast_to(dc, cells.shape)
    dz, dh0, dc0 = np.zeros(gates.shape), np.zeros((len(cells), units)), np.zeros((len(cells), units))
    for n in range(len(cells)):
        for t in reversed(range(cells.shape[1])):
            for k in range(units):
                i, f, g, o = gates[n, t, k::units]
                m, before = tanh(float(cells[n, t, k])), cells[n, t - 1, k] if t else c[n, k]
                d = dh[n, t, k] + dh0[n, k]
                do = d * m * o * (1 - o)
                ds = d * o * (1 - m * m) + do * P[2, k] + dcs[n, t, k] + dc0[n, k]
                dz[n, t, k::units] = ds * g * i * (1 - i), ds * before * f * (1 - f), ds * i * (1 - g * g), do
                dc0[n, k] = ds * f + dz[n, t, k] * P[0, k] + dz[n, t, units + k] * P[1, k]
            dh0[n] = times(dz[n, t].tolist(), U.T)
    return dz, dh0, dc0


def gru_grad(dh: Array, U: Array, first: Array, h: Array, gates: Array, inner: Array) -> tuple[Array, Array, Array]:
    units = len(U)
    dz, dhu, back = np.zeros(gates.shape), np.zeros(gates.shape), np.zeros(first.shape)
    for n in range(len(h)):
        for t in reversed(range(h.shape[1])):
            carried = np.zeros(units)
            for k in range(units):
                r, z, v = gates[n, t, k::units]
                d, before = dh[n, t, k] + back[n, k], h[n, t - 1, k] if t else first[n, k]
                dn = d * (1 - z) * (1 - v * v)
                dr, du = dn * inner[n, t, k] * r * (1 - r), d * (before - v) * z * (1 - z)
                dz[n, t, k::units], dhu[n, t, k::units] = (dr, du, dn), (dr, du, dn * r)
                carried[k] = d * z
            back[n] = plus(carried.tolist(), times(dhu[n, t].tolist(), U.T))
    return dz, dhu, back


# Steps ----------------------------------------------------------------------------------------------------------------


def in_reverse(x: Array, lengths: Array) -> Array:
    return np.array([[*reversed(row[:n]), *row[n:]] for row, n in zip(x.tolist(), lengths.tolist(), strict=True)])


def at_last(dh: Array, steps: int, lengths: Array) -> Array:
    return np.array(
        [
            [row if t == n - 1 else [0.0] * len(row) for t in range(steps)]
            for row, n in zip(dh.tolist(), lengths, strict=True)
        ]
    )


def left(states: Array, before: Array) -> Array:
    return np.array([*(row[-1] for row in states.tolist()), *before.tolist()[len(states) :]])


def repeated(x: Array, steps: int) -> Array:
    return np.array([[row] * steps for row in x.tolist()])


OPS: dict[str, Callable[..., Any]] = {
    "before": lambda h, first: np.array([[f, *row[:-1]] for row, f in zip(h.tolist(), first.tolist(), strict=True)]),
    "nothing": lambda x, units: np.array([[0.0] * units for _ in x]),
    "carried": lambda state, x, epoch, first: np.array(
        [[v if float(epoch) % 1 > 0 else first for v in row] for row in state.tolist()[: len(x)]]
    ),
    "left": left,
    "rnn": lambda x, W, U, b, h: run_rnn(x, {"W": W, "U": U, "b": b}, h),
    "rnn_grad": rnn_grad,
    "gru": lambda x, W, U, b, c, h: run_gru(x, {"W": W, "U": U, "b": b, "c": c}, h),
    "gru_grad": gru_grad,
    "lstm": lambda x, W, U, b, h, c: run_lstm(x, {"W": W, "U": U, "b": b}, h, c),
    "lstm_grad": lstm_grad,
    "graves_lstm": lambda x, W, U, b, P, h, c: run_lstm(x, {"W": W, "U": U, "b": b, "P": P}, h, c),
    "graves_lstm_grad": lambda dh, dc, U, P, c, cells, gates: lstm_grad(dh, dc, U, c, cells, gates, P),
    "reverse_steps": in_reverse,
    "last": lambda x: np.array([row[-1] for row in x.tolist()]),
    "last_grad": lambda dh, x: at_last(dh, x.shape[1], np.full(len(x), x.shape[1])),
    "last_of": lambda x, lengths: np.array([row[n - 1] for row, n in zip(x.tolist(), lengths.tolist(), strict=True)]),
    "last_of_grad": lambda dh, x, lengths: at_last(dh, x.shape[1], lengths),
    "repeat_steps": lambda x, like: repeated(x, like.shape[1]),
    "regroup": lambda x, like: np.array(x.ravel().tolist()).reshape(*like.shape[:2], *x.shape[1:]),
    "merge": lambda x: np.array([row for example in x.tolist() for row in example]),
    "blocks": lambda numbers, size: np.array([n for n in numbers for _ in range(size)]),
}


# Layers ---------------------------------------------------------------------------------------------------------------


def stepped(x: Array) -> Array:
    return np.array(x.ravel().tolist()).reshape(len(x), 3, 2)


def begun(other: Array | None, given: Any, x: Array, units: int) -> Array:
    return other if given and other is not None else np.zeros((len(x), units))


def rnn(x: Array, p: dict[str, Array], other: Any, units: int, h: Any = None, **starts: Any) -> Array:
    return run_rnn(stepped(x), p, begun(other, h, x, units))


def gru(x: Array, p: dict[str, Array], other: Any, units: int, h: Any = None, **starts: Any) -> Array:
    return run_gru(stepped(x), p, begun(other, h, x, units))[0]


def lstm(x: Array, p: dict[str, Array], other: Any, units: int, h: Any = None, c: Any = None, **starts: Any) -> Array:
    return run_lstm(stepped(x), p, begun(other, h, x, units), begun(other, c, x, units))[0]


def both_ways(x: Array, p: dict[str, Array], other: Any, mode: str = "concat") -> Array:
    """An lstm of 8 units, and another over the steps in reverse, whose letters have an r."""
    turned = stepped(x)[:, ::-1].reshape(len(x), -1)
    on = lstm(x, p, None, 8)
    back = lstm(turned, {name.removesuffix("r"): w for name, w in p.items() if name.endswith("r")}, None, 8)[:, ::-1]
    pairs = zip(on.tolist(), back.tolist(), strict=True)
    if mode == "concat":
        return np.array([[[*a, *b] for a, b in zip(one, two, strict=True)] for one, two in pairs])
    of = {"sum": lambda a, b: a + b, "average": lambda a, b: (a + b) / 2, "multiply": lambda a, b: a * b}[mode]
    return np.array(
        [[[of(v, w) for v, w in zip(a, b, strict=True)] for a, b in zip(one, two, strict=True)] for one, two in pairs]
    )


LAYERS: dict[str, Callable[..., Array]] = {
    "rnn": rnn,
    "gru": gru,
    "lstm": lstm,
    "graves_lstm": lstm,
    "cells": lambda x, p, other: run_lstm(stepped(x), p, np.zeros((len(x), 3)), np.zeros((len(x), 3)))[1],
    "last_step": lambda x, p, other: x[:, 4:],
    "reverse_time": lambda x, p, other: np.array([[r[4:], r[2:4], r[:2]] for r in x.tolist()]),
    "bidirectional": both_ways,
    "time_distributed": lambda x, p, other: np.array(projected(stepped(x), p["W"], p["b"])),
    "repeat_like": lambda x, p, other: repeated(x, 3),
}
