"""Which uses of blocks the page tells of once for all: those of blocks that a net uses more than once."""

from __future__ import annotations

from collections import Counter

from ..dsl.net import Net
from ..dsl.section import Section, Use


def outermost(section: Section | None) -> Use | None:
    """The use of a block that a section lies in, and that lies in no other."""
    use = section.within if section else None
    while use is not None and use.outer is not None:
        use = use.outer
    return use


def repeated(net: Net) -> list[Use]:
    """The outermost uses of blocks that are used more than once, in the order of the net."""
    uses = dict.fromkeys(use for layer in net.layers if (use := outermost(layer.section)))
    often = Counter(use.block for use in uses)
    return [use for use in uses if often[use.block] > 1]


def arrays(net: Net) -> dict[Use, dict[str, str]]:
    """For each of these uses the names of its weights and states, by what they are called within it."""
    uses = repeated(net)
    found: dict[Use, dict[str, str]] = {use: {} for use in uses}
    for name, info in {**net.weights, **net.states}.items():
        use = outermost(info.section)
        if use in found and name.startswith(f"{use.path[0]}_"):
            found[use][name.removeprefix(f"{use.path[0]}_")] = name
    return found
