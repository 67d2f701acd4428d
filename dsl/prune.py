"""Tells what the results of a program need, and drops the rest."""

from __future__ import annotations

from itertools import zip_longest

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


def read(program: Program, sloping: bool = False) -> set[Value]:
    """The values that the results depend on, and not only on how many numbers they have.

    With `sloping`, those that they depend on by a slope, and not only through a comparison, a step, a factor of 0 or
    the like.
    """
    reached = set(program.results.values())
    for equation in reversed(program.equations):
        if (not sloping or _sloping(equation)) and reached.intersection(equation.results):
            reached.update(a for a, name in zip_longest(equation.args, equation.op.arguments) if a and name != "like")
    return reached


def _sloping(equation: Equation) -> bool:
    """Whether a slope leads back through an equation, unless all that it gives is always the same number."""
    op, domains = equation.op, [result.type.domain for result in equation.results]
    varying = any(domain.low < domain.high for domain in domains)
    return varying and (op.grad not in (None, flat) or bool(op.body) or "loop" in equation.attrs)
