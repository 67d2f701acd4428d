"""What a schedule that watches the loss goes by, and how it would fall if the loss never improved."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

# What the clock of a plateau, which says how often it has fallen, begins with.
CLOCK = "drops."
# More falls than any training has epochs.
ENDLESS = 2**53


@dataclass(frozen=True, eq=False)
class Plateau:
    """An entry of the trainer's table of plateaus, by whose rule they are counted at the end of each epoch.

    `settings` are the names of those options that the formula reads, which are settings of the trainer.
    """

    name: str
    options: Mapping[str, float]
    settings: Mapping[str, str]

    @property
    def clock(self) -> str:
        """The name of its clock in programs and graphs, which no array of the net has."""
        return f"{CLOCK}{self.name}"

    def falls(self, epochs: Any) -> Any:
        """How often it has fallen at moments of a training whose loss never improves after the first epoch."""
        first = self.options["patience"] + 2
        period = self.options["patience"] + 1 + self.options["cooldown"]
        return np.clip(np.floor((np.asarray(epochs) - first) / period) + 1, 0, self._most)

    @cached_property
    def _most(self) -> int:
        """After so many falls the next one would be too small to be made."""
        eps = self.options["eps"]
        return bisect_left(range(ENDLESS), True, key=lambda k: self._value(k) - self._value(k + 1) <= eps)

    def _value(self, falls: int) -> float:
        return max(self.options["rate"] * self.options["factor"] ** falls, self.options["low"])
