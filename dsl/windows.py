"""Windows, and what stands around them, among the arguments of a use."""

from __future__ import annotations

import re
from typing import Any

from .constants import LARGEST, Constant
from .scope import Use
from .syntax import Name

CAUSAL = "conv alone takes causal; pad=[[2, 0]] puts two before the steps of one axis, and none behind them"


def window(use: Use) -> tuple[int, ...]:
    """One size for all axes, or one for each: `3`, `3x3`, `[3, 5]`."""
    sizes = _each(use.constant())
    if not sizes or not all(_fits(use, size) for size in sizes):
        raise use.fail(f"each size is a whole number of at least {use.option.kind.low:g}")
    return sizes


def pads(use: Use) -> str | tuple[tuple[int, int], ...]:
    """A word, or what is added before and behind all axes, or each: `same`, `1`, `[1, 2]`, `[[0, 1], [0, 1]]`."""
    expr = use.expr
    if isinstance(expr, Name) and expr.id not in use.scope.constants:
        if expr.id not in re.split(", | or ", use.option.kind.description):
            raise use.fail(help=CAUSAL if expr.id == "causal" else _example(use.option.name))
        return expr.id
    pairs = [_each(pad) * (1 if isinstance(pad, tuple) else 2) for pad in _each(use.constant())]
    if not pairs or not all(len(pair) == 2 and all(_fits(use, size) for size in pair) for pair in pairs):
        raise use.fail(help=_example(use.option.name))
    return tuple((before, behind) for before, behind in pairs)


def _example(name: str) -> str:
    """How margins are written."""
    return f"as in {name}=1 on each side, {name}=[1, 2] by axis, or {name}=[[0, 1], [1, 0]] before and behind each"


def _each(value: Constant) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _fits(use: Use, size: Any) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and use.option.kind.low <= size <= LARGEST
