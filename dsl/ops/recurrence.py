"""What the recurrent layers share: the state before a step, gates side by side, and the operators of ONNX."""

# ruff: noqa: N803, N806  (matrices are called as on the page)
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# The graph that `onnx` facts build on is not imported here, and kernels are printed as they stand, without types.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..facts import elements, no_work
from ..ir import Equation, Tensor, define
from ..loop import loop_of
from ..types import SIGNED_UNIT, Type, rows
from .elementwise import flat
from .reshape import reshape
from .shape import slice_axis, transpose


def each_step(x: Tensor) -> Tensor:
    """All steps of all examples below one another."""
    return reshape(x, shape=(rows(x.shape), x.shape[-1]))


def shared_grad(x: Tensor, rows: Tensor) -> Tensor:
    """The gradient of a matrix that every step of x went through, from that of each: one product for all of them."""
    return transpose(each_step(x)) @ rows


def parts(z: Tensor, count: int) -> tuple[Tensor, ...]:
    """So many equal parts of the last axis, such as gates."""
    size = z.features // count
    axis = len(z.shape) - 1
    return tuple(slice_axis(z, axis=axis, start=k * size, stop=(k + 1) * size) for k in range(count))


def sizes(x: Type, U: Type) -> tuple[Any, Any, int]:
    """The numbers of examples and steps, and the number of units."""
    assert isinstance(U.shape[0], int)
    return x.shape[0], x.shape[1], U.shape[0]


def step_flops(gates: int) -> Any:
    """Products with both matrices, and about ten operations a unit."""

    def flops(eq: Equation) -> int:
        x, U = eq.args[0].type.shape[-1], eq.args[2].type.shape[0]
        assert isinstance(x, int) and isinstance(U, int)
        return elements(eq) * (2 * gates * (x + U) + 10 * gates)

    return flops


# The state before each step -------------------------------------------------------------------------------------------

before = define(
    "before",
    lambda h, first: Type(h.dtype, h.shape, h.domain.join(first.domain)),
    numpy="np.concatenate([first[:, None], h[:, :-1]], axis=1)",
    onnx=lambda g, eq, h, first: g.Concat(
        g.Unsqueeze(first, g.ints((1,))), g.Slice(h, g.ints((0,)), g.ints((-1,)), g.ints((1,))), axis=1
    ),
    flops=no_work,
    cases=((("N,T,4", "N,4"), {}),),
)

# The state before any step: zeros for as many examples as x has.
nothing = define(
    "nothing",
    lambda x, *, units: Type("f32", (x.shape[0], units), SIGNED_UNIT),
    numpy="np.zeros((len(x), units), x.dtype)",
    onnx=lambda g, eq, x: g.Expand(
        g.zero(eq), g.Concat(g.Shape(x, start=0, end=1), g.ints((eq.attrs["units"],)), axis=0)
    ),
    flops=no_work,
    cases=((("N,T,4",), {"units": 3}),),
    grad=flat,
)

# What windows of a series leave to one another -----------------------------------------------------------------------


def carried_kernel(state, count, epoch, first):
    """Return what the last window left of so many streams; each epoch begins anew."""
    return state[:count] if epoch % 1 else np.full_like(state[:count], first)


def _carried_onnx(g: Any, eq: Equation, state: str, x: str, epoch: str) -> str:
    seen = g.Slice(state, g.ints((0,)), g.Shape(x, start=0, end=1))
    later = g.Greater(g.Sub(epoch, g.Floor(epoch)), g.scalar(0, eq.args[2].type))
    return g.Where(later, seen, g.scalar(eq.attrs["first"], eq.results[0].type))


carried = define(
    "carried",
    lambda state, x, epoch, *, first: Type(state.dtype, (x.shape[0], *state.shape[1:])),
    numpy=lambda state, x, epoch, first: f"carried(state, len(x), epoch, {first:g})",
    kernels=(carried_kernel,),
    onnx=_carried_onnx,
    flops=no_work,
    cases=((("8,4", "N,T,2", ""), {"first": 0.0}), (("8,4", "N,T,2", " in unit"), {"first": 1.0})),
    grad=flat,
)


