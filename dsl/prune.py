"""Tells what the results of a program need, and drops the rest."""

from __future__ import annotations

from .ir import Equation, Program, Value
from .ops.elementwise import flat


def prune(program: Program) -> Program:
    """The program without equations and draws that its results do not need; other inputs stay."""
    needed = set(program.results.values())
    kept: list[Equation] = []
    for equation in reversed(program.equations):
        if needed.intersection(equation.results):
            needed.update(equation.args)
            kept.append(equation)
    kept.reverse()
    return program.with_equations(kept)


def sloped(program: Program) -> set[Value]:
    """The values that the results depend on by a slope, and not only through a comparison, a step or the like."""
    reached = set(program.results.values())
    for equation in reversed(program.equations):
        op = equation.op
        sloping = op.grad not in (None, flat) or op.body or "loop" in equation.attrs
        if sloping and reached.intersection(equation.results):
            reached.update(equation.args)
    return reached
