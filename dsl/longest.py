"""How many steps a net can take at most, where it has a vector for each of their places."""

from __future__ import annotations

from .net import Net


def longest(net: Net) -> dict[str, int]:
    """The most steps along a dimension that is known only at run time, by its name; of others nothing."""
    found: dict[str, int] = {}
    for program in net.programs.values():
        for equation in [e for e in program.equations if e.op.name == "rows_for"]:
            rows, steps = equation.args[0].type.shape[0], equation.args[1].type.shape[-2]
            if isinstance(steps, str) and isinstance(rows, int):
                found[steps] = min(rows, found.get(steps, rows))
    return found
