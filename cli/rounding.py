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

# What becomes of a gradient by these alone neither jumps nor is divided by next to nothing.
SMOOTH = frozenset({"add", "sub", "mul", "square", "cast"})

# The value of a loss and its gradients.
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


def rounded(errors: Iterable[tuple[Array, Array]]) -> Array:
    """How far rounding takes a value, from the errors of the file and of the graph at points that are near each other.

    The file has no other errors. What is wrong about a graph is wrong alike at all of them, and rounding is not: it is
    what their errors differ by.
    """
    of_file, of_graph = zip(*errors, strict=True)
    return np.maximum(np.max(np.abs(of_file), axis=0), np.nan_to_num(np.std(of_graph, axis=0), posinf=0.0))


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


def directionless(net: Net, free: Arrays, bound: Arrays) -> dict[str, Array]:
    """All elements of the weights whose gradient is 0 before it is brought to the norm 1, where the spec asks for that.

    In another order of adding it may be 1e-11, of any direction. Only what is 0 is the same before and after.
    """
    if not net.train["renormalize"]:
        return {}
    groups: dict[object, list[str]] = {}
    for name in free:
        key = {"layer": net.weights[name].section, "weight": name}.get(net.train["norm_per"])
        groups.setdefault(key, []).append(name)
    still = [group for group in groups.values() if all(np.array_equal(free[n], bound[n]) for n in group)]
    return {name: np.ones(free[name].shape, bool) for group in still for name in group}


def may_jump(program: Program) -> bool:
    """Whether there may be such elements where an updater moves a weight."""
    moved = {i.value for i in program.of("gradient")}
    for equation in program.equations:
        if moved & {*equation.args}:
            if equation.op.name not in SMOOTH:
                return True
            moved.update(equation.results)
    return False


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
