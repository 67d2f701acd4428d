"""Drops what nobody asked for."""

from __future__ import annotations

from .ir import Equation, Program


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
