"""Elements of gradients that are rounding alone: what a step makes of such says nothing about the step.

A gradient that is 0 in theory, as that of a bias before a normalisation, is 1e-11 in one order of adding and 0 in
another. An updater that divides by a gradient's size, or takes its sign, moves the weight as far for it as for any
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..dsl.ir import Program
from ..dsl.net import Net
from ..runtime.fields import Array
from ..runtime.module import Arrays
from .differences import FAINT

# Where float32 errs by more than this share of a gradient's element, not even its first digit is known.
UNKNOWN = 0.1

# Where a step jumps, or divides by next to nothing, a gradient off by so much of its largest element, some times what
# float32 errs by, moves a weight otherwise by so much of its largest move.
OFF, JUMP = 1e-6, 3e-4

# The value of a loss and its gradients, before anything bounds them.
Seen = tuple[Array, Arrays]


def rounding(exact: list[Seen], *single: list[Seen], coupled: Iterable[str] = ()) -> dict[str, Array]:
    """Which elements of gradients float32 does not know, of a step in float64 and several in float32.

    Each run has a pair for each loss. A gradient of which every run says 0, such as one behind a relu that is off, is
    known, and what lies near it is not: another order of adding may leave 1e-11 there too. An updater that looks at all
    elements of a weight together, as lamb does, carries one that is not known to those of the same weight: `coupled`.
    """
    found: dict[str, Array] = {}
    for (loss, grads), *others in zip(exact, *single, strict=True):
        for name, precise in grads.items():
            errors = [np.abs(narrow[name] - precise) for _, narrow in others]
            unknown = np.any([error > UNKNOWN * np.abs(precise) for error in errors], axis=0)
            if unknown.any():
                unknown |= np.abs(precise) < FAINT * abs(float(loss))
                found[name] = found.get(name, False) | (np.ones_like(unknown) if name in coupled else unknown)
    return found


def jumping(step: Callable[[Arrays], Arrays], p: Arrays, grads: Arrays) -> dict[str, Array]:
    """Which elements of weights a step moves quite otherwise for a gradient that is a little off, where some are.

    `step` gives the weights after a step with gradients. lion's sign jumps where a running mean and the gradient cancel
    each other, and what is left is rounding.
    """
    off = {name: OFF * float(np.max(np.abs(g), initial=0.0)) for name, g in grads.items()}
    less, mid, more = (step({name: g + sign * off[name] for name, g in grads.items()}) for sign in (-1, 0, 1))
    found: dict[str, Array] = {}
    for name in grads:
        change = np.maximum(np.abs(more[name] - mid[name]), np.abs(less[name] - mid[name]))
        jumps = change > JUMP * np.max(np.abs(mid[name] - p[name]), initial=0.0)
        if jumps.any():
            found[name] = jumps
    return found


def coupled(net: Net) -> set[str]:
    """The weights whose updater, or a constraint on their norm, looks at all their elements together."""
    reduced = {name for loss in net.losses if _reduces(net.programs[loss.updater.key]) for name in loss.trained}
    return reduced | {name for name, info in net.weights.items() if {*info.constraints} - {"non_negative"}}


def _reduces(program: Program) -> bool:
    return any(any(a.type.shape for a in e.args) and not e.results[0].type.shape for e in program.equations)


def owners(net: Net) -> dict[str, str]:
    """The weight that each weight, and each part of an updater's state, belongs to."""
    moments = {loss.moment(w, m.name): w for loss in net.losses for w in loss.trained for m in loss.updater.moments}
    return {**{name: name for name in net.trained}, **moments}


def without(unknown: Array, graph: Array, file: Array) -> Array | None:
    """The graph's value with the file's where the gradient is not known; None where it is so everywhere.

    What an updater keeps as one number is compared unless nothing is known.
    """
    if unknown.size and unknown.all():
        return None
    return np.where(unknown, file, graph) if unknown.shape == graph.shape and unknown.any() else graph
