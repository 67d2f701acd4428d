"""Whether what bounds gradients or weights was seen to act in a proof, and not to act where it does not always."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..dsl.constraints import CONSTRAINTS
from ..dsl.net import Net
from ..runtime import Trainer
from ..runtime.fields import Array
from .differences import Row, fact

# Bounds that leave weights and gradients as they are where these are small; the others always act.
OF_LARGE = ("clip_norm", "clip_value", "max_norm")


@dataclass
class Bound:
    """One bound on gradients or on weights, and on which weights it was seen to act, and not to act.

    One that was only seen to act could hide the size of what it bounds, and one that never acted was not seen.
    """

    name: str
    noun: str
    seen: dict[str, set[bool]] = field(default_factory=lambda: {})

    def look(self, free: Mapping[str, Array], bound: Mapping[str, Array]) -> None:
        """Compare what is without it with what is with it; zeros say nothing."""
        for name in [name for name in bound if free[name].any()]:
            self.seen.setdefault(name, set()).add(not np.array_equal(free[name], bound[name]))

    def lacks(self, acted: bool) -> bool:
        """Whether there is a weight on which it was not yet seen to act, or not to act."""
        return (acted or self.name in OF_LARGE) and (not self.seen or bool(self._lacking(acted)))

    def _lacking(self, acted: bool) -> list[str]:
        return [name for name, seen in self.seen.items() if acted not in seen]

    @property
    def row(self) -> Row:
        """What was seen."""
        found = fact(self.name, "bound", "")
        for acted, size in ((True, "large"), (False, "small")):
            if self.lacks(acted):
                lacking = self._lacking(acted)
                some = f" of {', '.join(lacking)}" if len(lacking) < len(self.seen) else ""
                reason = f"no {self.noun}{some} was {size} enough for it {'to act' if acted else 'not to act'}"
                return replace(found, status="not proven", reason=reason)
        return found


class Bounds:
    """The bounds of a net's gradients and weights."""

    def __init__(self, net: Net, trainer: Trainer):
        self.net = net
        self.gradients = [Bound(name, "gradient") for name in trainer.normalisation]
        asked = [name for name in CONSTRAINTS if any(name in net.weights[w].constraints for w in net.trained)]
        self.weights = [Bound(name, "weight") for name in asked]

    def look_at_gradients(self, free: Mapping[str, Array], bound: Mapping[str, Array]) -> None:
        """Gradients without and with what bounds them."""
        for each in self.gradients:
            each.look(free, bound)

    def look_at_weights(self, weights: Mapping[str, Array], trained: Iterable[str]) -> None:
        """Weights as a step finds them, which it moves by little beside what it takes for a constraint to act."""
        for each in self.weights:
            constraint = CONSTRAINTS[each.name]
            values = {w: self.net.weights[w].constraints.get(each.name) for w in trained}
            bound = {w: constraint.op.kernels[-1](weights[w], **constraint.attrs(v)) for w, v in values.items() if v}
            each.look(weights, bound)

    def lack(self, acted: bool, weights: bool) -> bool:
        """Whether one of those on gradients, or on `weights`, was not yet seen to act, or not to act."""
        return any(each.lacks(acted) for each in (self.weights if weights else self.gradients))

    @property
    def rows(self) -> list[Row]:
        """What was seen of each."""
        return [each.row for each in (*self.gradients, *self.weights)]
