"""A loop over the steps of sequences: what a cell of the user's own is, and the way back through it."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# The graph that `onnx` facts build on is not imported here.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir import Equation, define
from ..loop import Loop, stacked
from ..types import Dim, Shape, Type


def _entering(loop: Loop) -> int:
    """How many arguments are what is carried into the first step; on the way back those are zeros."""
    return 0 if loop.backwards else loop.carries


def _type(*values: Type, loop: Loop) -> tuple[Type, ...]:
    steps = values[_entering(loop)].shape[:2]
    carried = [i.value.type for i in loop.program.of("carry")] if loop.backwards else []
    return (*(Type(t.dtype, t.shape) for t in carried), *(stacked(each, steps) for each in loop.outputs))


def _spelling(*values: Type, loop: Loop) -> str:
    """A call with the sequences, what it begins with, and the constants."""
    names, start = [f"values{i}" for i in range(len(values))], _entering(loop)
    sequences = names[start : start + loop.given]
    return f"{loop.name}({', '.join([*sequences, *names[:start], *names[start + loop.given :]])})"


def _onnx(g: Any, eq: Equation, *values: str) -> tuple[str, ...]:
    loop: Loop = eq.attrs["loop"]
    start, end = _entering(loop), _entering(loop) + loop.given
    firsts = values[:start]
    if loop.backwards:
        firsts = [_zeros(g, eq, values, i.value.type.shape) for i in loop.program.of("carry")]
    wanted = [g.reads(value) for value in eq.results[len(eq.results) - len(loop.outputs) :]]
    found = g.scan(loop, firsts, values[start:end], values[end:], wanted)
    return tuple(found) if loop.backwards else tuple(found[loop.carries :])


def _zeros(g: Any, eq: Equation, values: Sequence[str], shape: Shape) -> str:
    """Zeros of a shape, whose sizes that only run time knows are those of what is given."""
    if not any(isinstance(d, str) for d in shape):
        return g.Expand(g.zero(eq), g.ints(shape))
    return g.Expand(g.zero(eq), g.Concat(*(_size(g, eq, values, d) for d in shape), axis=0))


def _size(g: Any, eq: Equation, values: Sequence[str], size: Dim) -> str:
    if isinstance(size, int):
        return g.ints((size,))
    name, axis = next(
        (n, a.type.shape.index(size)) for a, n in zip(eq.args, values, strict=True) if size in a.type.shape
    )
    return g.Shape(name, start=axis, end=axis + 1)


def _flops(eq: Equation) -> int:
    inner = (e for e in eq.attrs["loop"].program.equations if e.op.flops is not None)
    return sum(e.op.flops(e) for e in inner if e.op.flops)


# Its results are what the steps give; on the way back, what is carried behind the first step comes before. Its gradient
# is another loop, from the last step to the first, which the differentiation of programs makes.
scan = define("scan", _type, numpy=_spelling, onnx=_onnx, flops=_flops)