def left_kernel(states, before):
    """Return the states behind the last step; streams that have ended keep theirs."""
    return np.concatenate([states[:, -1], before[len(states) :]])


def _left_onnx(g: Any, eq: Equation, states: str, state: str) -> str:
    rest = g.Slice(state, g.Shape(states, start=0, end=1), g.ints((np.iinfo(np.int64).max,)))
    return g.Concat(g.Gather(states, g.constant(np.array(-1, np.int64)), axis=1), rest, axis=0)


left = define(
    "left",
    lambda states, before: Type(before.dtype, before.shape),
    numpy="left(states, before)",
    kernels=(left_kernel,),
    onnx=_left_onnx,
    flops=no_work,
    cases=((("N,T,4", "8,4"), {}),),
    grad=flat,
)

# ONNX -----------------------------------------------------------------------------------------------------------------


def turned(g: Any, w: str) -> str:
    """A matrix (in, out) as the operators of ONNX take it, (1, out, in)."""
    return g.Unsqueeze(g.Transpose(w, perm=[1, 0]), g.ints((0,)))


def zeros(g: Any, count: int) -> str:
    """So many zeros."""
    return g.constant(np.zeros(count, np.float32))


def biases(g: Any, eq: Equation, b: str) -> str:
    """The biases of the inputs, and zeros for those of the states, (1, 2 * gates)."""
    (size,) = eq.args[3].type.shape
    assert isinstance(size, int)
    return g.Unsqueeze(g.Concat(b, zeros(g, size), axis=0), g.ints((0,)))


def reordered(g: Any, w: str, axis: int, order: Sequence[int], eq: Equation) -> str:
    """The gates in another order."""
    units = eq.args[2].type.shape[0]
    assert isinstance(units, int)
    return g.Gather(w, g.ints([gate * units + k for gate in order for k in range(units)]), axis=axis)


def native(
    g: Any, eq: Equation, operator: str, x: str, W: str, R: str, B: str, *first: str, seen: str = "", **more: Any
) -> tuple[str, str]:
    """ONNX's own operator, which has the steps in front and an axis of directions.

    It gives the states of all steps and, where they are read, the cells of an LSTM: as one step, which is the last one.
    `seen` are the weights by which gates see the cell.
    """
    units = eq.args[2].type.shape[0]
    steps, states = g.Transpose(x, perm=[1, 0, 2]), [g.Unsqueeze(h, g.ints((0,))) for h in first]
    states += [seen] if seen else []
    cells = operator == "LSTM" and g.reads(eq.results[1])
    found = g.several(operator, 3 if cells else 1, steps, W, R, B, "", *states, hidden_size=units, **more)
    hs = g.Transpose(g.Squeeze(found[0], g.ints((1,))), perm=[1, 0, 2])
    return hs, g.Transpose(found[2], perm=[1, 0, 2]) if cells else ""


def serves(g: Any, eq: Equation) -> bool:
    """Whether ONNX's own operator gives all that is read: no gates, and of the cells those of the last step alone."""
    return not g.reads(eq.results[2]) and g.reads_only("last", eq.results[1])


def backwards(
    g: Any,
    eq: Equation,
    step: Any,
    carries: int,
    arrays: Sequence[str],
    constants: Sequence[str],
    kinds: Sequence[int] = (0, 2),
) -> tuple[str, ...]:
    """A scan from the last step to the first that begins with zeros; what it gives of the steps, then what it carries.

    `kinds` are the arguments of the equation whose types the arrays have; the constants are U, and P if there is one.
    """
    U, *others = (eq.args[k].type for k, name in enumerate(eq.op.arguments) if name in ("U", "P"))
    first = Type("f32", (eq.args[0].type.shape[0], U.shape[0]))
    given = [eq.args[k].type for k in kinds]
    loop = loop_of(eq.op.name, step, [first] * carries, given, [U, *others], backwards=True)
    size = g.Concat(g.Shape(arrays[0], start=0, end=1), g.ints(U.shape[:1]), axis=0)
    zeros = g.Expand(g.zero(eq), size)
    found = g.scan(loop, [zeros] * carries, arrays, constants)
    return (*found[carries:], *found[:carries])
