"""How many steps a net can take: at most as it has vectors for their places, and at least as its windows need."""

from __future__ import annotations

from .derived_steps import derived
from .net import Net


def longest(net: Net) -> dict[str, int]:
    """The most steps along a dimension that is known only at run time, by its name; of others nothing."""
    found: dict[str, int] = {}
    for program in net.programs.values():
        for equation in [e for e in program.equations if e.op.name == "rows_for"]:
            rows, steps = equation.args[0].type.shape[0], derived(equation.args[1].type.shape[-2])
            if steps is not None and isinstance(rows, int):
                most = steps.most(rows)
                found[steps.base] = min(most, found.get(steps.base, most))
    return found


def shortest(net: Net, number: int = 1) -> dict[str, int]:
    """The fewest steps with which every window finds so many places, by the name of a dimension that has windows."""
    found: dict[str, int] = {}
    if not net.steps:
        return found
    values = {r for program in net.programs.values() for e in program.equations for r in e.results}
    for dim in {dim for value in values for dim in value.type.shape}:
        steps = derived(dim)
        if steps is not None and steps.base in net.steps and steps.name != steps.base:
            least = steps.least(number)
            found[steps.base] = max(least, found.get(steps.base, 1))
    return found
