"""What to write instead, where a loss or a metric does not fit what it compares."""

from __future__ import annotations

import math

from .derived_steps import base_of, derived
from .ir import Tensor
from .kinds import KINDS
from .types import REAL, UNIT, Dim, Domain, Shape, Type, count
from .words import Word

# Which losses and metrics go with a kind of target; braces stand for the kinds that the word takes.
TARGET_HELP = {
    ("loss", "class"): "classes go with softmax and mcxent",
    ("loss", "binary"): "0 and 1 go with sigmoid and xent, or with hinge",
    ("loss", "simplex"): "probabilities that sum to 1 go with softmax, and kl_divergence or mcxent",
    ("loss", "unit"): "shares go with sigmoid and xent, or with mse",
    ("loss", "count"): "counts go with softplus and expll, or with poisson",
    ("loss", "positive"): "positive numbers go with mse or msle",
    ("loss", "f32"): "numbers go with mse or mae; declare the target {} if it is one",
    ("metric", "class"): "classes go with accuracy and f1",
    ("metric", "f32"): "numbers go with mae, rmse and r2",
}
OF_ONE = "one number from 0 to 1 goes with dense 1 -> sigmoid, and with loss xent or mse"

# The activation whose values fill an interval.
_ACTIVATIONS = {(0.0, 1.0): "sigmoid", (-1.0, 1.0): "tanh", (0.0, math.inf): "softplus"}


def activation_for(domain: Domain) -> str | None:
    """The activation that ends a chain whose values lie in a domain; None where there is no such word."""
    return "softmax" if domain.simplex is not None else _ACTIVATIONS.get((domain.low, domain.high))


def needed(domain: Domain) -> str:
    """The domain that a word needs, in words."""
    return str(domain) if domain.simplex is not None else f"values in {domain}"


def either(word: Word) -> str:
    """The kinds of target that a word takes."""
    *kinds, last = [k for k in KINDS if k in word.targets]
    return f"{', '.join(kinds)} or {last}" if kinds else last


def instead(word: Word, target: str) -> str | None:
    """What goes with a kind of target that a loss or metric does not take."""
    help = TARGET_HELP.get((word.kind, target))
    return help.format(either(word)) if help else None


def stepping(expected: Shape, given: Shape) -> str | None:
    """What to do where the steps of a prediction are not those of its target; None where it is not about steps."""
    wanted, has = ([d for d in shape[1:] if isinstance(d, str)] for shape in (expected, given))
    if wanted == has:
        return None
    if len(wanted) != len(has) and len(expected) == len(given) and len(given) > 2:
        of, size = ("target", given[1]) if wanted else ("input", expected[1])
        return f"steps that only run time knows do not fit a known number: give the {of} {size} steps too, or neither"
    if not wanted:
        return "to have one of all steps, put last_step or globalavgpool before the layer that ends the chain"
    if not has:
        return "the target has a value at each step: end a chain that still has steps, without last_step or a pool"
    return parted(wanted[0], has[0]) or (
        f"{wanted[0]} and {has[0]} are two numbers of steps: where they are one, call both {has[0]}"
    )


def turning(expected: Shape, needs: Domain, p: Tensor) -> str | None:
    """What to do where a prediction has its features first, and what it is compared with has them last."""
    if len(p.shape) < 3 or p.axis != 1 or expected[1:] != (*p.shape[2:], p.shape[1]):
        return None
    order = [*range(1, len(p.shape) - 1), 0]
    if needs.simplex is None:
        return f"end the chain with permute {order}"
    before = ", and take the one before away" if p.type.domain.within(UNIT) else ""
    return f"end the chain with permute {order} -> softmax{before}: the classes stand on the last axis"


def parted(one: Dim, other: Dim) -> str | None:
    """What to do where windows leave different numbers of the same steps; None where they are not the same."""
    if base_of(one) != base_of(other):
        return None
    windows = next(d for d in (other, one) if derived(d) != derived(base_of(d)))
    return f"windows make {windows} of {base_of(one)} steps: pad=same or pad=causal without a stride keeps them all"


def ending(expected: Shape, needs: Domain, given: Type) -> str:
    """How a chain ends that gives this shape and such values as are needed, or as it has now where any will do."""
    sizes, has = [str(d) for d in expected[1:]], given.domain
    if needs.simplex is not None and sizes[-1] == "1":
        return OF_ONE  # softmax would only lead to the next error
    if any(isinstance(d, str) for d in expected[1:]):
        expected, given = (expected[0], expected[-1]), Type(given.dtype, (expected[0], expected[-1]), given.domain)
        sizes = sizes[-1:]  # a layer acts at each step
    total = count(expected)
    shape = f"dense {total}" if len(sizes) == 1 else f"dense {total} -> reshape [{', '.join(sizes)}]"
    if len(sizes) > 1 or len(given.shape) > 2:
        shape = f"flatten -> {shape}"
    kept = has if has.simplex is not None else UNIT if has.within(UNIT) else REAL
    activation = activation_for(kept if needs == REAL else needs)
    return f"end the chain with {shape} -> {activation}" if activation else f"end the chain with {shape}"
