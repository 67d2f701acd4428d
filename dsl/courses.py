"""The named numbers of a net, and how they go with time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .evaluate import evaluate
from .ir import Program
from .plateau import Plateau


@dataclass(frozen=True)
class Setting:
    """A named number of an updater, a layer or a schedule, or a list of them, as the trainer's settings show it."""

    name: str
    number: float | tuple[float, ...]


@dataclass(frozen=True)
class Course:
    """How a setting goes with time: its program gives the `value` from `step` and `epoch`, of which `per` counts.

    One that watches the loss gives it from its `drops` too, which the rule of its `plateau` counts.
    """

    label: str
    text: str
    per: str
    program: Program
    plateau: Plateau | None = None

    @property
    def name(self) -> str:
        """What the setting is called outside of the page."""
        return self.label.lower()

    def at(self, steps: Any, epochs: Any) -> Any:
        """The values at arrays of moments; what watches the loss is taken to have one that never improves."""
        moments = {"step": np.asarray(steps, float), "epoch": np.asarray(epochs, float)}
        moments |= {"drops": self.plateau.falls(epochs)} if self.plateau else {}
        found = evaluate(self.program, moments)["value"]
        return np.broadcast_to(found, np.shape(steps))
