"""What falls when the loss stays where it is: the file's rule, applied to the epochs of a run one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import history
from .history import Record
from .module import NEVER, Drops, Trainer


class Watch:
    """How often each setting that watches the loss has fallen after some epochs.

    It follows from the epochs' records alone, so that a run that is resumed makes it anew.
    """

    def __init__(self, trainer: Trainer, records: Iterable[Record] = ()):
        self._trainer = trainer
        self._counts: dict[str, Any] = {}
        self.drops: Drops = NEVER
        for record in records:
            self.see(record)

    def see(self, record: Record) -> None:
        """Count an epoch by the loss of its validation examples, or of training where none are held out."""
        if self._trainer.plateau is not None:
            losses = history.numbers(record.validation) or record.losses
            self.drops = self._trainer.plateau(self._counts, losses[self._trainer.losses[0].name])
