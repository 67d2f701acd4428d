"""What a run tells whoever watches it: a progress bar, a log, a test."""

from __future__ import annotations

from dataclasses import dataclass

from .history import Record
from .module import Arrays


@dataclass(frozen=True)
class Start:
    """A run as it begins. `epoch` and `batch` are those already done; a fresh run begins at 0 and 0.

    `losses` are their names, of which `on_batch` gives the values.
    """

    name: str
    engine: str
    provider: str
    provider_reason: str
    training: int
    validation: int
    epochs: int
    batches: int
    epoch: int
    batch: int
    resumed: bool
    losses: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """A run as it ended: the best weights where the spec stops early, else the last; keys are those of `init()`."""

    weights: Arrays
    history: tuple[Record, ...]
    steps: int
    best_epoch: int | None
    stopped_early: bool


class Observer:
    """Sees a run; every method does nothing until it is overridden. What they take, training waits for."""

    def on_start(self, start: Start) -> None:
        """The run begins."""

    def on_batch(self, epoch: int, batch: int, batches: int, losses: tuple[float, ...]) -> None:
        """A batch is done; epoch and batch count from 1. Called for every batch, so it has to be quick."""

    def on_epoch(self, record: Record) -> None:
        """An epoch is done and evaluated."""

    def on_end(self, result: Result) -> None:
        """The run ended by itself."""
