"""Recurrent layers as PyTorch computes them, of x (N, T, k); of a layer's x (N, 6) it is [3, 2]."""

# ruff: noqa: N806  (matrices are called as in the sources)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

KINDS: dict[str, Any] = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def matrices(p: Any, mark: str, suffix: str, units: int) -> dict[str, Any]:
    """The weights by PyTorch's names; of its two biases only gru's candidate needs the second."""
    b = p[f"b{mark}"]
    inner = torch.zeros_like(b)
    if f"c{mark}" in p:
        inner = torch.cat([inner[: 2 * units], p[f"c{mark}"]])
    found = {"weight_ih": p[f"W{mark}"].T, "weight_hh": p[f"U{mark}"].T, "bias_ih": b, "bias_hh": inner}
    return {f"{name}_l0{suffix}": w for name, w in found.items()}


def recurrent(
    kind: str, x: Any, p: Any, marks: tuple[str, ...] = ("1",), first: Any = None, lengths: Any = None
) -> tuple[Any, Any]:
    """The states of all steps, and PyTorch's last ones; two marks are those of both directions."""
    units = p[f"U{marks[0]}"].shape[0]
    both = len(marks) > 1
    layer = KINDS[kind](x.shape[-1], units, batch_first=True, bidirectional=both, dtype=x.dtype)
    weights = {
        k: w for mark, s in zip(marks, ("", "_reverse"), strict=False) for k, w in matrices(p, mark, s, units).items()
    }
    given = x if lengths is None else pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    states, last = torch.func.functional_call(layer, weights, (given, first))
    return (states if lengths is None else pad_packed_sequence(states, True, total_length=x.shape[1])[0]), last


def graves(x: Any, p: Any, mark: str = "1", h: Any = None, c: Any = None) -> Any:
    """The states of an lstm with peepholes, step by step as autograd follows them."""
    W, U, b, P = (p[f"{letter}{mark}"] for letter in "WUbP")
    h = x.new_zeros(len(x), len(U)) if h is None else h
    c = x.new_zeros(len(x), len(U)) if c is None else c
    found: list[Any] = []
    for z in (x @ W + b).unbind(1):
        i, f, g, o = (z + h @ U).chunk(4, -1)
        c = torch.sigmoid(f + P[1] * c) * c + torch.sigmoid(i + P[0] * c) * torch.tanh(g)
        h = torch.sigmoid(o + P[2] * c) * torch.tanh(c)
        found.append(h)
    return torch.stack(found, 1)


def begun(kind: str, x: Any, other: Any, units: int, h: Any, c: Any) -> Any:
    """The states before the first step as PyTorch takes them."""
    zeros = x.new_zeros(1, len(x), units)
    state, cell = (other[None] if named else zeros for named in (h, c))
    return (state, cell) if kind == "lstm" else state


def layer(kind: str) -> Callable[..., Any]:
    def run(x: Any, p: Any, other: Any, units: int, h: Any = None, c: Any = None, **starts: Any) -> Any:
        mark = "2" if h or c else "1"
        steps = x.reshape(-1, 3, 2)
        if kind == "graves_lstm":
            return graves(steps, p, mark, other if h else None, other if c else None)
        return recurrent(kind, steps, p, (mark,), begun(kind, x, other, units, h, c))[0]

    return run


def cells(x: Any, p: Any, other: Any) -> Any:
    """The cells behind each step: the last one of each sequence that ends there."""
    steps = x.reshape(-1, 3, 2)
    return torch.stack([recurrent("lstm", steps[:, :t], p)[1][1][0] for t in (1, 2, 3)], 1)


def both_ways(x: Any, p: Any, other: Any, mode: str = "concat") -> Any:
    states, _ = recurrent("lstm", x.reshape(-1, 3, 2), p, ("1", "r1"))
    on, back = states.chunk(2, -1)
    modes = {"concat": states, "sum": on + back, "average": (on + back) / 2, "multiply": on * back}
    return modes[mode]


LAYERS: dict[str, Callable[..., Any]] = {
    **{kind: layer(kind) for kind in (*KINDS, "graves_lstm")},
    "cells": cells,
    "bidirectional": both_ways,
    "last_step": lambda x, p, other: x.reshape(-1, 3, 2)[:, -1],
    "reverse_time": lambda x, p, other: x.reshape(-1, 3, 2).flip(1),
    "time_distributed": lambda x, p, other: x.reshape(-1, 3, 2) @ p["W1"] + p["b1"],
    "repeat_like": lambda x, p, other: x[:, None].expand(-1, 3, -1),
}
