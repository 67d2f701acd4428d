"""How many steps a net can take: at most as it has vectors for places, at least as windows and labels need."""

from __future__ import annotations

from .derived_steps import derived
from .net import Net
from .types import Dim


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
    found = dict.fromkeys(net.steps, 0)
    values = {r for program in net.programs.values() for e in program.equations for r in e.results} if found else ()
    for steps in map(derived, {dim for value in values for dim in value.type.shape}):
        if steps is not None and steps.base in found and steps.name != steps.base:
            found[steps.base] = max(steps.least(number), found[steps.base], 1)
    return {name: least for name, least in found.items() if least}


def aligned(net: Net) -> list[tuple[str, Dim]]:
    """The targets whose labels have no places among steps, beside the steps among which losses look for them."""
    found: list[tuple[str, Dim]] = []
    for program in [net.programs[loss.key] for loss in net.losses]:
        names = {i.value: i.name for i in program.of("target")}
        loops = [e for e in program.equations if e.op.name == "scan" and e.attrs["loop"].name == "ctc"]
        for _, seen, _, free in [e.args for e in loops]:
            found.append((names[program.producers[free].args[0]], seen.type.shape[1]))
    return list(dict.fromkeys(found))
